package cachetest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes TCP to a server and can be told to hold everything back: a
// server that is reachable and says nothing.
type Proxy struct {
	target   string // a Unix socket
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	flow   *sync.Cond
	held   bool
	closed bool
	conns  map[net.Conn]bool
}

// NewProxy listens on a free port of 127.0.0.1 in front of server, until the
// test ends.
func NewProxy(t testing.TB, server *Server) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: server.Socket(), listener: listener, conns: map[net.Conn]bool{}}
	p.flow = sync.NewCond(&p.mu)
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// URL is the redis URL that leads through the proxy.
func (p *Proxy) URL() string { return "redis://" + p.listener.Addr().String() + "/0" }

// Stall holds back all bytes, on new connections too, until Resume.
func (p *Proxy) Stall() { p.hold(true) }

// Resume lets the bytes that were held back go on.
func (p *Proxy) Resume() { p.hold(false) }

func (p *Proxy) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
	p.flow.Broadcast()
}

func (p *Proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("unix", p.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		if !p.keep(in, out) {
			return
		}
		p.work.Go(func() { p.pass(in, out) })
		p.work.Go(func() { p.pass(out, in) })
	}
}

// keep remembers the connections for close; false when it is too late.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if p.closed {
			_ = conn.Close()
			continue
		}
		p.conns[conn] = true
	}
	return !p.closed
}

// pass copies one direction, and closes both ends when it is over.
func (p *Proxy) pass(from, to net.Conn) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !p.await() {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				p.await()
			}
			return
		}
	}
}

// await blocks while the proxy stalls; false when it has been closed.
func (p *Proxy) await() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.held && !p.closed {
		p.flow.Wait()
	}
	return !p.closed
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for conn := range p.conns {
		_ = conn.Close()
	}
	p.flow.Broadcast()
	p.mu.Unlock()
	p.work.Wait()
}
