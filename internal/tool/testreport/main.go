// Command testreport reads the output of `go test -json` and prints what a
// person wants of it: the closing line of every package, and the whole output
// of what failed or was skipped. It ends with a line "N passed, M failed".
//
//	go test -json ./... | testreport -no-skip -totals FILE
//
// It exits with 1 when anything failed and, with -no-skip, when anything was
// skipped: a skipped test looks like a passing one from afar. With -totals it
// appends "passed failed" to the file, for a sum over several runs.
//
// Tests are counted as leaves: a test with subtests counts as its subtests,
// and a package that fails without a failing test (it does not compile, or
// its process ended) counts as one failure.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	noSkip := flag.Bool("no-skip", false, "count a skipped test as a failure")
	totals := flag.String("totals", "", "file to append the numbers of passed and failed tests to")
	flag.Parse()

	r := newReport(os.Stdout, *noSkip)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	r.close()
	if *totals != "" {
		if err := appendLine(*totals, fmt.Sprintf("%d %d\n", r.passed, r.failed)); err != nil {
			fmt.Fprintln(os.Stderr, "testreport:", err)
			os.Exit(1)
		}
	}
	if r.failed > 0 {
		os.Exit(1)
	}
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}
