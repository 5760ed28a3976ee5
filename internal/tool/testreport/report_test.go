package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	t.Parallel()
	const (
		run    = `{"Action":"run","Package":"p","Test":"TestA"}`
		pass   = `{"Action":"pass","Package":"p","Test":"TestA"}`
		okLine = `{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}`
		okEnd  = `{"Action":"pass","Package":"p"}`
		bad    = `{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: broken\n"}` + "\n" + `{"Action":"fail","Package":"p","Test":"TestB"}`
		badEnd = `{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}` + "\n" + `{"Action":"fail","Package":"p"}`
		skip   = `{"Action":"output","Package":"p","Test":"TestC","Output":"--- SKIP: TestC\n"}` + "\n" + `{"Action":"skip","Package":"p","Test":"TestC"}`
	)
	for _, tt := range []struct {
		name   string
		lines  []string
		noSkip bool
		want   []string // in this order, the last at the end
		failed int
	}{
		{"all pass", []string{pass, okLine, okEnd}, true, []string{"ok  \tp\t0.1s\n", "1 passed, 0 failed\n"}, 0},
		{"one fails", []string{pass, bad, badEnd}, false, []string{"FAIL\tp\t0.1s\n", "failed: p TestB\n", "broken\n", "1 passed, 1 failed\n"}, 1},
		{"skip is let pass", []string{pass, skip, okLine, okEnd}, false, []string{"skipped: p TestC\n--- SKIP: TestC\n", "1 skipped\n", "1 passed, 0 failed\n"}, 0},
		{"skip is a failure", []string{pass, skip, okLine, okEnd}, true, []string{"skipped: p TestC\n", "1 passed, 1 failed\n"}, 1},
		{"leaves are counted", []string{
			run, `{"Action":"run","Package":"p","Test":"TestA/x"}`, `{"Action":"pass","Package":"p","Test":"TestA/x"}`, `{"Action":"pass","Package":"p","Test":"TestA/y"}`, pass, okEnd,
		}, true, []string{"2 passed, 0 failed\n"}, 0},
		{"a slash in the name of a case", []string{
			run, `{"Action":"pass","Package":"p","Test":"TestA/redis://h/0"}`, pass, okEnd,
		}, true, []string{"1 passed, 0 failed\n"}, 0},
		{"a failing subtest counts once", []string{
			run, `{"Action":"fail","Package":"p","Test":"TestA/x"}`, `{"Action":"fail","Package":"p","Test":"TestA"}`, badEnd,
		}, true, []string{"0 passed, 1 failed\n"}, 1},
		{"a parent that fails by itself", []string{
			run, `{"Action":"pass","Package":"p","Test":"TestA/x"}`, `{"Action":"fail","Package":"p","Test":"TestA"}`, badEnd,
		}, true, []string{"1 passed, 1 failed\n"}, 1},
		{"does not compile", []string{
			`{"ImportPath":"p","Action":"build-output","Output":"p.go:1: undefined: x\n"}`, `{"ImportPath":"p","Action":"build-fail"}`,
			`{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}`, `{"Action":"fail","Package":"p","FailedBuild":"p"}`,
		}, true, []string{"undefined: x\n", "FAIL\tp [build failed]\n", "0 passed, 1 failed\n"}, 1},
		{"cut off", []string{pass, `{"Action":"output","Package":"p","Test":"TestB","Output":"panic: x\n"}`}, true, []string{"failed: p TestB\npanic: x\n", "1 passed, 1 failed\n"}, 1},
		{"cut off between tests", []string{pass}, true, []string{"1 passed, 1 failed\n"}, 1},
		{"package without tests", []string{`{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}`, `{"Action":"skip","Package":"q"}`, pass, okEnd}, true, []string{"?   \tq\t[no test files]\n", "1 passed, 0 failed\n"}, 0},
		{"other lines", []string{"make: hello", `{"odd":1}`, `{broken`, pass, okEnd}, true, []string{"make: hello\n", `{"odd":1}` + "\n", "{broken\n", "1 passed, 0 failed\n"}, 0},
		{"nothing", nil, false, []string{"no test ran\n", "0 passed, 1 failed\n"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r := newReport(&out, tt.noSkip)
			if err := r.read(strings.NewReader(strings.Join(tt.lines, "\n"))); err != nil {
				t.Fatal(err)
			}
			r.close()
			rest := out.String()
			for _, want := range tt.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("output %q lacks %q after what came before", out.String(), want)
				}
				rest = after
			}
			if rest != "" || r.failed != tt.failed {
				t.Errorf("failed = %d, want %d; after the last line: %q", r.failed, tt.failed, rest)
			}
		})
	}
}
