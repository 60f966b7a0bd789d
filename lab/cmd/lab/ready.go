package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

const readyTimeout = 5 * time.Second

// reachable asks for a page of the platform as a person's tools would: by its
// name, through the proxy, trusting the platform's CA alone. Another program on
// a port of the lab cannot answer.
func reachable(p *project, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		ca, err := os.ReadFile(p.site.CACert)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		port, err := p.site.Port("proxy")
		if err != nil {
			return err
		}
		proxy := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
		client := &http.Client{Timeout: readyTimeout, Transport: &http.Transport{
			Proxy: http.ProxyURL(proxy), DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		}}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s answers %s", address, response.Status)
		}
		_ = response.Body.Close()
		return err
	}
}
