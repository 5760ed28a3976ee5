package theme

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/palette"
)

// builtInSince is when the built-in themes were written, as far as the wire is
// concerned: they have no row that could know better.
var builtInSince = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// builtIns are the built-in themes with falling ids from -1: the id is the
// place in palette.Builtin, which therefore may only grow at its end.
var builtIns = sync.OnceValue(func() []Theme {
	data := palette.Builtin()
	themes := make([]Theme, len(data))
	for i, d := range data {
		light, dark := colorsOf(d.Light), colorsOf(d.Dark)
		t := Theme{
			ID: -int64(i) - 1, Name: d.Name, Description: d.Description, ColorMode: string(d.ColorMode),
			Colors: light, BorderRadius: "0.5rem", CreatedAt: builtInSince, UpdatedAt: builtInSince,
		}
		if d.ColorMode == palette.Dark {
			t.Colors = dark
		}
		if light != nil && dark != nil {
			t.Palettes = slices.Concat([]byte(`{"light":`), light, []byte(`,"dark":`), dark, []byte("}"))
		}
		themes[i] = t
	}
	return themes
})

// colorsOf is a compact object in the palette's order, nil for no palette.
func colorsOf(p palette.Palette) json.RawMessage {
	if len(p) == 0 {
		return nil
	}
	out := []byte{'{'}
	for i, e := range p {
		if i > 0 {
			out = append(out, ',')
		}
		// Names and values are plain ASCII, which Go and JSON quote alike.
		out = strconv.AppendQuote(out, e.Name)
		out = append(out, ':')
		out = strconv.AppendQuote(out, e.Value)
	}
	return append(out, '}')
}

// builtIn is the built-in theme of that id, the caller's to change. ErrNotFound.
func builtIn(id int64) (Theme, error) {
	themes := builtIns()
	if id >= 0 || id < -int64(len(themes)) {
		return Theme{}, ErrNotFound
	}
	return copyOf(themes[-id-1]), nil
}

func copyOf(t Theme) Theme {
	t.Colors, t.Palettes = slices.Clone(t.Colors), slices.Clone(t.Palettes)
	return t
}

// ListBuiltIn is one page of the built-in themes, which are the same for every
// actor: in falling order of ids, beginning with -1, unless the request asks for
// another one. Unknown fields are ignored. page.ErrInvalid.
func (s *Service) ListBuiltIn(_ context.Context, _ identity.Actor, req page.Request) (page.Result[Theme], error) {
	res := page.Result[Theme]{Items: []Theme{}, Size: req.Size}
	if req.Size < 1 {
		return res, page.ErrInvalid
	}
	found := make([]Theme, 0, len(builtIns()))
	words := searchWords(req.Search)
	for _, t := range builtIns() {
		if passes(&t, req.Filters) && mentions(&t, words) {
			found = append(found, t)
		}
	}
	number, offset, err := req.Resolve(len(found))
	if err != nil {
		return res, err
	}
	order := totalOrder(req.Ordering)
	slices.SortFunc(found, func(a, b Theme) int { return compare(&a, &b, order) })
	res.Number, res.Count = number, len(found)
	for _, t := range found[offset:min(offset+min(req.Size, len(found)), len(found))] {
		res.Items = append(res.Items, copyOf(t))
	}
	return res, nil
}

// passes reports whether t has what the filters on known fields ask for. A
// value that is no boolean matches nothing.
func passes(t *Theme, filters map[string]string) bool {
	for field, want := range filters {
		switch field {
		case "color_mode":
			if t.ColorMode != want {
				return false
			}
		case "is_active", "is_default":
			// Both are marks of a user's own themes.
			if want = strings.ToLower(want); want != "false" && want != "0" {
				return false
			}
		}
	}
	return true
}

// searchWords divides a search by white space and commas. Quotes, which group
// words in the lists of stored themes, only separate: with so few themes the
// words by themselves tell enough.
func searchWords(search string) []string {
	return strings.FieldsFunc(strings.ToLower(search), func(r rune) bool {
		return strings.ContainsRune(" \t\n\v\f\r\u0085\u00a0,\"'", r)
	})
}

func mentions(t *Theme, words []string) bool {
	text := strings.ToLower(t.Name + "\n" + t.Description)
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// comparisons are the fields of themes/ to order by. Text goes by its bytes, as
// in the stores. is_active, is_default and is_system are equal for all.
var comparisons = map[string]func(a, b *Theme) int{
	"id":            func(a, b *Theme) int { return cmp.Compare(a.ID, b.ID) },
	"name":          func(a, b *Theme) int { return cmp.Compare(a.Name, b.Name) },
	"description":   func(a, b *Theme) int { return cmp.Compare(a.Description, b.Description) },
	"color_mode":    func(a, b *Theme) int { return cmp.Compare(a.ColorMode, b.ColorMode) },
	"colors":        func(a, b *Theme) int { return bytes.Compare(a.Colors, b.Colors) },
	"border_radius": func(a, b *Theme) int { return cmp.Compare(a.BorderRadius, b.BorderRadius) },
	"is_active":     func(_, _ *Theme) int { return 0 },
	"is_default":    func(_, _ *Theme) int { return 0 },
	"created_at":    func(a, b *Theme) int { return a.CreatedAt.Compare(b.CreatedAt) },
	"updated_at":    func(a, b *Theme) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
}

// totalOrder is the known part of an order. The id decides in the end, in the
// direction of the first field, as in the stores.
func totalOrder(asked []page.Order) []page.Order {
	var order []page.Order
	for _, o := range asked {
		if comparisons[o.Field] != nil {
			order = append(order, o)
		}
	}
	desc := len(order) == 0 || order[0].Desc
	return append(order, page.Order{Field: "id", Desc: desc})
}

func compare(a, b *Theme, order []page.Order) int {
	for _, o := range order {
		c := comparisons[o.Field](a, b)
		if o.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
