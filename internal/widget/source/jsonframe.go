package source

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/bdash/bdash/internal/widget"
)

// maxColumns bounds how wide a frame of JSON gets: every object may bring new
// members.
const maxColumns = 500

// jsonFrame makes a frame of a decoded JSON value: an array of objects (their
// members are the columns, by name), of arrays (columns name them; else
// column_1, …), or of single values (the column value); an object is one row.
func jsonFrame(v any, columns []string, types map[string]string, limits widget.Limits) (widget.Frame, error) {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	if v == nil {
		items = nil
	}
	names, err := jsonColumns(items, columns)
	if err != nil {
		return widget.Frame{}, err
	}
	b := newBuilder(limits, true, names...)
	row := make([]any, len(names))
	for _, item := range items {
		clear(row)
		switch x := item.(type) {
		case map[string]any:
			for i, name := range names {
				row[i] = jsonValue(x[name])
			}
		case []any:
			for i := range min(len(x), len(row)) {
				row[i] = jsonValue(x[i])
			}
		default:
			row[0] = jsonValue(item)
		}
		if !b.add(row) {
			break
		}
	}
	return b.frame(types)
}

func jsonColumns(items []any, named []string) ([]string, error) {
	if len(named) > maxColumns {
		return nil, badQuery("more than %d columns", maxColumns)
	}
	if len(named) > 0 {
		return named, nil
	}
	members := map[string]bool{}
	width, scalars := 0, false
	for _, item := range items {
		switch x := item.(type) {
		case map[string]any:
			for name := range x {
				members[name] = true
			}
		case []any:
			width = max(width, len(x))
		default:
			scalars = true
		}
		if len(members) > maxColumns || width > maxColumns {
			return nil, wrongAnswer("the answer has more than %d columns", maxColumns)
		}
	}
	switch {
	case len(members) > 0 && width == 0 && !scalars:
		return slices.Sorted(maps.Keys(members)), nil
	case width > 0 && len(members) == 0 && !scalars:
		names := make([]string, width)
		for i := range names {
			names[i] = "column_" + strconv.Itoa(i+1)
		}
		return names, nil
	case len(members) > 0 || width > 0:
		return nil, wrongAnswer("the answer mixes objects, arrays and values: pick rows of one sort with result")
	case scalars:
		return []string{"value"}, nil
	}
	return nil, nil
}

func jsonValue(v any) any {
	switch x := v.(type) {
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			return int64(x)
		}
	case map[string]any, []any:
		raw, err := json.Marshal(x)
		if err != nil {
			return nil
		}
		return json.RawMessage(raw)
	}
	return v
}
