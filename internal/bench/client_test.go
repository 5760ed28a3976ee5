//go:build bench && linux

package bench_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// connections are driven at the same time, each with one request in flight.
const connections = 16

// client is a load generator that costs little beside the system calls: the
// request is made once, and of an answer only what delimits it is read.
type client struct {
	conns   []net.Conn
	readers []*bufio.Reader
}

func dial(address string, n int) (*client, error) {
	c := &client{}
	for range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			c.close()
			return nil, err
		}
		c.conns, c.readers = append(c.conns, conn), append(c.readers, bufio.NewReaderSize(conn, 32<<10))
	}
	return c, nil
}

func (c *client) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

// drive sends the request over all connections until the time is up and every
// answer is there.
func (c *client) drive(request []byte, d time.Duration) (requests int, took time.Duration, err error) {
	var wait sync.WaitGroup
	counts, errs := make([]int, len(c.conns)), make([]error, len(c.conns))
	began := time.Now()
	end := began.Add(d)
	for i := range c.conns {
		wait.Go(func() {
			for errs[i] == nil && time.Now().Before(end) {
				if errs[i] = c.once(i, request); errs[i] == nil {
					counts[i]++
				}
			}
		})
	}
	wait.Wait()
	took = time.Since(began)
	for _, n := range counts {
		requests += n
	}
	return requests, took, errors.Join(errs...)
}

// once sends one request over connection i and reads past its answer.
func (c *client) once(i int, request []byte) error {
	if _, err := c.conns[i].Write(request); err != nil {
		return err
	}
	n, err := readHead(c.readers[i], nil)
	if err != nil {
		return err
	}
	_, err = c.readers[i].Discard(n)
	return err
}

var (
	statusOK      = []byte("HTTP/1.1 200 ")
	contentLength = []byte("Content-Length: ")
)

// readHead reads the head of an answer, which must be a 200, and gives the
// length of its body. keep, if any, is told of every header line.
func readHead(r *bufio.Reader, keep func(line string)) (length int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(line, statusOK) {
		rest, _ := io.ReadAll(io.LimitReader(r, 400))
		return 0, fmt.Errorf("answer %q %q, want 200", line, rest)
	}
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, nil
		}
		if digits, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(digits)); err != nil {
				return 0, err
			}
		}
		if keep != nil {
			keep(string(line))
		}
	}
}

// answer is what one request gets, in full.
type answer struct {
	headers []string
	body    string
}

// ask sends one request over a connection of its own.
func ask(address string, request []byte) (a answer, err error) {
	c, err := dial(address, 1)
	if err != nil {
		return a, err
	}
	defer c.close()
	if _, err := c.conns[0].Write(request); err != nil {
		return a, err
	}
	n, err := readHead(c.readers[0], func(line string) { a.headers = append(a.headers, line) })
	if err != nil {
		return a, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(c.readers[0], body)
	a.body = string(body)
	return a, err
}

// rawRequest is a request as a browser's client code sends it.
func rawRequest(method, path, token, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\nUser-Agent: bench\r\n", method, path, token)
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}
