package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// healthTimeout is less than what container engines wait for a check.
const healthTimeout = 5 * time.Second

type healthcheckCommand struct {
	Live bool `help:"Ask only whether the process lives, not whether it can work."`
}

// Run implements the command: for containers, whose images hold no curl.
func (c *healthcheckCommand) Run(ctx context.Context, p *Process) error {
	cfg, _, err := p.settings()
	if err != nil {
		return err
	}
	path := "/readyz"
	if c.Live {
		path = "/healthz"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	return askHealth(ctx, string(cfg.Addr), path)
}

// dialAddress is where a listener on addr is reached from the same machine.
func dialAddress(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// askHealth asks whether a bdash that listens on addr says at path that it is
// well.
func askHealth(ctx context.Context, addr, path string) error {
	url := "http://" + dialAddress(addr) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// No proxy of the environment: the server is on this machine.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 512))
	// The body too: another program may use the port.
	if answer.StatusCode != http.StatusOK || string(text) != `{"status":"ok"}` {
		return fmt.Errorf("%s answers %d: %s", url, answer.StatusCode, text)
	}
	return nil
}
