// Package tokens counts tokens where a provider does not.
//
// Estimate is quick and rather too many: it is what budgets hold back and what
// decides whether a history fits. Count asks a real tokenizer, o200k_base; the
// other vendors' differ from it by some ten percent. Its vocabulary takes about
// 20 MB of memory from its first use on.
package tokens

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"

	"github.com/bdash/bdash/internal/llm"
)

// What vendors add to each message, call and tool, rather too much.
const (
	perMessage = 8
	perTool    = 16
)

// Estimate is how many tokens the request has as input, rather too many, in
// microseconds.
func Estimate(req *llm.Request) int64 {
	n := quick(req.System) + perMessage
	each(req, func(s string) { n += quick(s) }, func(extra int64) { n += extra })
	return n
}

// EstimateText is how many tokens a text has, rather too many.
func EstimateText(s string) int64 { return quick(s) }

// quick takes three letters or spaces for a token, and for one and a half any
// character beyond ASCII; of digits and signs five make four.
func quick(s string) int64 {
	letters, signs := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
		case 'a' <= c|0x20 && c|0x20 <= 'z', c == ' ':
			letters++
		default:
			signs++
		}
	}
	others := 0
	if letters+signs < len(s) {
		others = utf8.RuneCountInString(s) - letters - signs
	}
	return int64((letters+2)/3 + (4*signs+4)/5 + (3*others+1)/2)
}

// CountRequest is how many tokens the request has as input, as well as can be
// told without the provider.
func CountRequest(req *llm.Request) int64 {
	n := Count(req.System) + perMessage/2
	each(req, func(s string) { n += Count(s) }, func(extra int64) { n += extra / 2 })
	return n
}

// each gives all texts of a request, and what is added to them.
func each(req *llm.Request, text func(string), extra func(int64)) {
	for i := range req.Messages {
		m := &req.Messages[i]
		extra(perMessage)
		text(m.Text)
		for _, c := range m.Calls {
			extra(perMessage)
			text(c.Name)
			text(string(c.Arguments))
		}
		for _, r := range m.Results {
			extra(perMessage)
			text(r.Content)
		}
	}
	for _, t := range req.Tools {
		extra(perTool)
		text(t.Name)
		text(t.Description)
		text(string(t.Schema))
	}
}

var o200k = sync.OnceValue(codec.NewO200kBase)

// Bounds of one piece: the tokenizer takes the square of the longest word.
const maxPiece = 512

// Count is how many tokens a text has.
func Count(s string) int64 {
	var n int64
	for s != "" {
		piece := s
		if len(s) > maxPiece {
			piece = s[:cutAt(s)]
		}
		s = s[len(piece):]
		count, err := o200k().Count(piece)
		if err != nil { // not in this mode of the tokenizer
			n += quick(piece)
			continue
		}
		n += int64(count)
	}
	return n
}

// cutAt is where the first piece of s ends: before the last space if there is
// one, and never within a character.
func cutAt(s string) int {
	if i := strings.LastIndexAny(s[:maxPiece], " \n"); i > 0 {
		return i
	}
	end := maxPiece
	for end > maxPiece-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return end
}
