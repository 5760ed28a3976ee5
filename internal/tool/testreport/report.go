package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // instead of Package, while building
	Test       string
	Output     string
}

// testOutcome is what became of one test so far.
type testOutcome struct {
	result string // pass, fail, skip; empty while it runs
	output strings.Builder
	parent bool // has subtests
}

// pkg is what one package has said so far.
type pkg struct {
	tests  map[string]*testOutcome
	order  []string
	output strings.Builder // of the package itself
	closed bool
}

// report gathers events and prints as packages end. Not safe for concurrent use.
type report struct {
	out            io.Writer
	noSkip         bool
	pkgs           map[string]*pkg
	passed, failed int
	skipped        int
}

func newReport(out io.Writer, noSkip bool) *report {
	return &report{out: out, noSkip: noSkip, pkgs: map[string]*pkg{}}
}

// read takes events until the input ends. Lines that are no events, such as
// what make prints, go to the output as they are.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e event
			if line[0] == '{' && json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				r.print("%s\n", bytes.TrimRight(line, "\r\n"))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
	}
}

func (r *report) take(e event) {
	if e.Action == "build-output" {
		r.print("%s", e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := r.pkgs[e.Package]
	if p == nil {
		p = &pkg{tests: map[string]*testOutcome{}}
		r.pkgs[e.Package] = p
	}
	if e.Test == "" {
		switch e.Action {
		case "output":
			p.output.WriteString(e.Output)
			if closing(e.Output) {
				r.print("%s", e.Output)
			}
		case "pass", "fail", "skip":
			r.finish(e.Package, p, e.Action == "fail")
		}
		return
	}
	t := p.test(e.Test)
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		t.result = e.Action
	}
}

// test is the outcome of the named test; its parents learn that they are
// some. They have started before it, and only those are looked for: the slash
// may also stand in the name of a case.
func (p *pkg) test(name string) *testOutcome {
	t := p.tests[name]
	if t == nil {
		t = &testOutcome{}
		p.tests[name] = t
		p.order = append(p.order, name)
		for i := range len(name) {
			if above := p.tests[name[:i]]; name[i] == '/' && above != nil {
				above.parent = true
			}
		}
	}
	return t
}

// closing tells whether the line sums a package up.
func closing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t")
}

// finish counts the tests of a package and prints what went wrong in it.
func (r *report) finish(name string, p *pkg, packageFailed bool) {
	if p.closed {
		return
	}
	p.closed = true
	failures := 0
	for _, test := range p.order {
		t := p.tests[test]
		switch t.result {
		case "pass":
			if !t.parent {
				r.passed++
			}
			continue
		case "skip":
			r.skipped++
			r.print("skipped: %s %s\n%s", name, test, t.output.String())
			if r.noSkip {
				failures++
			}
			continue
		}
		// Failed, or cut off while it ran. A parent fails with its subtests,
		// which are counted already, unless it failed by itself.
		r.print("failed: %s %s\n%s", name, test, t.output.String())
		if !t.parent || !p.failedBelow(test) {
			failures++
		}
	}
	if packageFailed && failures == 0 {
		failures = 1
	}
	if packageFailed {
		r.print("output of %s:\n%s", name, p.output.String())
	}
	r.failed += failures
}

// failedBelow tells whether a subtest of the named test did not pass.
func (p *pkg) failedBelow(name string) bool {
	for test, t := range p.tests {
		if strings.HasPrefix(test, name+"/") && t.result != "pass" && t.result != "skip" {
			return true
		}
	}
	return false
}

// close ends packages that never said how they ended, as failures, and prints
// the sum. A run without any test is a failure: something did not start.
func (r *report) close() {
	for name, p := range r.pkgs {
		r.finish(name, p, !p.closed)
	}
	if r.passed+r.failed == 0 {
		r.print("no test ran\n")
		r.failed++
	}
	if r.skipped > 0 {
		r.print("%d skipped\n", r.skipped)
	}
	r.print("%d passed, %d failed\n", r.passed, r.failed)
}

// print writes to the terminal; when that is gone, nobody is left to tell.
func (r *report) print(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format, args...)
}
