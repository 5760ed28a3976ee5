package password

import (
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// commonGzip is the list of the 20,000 most common passwords by Royce Williams
// (https://gist.github.com/roycewilliams/281ce539915a947a23db17137d91aeb7), lowercased and rid of duplicates (19,726
// lines remain), byte for byte the file common-passwords.txt.gz that Django ships. It is data, not code.
//
//go:embed common-passwords.txt.gz
var commonGzip []byte

// commonList is the unpacked text and where its lines begin, in the order of the lines. A map of the same strings takes
// some four times the memory, all process long, for a look-up made once per registration.
type commonList struct {
	text   string
	starts []uint32
}

// commonPasswords unpacks the list at the first call and keeps it.
var commonPasswords = sync.OnceValue(func() commonList {
	r, err := gzip.NewReader(bytes.NewReader(commonGzip))
	if err != nil {
		panic(fmt.Sprintf("password: the embedded list of common passwords: %v", err))
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		panic(fmt.Sprintf("password: the embedded list of common passwords: %v", err))
	}
	return newCommonList(string(raw))
})

func newCommonList(text string) commonList {
	list := commonList{text: text, starts: make([]uint32, 0, strings.Count(text, "\n")+1)}
	start := 0
	for line := range strings.Lines(text) {
		list.starts = append(list.starts, uint32(start))
		start += len(line)
	}
	slices.SortFunc(list.starts, func(a, b uint32) int { return cmp.Compare(list.line(a), list.line(b)) })
	return list
}

// line returns the line that begins at start.
func (l commonList) line(start uint32) string {
	line, _, _ := strings.Cut(l.text[start:], "\n")
	return line
}

func (l commonList) contains(s string) bool {
	_, found := slices.BinarySearchFunc(l.starts, s, func(start uint32, s string) int {
		return cmp.Compare(l.line(start), s)
	})
	return found
}

// isCommon compares as Django does: without regard to case and surrounding white space.
func isCommon(password string) bool {
	return commonPasswords().contains(strip(lower(password)))
}
