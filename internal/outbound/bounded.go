package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// ErrTooLarge says that the other side sent more than was to be read.
var ErrTooLarge = errors.New("outbound: the answer is larger than the limit")

// DialFunc connects to "host:port".
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Bounded is a DialFunc whose connections together bring at most limit bytes;
// reading on fails with ErrTooLarge. For one answer, not for a pool.
func (d *Dialer) Bounded(limit int64) DialFunc {
	var left atomic.Int64
	left.Store(limit)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &boundedConn{Conn: conn, left: &left}, nil
	}
}

type boundedConn struct {
	net.Conn
	left *atomic.Int64
}

func (c *boundedConn) Read(p []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := c.Conn.Read(p)
	c.left.Add(-int64(n))
	return n, err
}

// boundedBody fails, instead of ending, where more than the limit comes.
type boundedBody struct {
	body io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	// One byte more than the limit tells a body that ends there from a longer one.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}

func (b *boundedBody) Close() error { return b.body.Close() }
