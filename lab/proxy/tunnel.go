package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// tunnel answers CONNECT: bytes to and fro until both sides have ended.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request, t target) {
	server, err := p.dial(r.Context(), t)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	defer func() { _ = server.Close() }()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot become a tunnel", http.StatusInternalServerError)
		return
	}
	// What the client sent right behind its request is in the buffer already.
	client := stream{Conn: conn, reader: buffered.Reader}
	defer func() { _ = client.Close() }()
	_ = client.SetDeadline(time.Time{})
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var directions sync.WaitGroup
	directions.Go(func() { pour(server, client) })
	directions.Go(func() { pour(client, server) })
	directions.Wait()
}

// pour copies until from ends, and tells to so by half a close: the other
// direction may go on.
func pour(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err == nil && ok && half.CloseWrite() == nil {
		return
	}
	_ = to.Close()
	_ = from.Close()
}

func (p *Proxy) dial(ctx context.Context, t target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if t.address != "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.address)
		if err != nil {
			return nil, fmt.Errorf("the lab's server of %s does not answer: %w", t.name, err)
		}
		return conn, nil
	}
	upstream, err := p.Upstream(&http.Request{URL: &url.URL{Scheme: "https", Host: t.name}})
	if err != nil {
		return nil, fmt.Errorf("choosing the proxy to %s: %w", t.name, err)
	}
	if upstream == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", t.name)
	}
	conn, err := dialUpstream(ctx, upstream, t.name)
	if err != nil {
		return nil, fmt.Errorf("reaching %s by the proxy %s: %w", t.name, upstream.Host, err)
	}
	return conn, nil
}

// dialUpstream asks another proxy for a tunnel to name.
func dialUpstream(ctx context.Context, upstream *url.URL, name string) (net.Conn, error) {
	conn, err := dialProxy(ctx, upstream)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	tunnel, err := connect(conn, upstream.User, name)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return tunnel, nil
}

func dialProxy(ctx context.Context, u *url.URL) (net.Conn, error) {
	port := u.Port()
	switch u.Scheme {
	case "http":
		if port == "" {
			port = "80"
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	case "https":
		if port == "" {
			port = "443"
		}
		dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}
		return dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	}
	return nil, fmt.Errorf("a proxy of kind %q is not supported, only http and https", u.Scheme)
}

func connect(conn net.Conn, user *url.Userinfo, name string) (net.Conn, error) {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: name}, Host: name, Header: http.Header{}}
	if user != nil {
		password, _ := user.Password()
		basic := http.Request{Header: http.Header{}}
		basic.SetBasicAuth(user.Username(), password)
		req.Header.Set("Proxy-Authorization", basic.Header.Get("Authorization"))
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", resp.Status)
	}
	return stream{Conn: conn, reader: reader}, nil
}

// stream is a connection of which a part was read ahead.
type stream struct {
	net.Conn
	reader *bufio.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.reader.Read(p) }

// CloseWrite ends one direction.
func (s stream) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return s.Close()
}
