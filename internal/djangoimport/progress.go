package djangoimport

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Progress hears how far an import is. Its method is called from the
// goroutine of Run, after each batch.
type Progress interface {
	// Step says that done of total rows of the table have been looked at.
	// done grows up to total; then comes the next table.
	Step(table string, done, total int64)
}

const (
	barWidth = 30
	// A terminal that is written to for every batch would be the slowest part.
	barInterval = 100 * time.Millisecond
)

// Bar draws a Progress: on a terminal one line per table that fills up, and
// elsewhere (a file, a pipe) one plain line when a table is done.
type Bar struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	drawn    time.Time
}

// NewBar makes a Bar that writes to w. Whether w is a terminal is found out
// from w itself: only an *os.File can be one.
func NewBar(w io.Writer) *Bar {
	b := &Bar{w: w, now: time.Now}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

// NewTerminalBar makes a Bar that takes w for a terminal.
func NewTerminalBar(w io.Writer) *Bar { return &Bar{w: w, terminal: true, now: time.Now} }

// Step implements Progress. What cannot be written is let go: a closed
// terminal must not stop an import.
func (b *Bar) Step(table string, done, total int64) {
	last := done >= total
	if !b.terminal {
		if last {
			fmt.Fprintf(b.w, "%s: %d rows\n", table, total)
		}
		return
	}
	now := b.now()
	if !last && now.Sub(b.drawn) < barInterval {
		return
	}
	b.drawn = now
	filled, percent := barWidth, int64(100)
	if total > 0 {
		done = min(max(done, 0), total)
		filled = int(float64(barWidth) * float64(done) / float64(total))
		percent = int64(100 * float64(done) / float64(total))
	}
	fmt.Fprintf(b.w, "\r%-20s [%s%s] %3d%%  %d/%d", table,
		strings.Repeat("#", filled), strings.Repeat("-", barWidth-filled), percent, done, total)
	if last {
		fmt.Fprintln(b.w)
	}
}
