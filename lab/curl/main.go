// Command curl stands for the image curlimages/curl: it asks for a page until it
// gets an answer, with the options of curl that Jobs of the platform's charts give
// (https://curl.se/docs/manpage.html), and refuses any other.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		os.Exit(1)
	}
}

// request is what the options say.
type request struct {
	url                      string
	tries                    int
	retryFor, delay, maxTime time.Duration
	roots                    *x509.CertPool
}

func run(ctx context.Context, args []string) error {
	r, err := parse(args)
	if err != nil {
		return err
	}
	end := time.Now().Add(r.retryFor)
	for try := 0; ; try++ {
		err := r.ask(ctx)
		if err == nil || ctx.Err() != nil || try >= r.tries || time.Now().After(end) {
			return err
		}
		fmt.Fprintln(os.Stderr, "trying again:", err)
		time.Sleep(r.delay)
	}
}

func parse(args []string) (*request, error) {
	flags := flag.NewFlagSet("curl", flag.ContinueOnError)
	tries := flags.Int("retry", 0, "how often to try again")
	flags.Bool("retry-connrefused", false, "try again when nobody listens: always done")
	retryFor := flags.Int("retry-max-time", 0, "for how many seconds to try")
	delay := flags.Int("retry-delay", 1, "seconds between tries")
	maxTime := flags.Int("max-time", 0, "seconds for a try")
	ca := flags.String("cacert", "", "file of the CA to trust")
	flags.Bool("v", false, "tell more: always done")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() != 1 {
		return nil, errors.New("one address is wanted")
	}
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	r := &request{
		url: flags.Arg(0), tries: *tries, retryFor: seconds(*retryFor), delay: seconds(*delay), maxTime: seconds(*maxTime),
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		if err != nil {
			return nil, err
		}
		r.roots = x509.NewCertPool()
		if !r.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s", *ca)
		}
	}
	return r, nil
}

// ask is content with any answer that is not the server's own failure.
func (r *request) ask(ctx context.Context) error {
	client := &http.Client{Timeout: r.maxTime, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: r.roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	fmt.Fprintln(os.Stderr, resp.Status)
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("the answer is %s", resp.Status)
	}
	return nil
}
