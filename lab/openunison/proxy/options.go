package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"strings"
)

// options are the flags of a management proxy, with the real program's defaults
// (cmd/app/options).
type options struct {
	securePort, probePort      int
	certFile, keyFile          string
	issuer, audience, username string
	caFile                     string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("kube-oidc-proxy", flag.ContinueOnError)
	flags.IntVar(&o.securePort, "secure-port", 6443, "port to serve HTTPS on")
	flags.IntVar(&o.probePort, "readiness-probe-port", 8080, "port to serve /ready and /live on")
	flags.StringVar(&o.certFile, "tls-cert-file", "", "certificate to serve with")
	flags.StringVar(&o.keyFile, "tls-private-key-file", "", "its key")
	flags.StringVar(&o.issuer, "oidc-issuer-url", "", "URL of the issuer of tokens")
	flags.StringVar(&o.audience, "oidc-client-id", "", "audience that tokens must have")
	flags.StringVar(&o.username, "oidc-username-claim", "sub", "claim that names the user")
	flags.StringVar(&o.caFile, "oidc-ca-file", "", "authorities that may vouch for the issuer; without it the system's")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown arguments %q", flags.Args())
	}
	return o, o.validate()
}

func (o options) validate() error {
	var errs []error
	if !strings.HasPrefix(o.issuer, "https://") {
		errs = append(errs, fmt.Errorf("--oidc-issuer-url must be an https:// address, not %q", o.issuer))
	}
	if o.audience == "" {
		errs = append(errs, errors.New("--oidc-client-id is needed"))
	}
	if o.username == "" || o.username == "email" {
		errs = append(errs, fmt.Errorf("the stand-in does not know --oidc-username-claim=%s", o.username))
	}
	if o.securePort == o.probePort {
		errs = append(errs, fmt.Errorf("--secure-port and --readiness-probe-port are both %d", o.securePort))
	}
	if o.certFile == "" || o.keyFile == "" {
		// cmd/app/run.go makes no certificate when it is given none.
		errs = append(errs, errors.New("--tls-cert-file and --tls-private-key-file are needed: "+
			"without them the real kube-oidc-proxy starts and fails every TLS handshake"))
	} else if _, err := tls.LoadX509KeyPair(o.certFile, o.keyFile); err != nil {
		errs = append(errs, fmt.Errorf("certificate to serve with: %w", err))
	}
	return errors.Join(errs...)
}

// serving reads the certificate at each handshake, so that a renewed one counts.
func (o options) serving() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
			return &pair, err
		},
		// Upgrades, as kubectl exec asks for, are of HTTP/1.1.
		NextProtos: []string{"http/1.1"},
	}
}
