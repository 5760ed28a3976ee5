package mail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Console writes messages where somebody can read them, instead of sending
// them. The text is not encoded, so that links can be copied.
type Console struct {
	mu  sync.Mutex
	out io.Writer
}

// NewConsole writes to out, one message at a time.
func NewConsole(out io.Writer) *Console { return &Console{out: out} }

// Send implements Transport.
func (c *Console) Send(_ context.Context, m Message) error {
	if err := m.Validate(); err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\nTo: %s\nSubject: %s\nDate: %s\n", m.From, m.To, m.Subject, time.Now().Format(time.RFC1123Z))
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		fmt.Fprintf(&b, "%s: %s\n", name, m.Headers[name])
	}
	fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(printable(m.Text), "\n"))
	if m.HTML != "" {
		fmt.Fprintf(&b, "\n(The same in HTML: %d bytes, not shown.)\n", len(m.HTML))
	}
	fmt.Fprintf(&b, "%s\n", strings.Repeat("-", 79))

	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.out.Write(b.Bytes()); err != nil {
		return &Error{Err: fmt.Errorf("mail: write to console: %w", err)}
	}
	return nil
}

// printable drops control characters, which could drive the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}
