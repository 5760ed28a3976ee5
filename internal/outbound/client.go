package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// ClientOptions bound what an HTTP client does; zero fields take the default.
type ClientOptions struct {
	// Timeout is for a request with its redirects and its body; 0 is 15 seconds.
	Timeout time.Duration
	// Body is how many bytes of an answer are read, after decompression; 0 is 8 MiB.
	Body int64
	// Redirects is how many are followed; 0 is 3, negative none.
	Redirects int
	// Roots replace the system's certificates; nil keeps them.
	Roots *x509.CertPool
	// Insecure takes any certificate.
	Insecure bool
	// Header is set on every request to the first origin, and never sent to
	// another one: it may hold a secret.
	Header http.Header
	// Authorize sets credentials on requests to the first origin; may be nil.
	Authorize func(*http.Request)
}

// Errors of clients.
var (
	ErrRedirects = errors.New("outbound: too many redirects")
	// ErrDowngrade: a redirect would leave https.
	ErrDowngrade = errors.New("outbound: a redirect leads from https to http")
	ErrScheme    = errors.New("outbound: only http and https")
)

// Client makes a client for requests to one origin. It keeps no connections,
// reads no proxy settings and no cookies. Close idle connections is not needed.
func (d *Dialer) Client(origin *url.URL, o ClientOptions) *http.Client {
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Body <= 0 {
		o.Body = 8 << 20
	}
	switch {
	case o.Redirects == 0:
		o.Redirects = 3
	case o.Redirects < 0:
		o.Redirects = 0
	}
	transport := &http.Transport{
		DialContext:           d.DialContext,
		DisableKeepAlives:     true,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: o.Timeout,
		// Headers are read into memory before the body's limit counts.
		MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots, InsecureSkipVerify: o.Insecure}, //nolint:gosec // the administrator's choice, by name
	}
	return &http.Client{
		Timeout:   o.Timeout,
		Transport: &guard{next: transport, origin: origin, options: o},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case len(via) > o.Redirects:
				return fmt.Errorf("%w: more than %d", ErrRedirects, o.Redirects)
			case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
				return ErrDowngrade
			}
			return nil
		},
	}
}

// guard adds the credentials where they belong and bounds the body.
type guard struct {
	next    http.RoundTripper
	origin  *url.URL
	options ClientOptions
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return nil, ErrScheme
	}
	r = r.Clone(r.Context()) // a RoundTripper must not change its request
	if r.URL.Scheme == g.origin.Scheme && r.URL.Host == g.origin.Host {
		for name, values := range g.options.Header {
			r.Header[name] = values
		}
		if g.options.Authorize != nil {
			g.options.Authorize(r)
		}
	} else {
		// net/http keeps headers for subdomains; here another host gets none.
		for name := range g.options.Header {
			r.Header.Del(name)
		}
		r.Header.Del("Authorization")
		r.Header.Del("Cookie")
	}
	res, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &boundedBody{body: res.Body, left: g.options.Body}
	return res, nil
}
