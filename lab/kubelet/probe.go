package kubelet

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probe asks a container, as its probes say, until ctx ends: ready is told each
// change of its readiness, and stop ends a container that is not alive
// (https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/).
func (r *podRun) probe(ctx context.Context, c *corev1.Container, ready func(bool), stop func()) {
	if c.StartupProbe != nil {
		if !r.started(ctx, c) {
			stop()
			return
		}
		if c.ReadinessProbe == nil {
			ready(true)
		}
	}
	if c.LivenessProbe != nil {
		go func() {
			if r.watch(ctx, c, c.LivenessProbe, func(alive bool) bool { return alive }) {
				r.Log.Warn("not alive", "cluster", r.Cluster, "pod", r.pod.Namespace+"/"+r.pod.Name, "container", c.Name)
				stop()
			}
		}()
	}
	if c.ReadinessProbe != nil {
		r.watch(ctx, c, c.ReadinessProbe, func(is bool) bool { ready(is); return true })
	}
}

// started waits for the startup probe.
func (r *podRun) started(ctx context.Context, c *corev1.Container) bool {
	up := false
	r.watch(ctx, c, c.StartupProbe, func(is bool) bool { up = is; return false })
	return up
}

// watch asks a probe again and again, and tells each change of its answer, the
// first included, until told says false or ctx ends. It says whether told did.
func (r *podRun) watch(ctx context.Context, c *corev1.Container, p *corev1.Probe, told func(bool) bool) bool {
	orElse := func(v, other int32) int32 {
		if v == 0 {
			return other
		}
		return v
	}
	period := time.Duration(orElse(p.PeriodSeconds, 10)) * time.Second
	wait := time.Duration(p.InitialDelaySeconds) * time.Second
	if wait == 0 {
		wait = 200 * time.Millisecond // a person waits for the first answer
	}
	var last *bool
	successes, failures := int32(0), int32(0)
	var counted time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
		asking, cancel := context.WithTimeout(ctx, time.Duration(orElse(p.TimeoutSeconds, 1))*time.Second)
		err := r.ask(asking, c, p)
		cancel()
		if err == nil {
			successes, failures = successes+1, 0
		} else if successes = 0; time.Since(counted) >= period {
			// Asked more often than the probe says, it does not fail sooner.
			failures, counted = failures+1, time.Now()
		}
		is := successes > 0
		enough := successes >= orElse(p.SuccessThreshold, 1) || failures >= orElse(p.FailureThreshold, 3)
		if ctx.Err() == nil && enough && (last == nil || *last != is) {
			last = &is
			if !told(is) {
				return true
			}
		}
		if wait = period; last == nil || !*last {
			wait = min(period, time.Second)
		}
	}
}

// ask asks a probe once.
func (r *podRun) ask(ctx context.Context, c *corev1.Container, p *corev1.Probe) error {
	switch {
	case p.HTTPGet != nil:
		return r.get(ctx, c, p.HTTPGet)
	case p.TCPSocket != nil:
		conn, err := r.dial(ctx, c, p.TCPSocket.Port)
		if err != nil {
			return err
		}
		return conn.Close()
	case p.Exec != nil:
		image, _ := r.image(c.Image)
		spec, err := r.containerSpec(ctx, r.pod, c, r.volumes, image, p.Exec.Command)
		if err != nil {
			return err
		}
		spec.network, spec.inside = r.place, r.processes.pid(r.pod, c.Name)
		if spec.inside == 0 {
			return errors.New("the container does not run")
		}
		var out bytes.Buffer
		return spec.run(ctx, nil, &out, &out)
	}
	return errors.New("the lab's kubelet knows httpGet, tcpSocket and exec probes only")
}

func (r *podRun) dial(ctx context.Context, c *corev1.Container, port intstr.IntOrString) (net.Conn, error) {
	number, err := portNumber(c, port)
	if err != nil {
		return nil, err
	}
	return r.place.Cluster.Dial(ctx, netip.AddrPortFrom(r.place.address, number))
}

// get asks as the kubelet does: no certificate is verified, and any answer below
// 400 is a good one.
func (r *podRun) get(ctx context.Context, c *corev1.Container, action *corev1.HTTPGetAction) error {
	scheme := "http"
	if action.Scheme == corev1.URISchemeHTTPS {
		scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+r.place.address.String()+action.Path, nil)
	if err != nil {
		return err
	}
	for _, h := range action.HTTPHeaders {
		request.Header.Add(h.Name, h.Value)
	}
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// The certificate of a pod is for its Service's name, and a probe has no CA.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // as the kubelet's
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return r.dial(ctx, c, action.Port)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the answer is %s", response.Status)
	}
	return nil
}

func portNumber(c *corev1.Container, port intstr.IntOrString) (uint16, error) {
	if port.Type == intstr.Int {
		return uint16(port.IntVal), nil
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return uint16(p.ContainerPort), nil
		}
	}
	number, err := strconv.ParseUint(port.StrVal, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("container %s has no port %s", c.Name, port.StrVal)
	}
	return uint16(number), nil
}
