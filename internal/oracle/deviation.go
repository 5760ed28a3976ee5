package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
)

// A Deviation is one exchange that bdash answers otherwise than recorded, on purpose. What it does not mention stays as
// recorded.
type Deviation struct {
	Scenario string
	Index    int    // position of the exchange in its scenario, from 1
	Name     string // name of the exchange, so that a shifted index is noticed
	Reason   string

	NotSent bool              // the request is left out of the replay
	Status  int               // 0: as recorded
	Header  map[string]string // laid over the recorded headers; "" takes one away
	// The expected body is the first of these that is given; Merge and Rows then change it. All are JSON text in
	// which strings such as ‹text› (see markers.go) and {{placeholders}} stand for what varies.
	Body   string
	BodyOf int // the recorded body of this exchange of the scenario
	Merge  string
	Rows   []Row // the rows of the list (or of "results"), picked by recorded id

	Captures map[string]string // in addition to the recorded ones
}

// A Row picks a recorded row of the same scenario for an expected list.
type Row struct {
	ID    int
	Merge string // JSON object laid over the row
}

// rows picks recorded rows unchanged.
func rows(ids ...int) []Row {
	picked := make([]Row, 0, len(ids))
	for _, id := range ids {
		picked = append(picked, Row{ID: id})
	}
	return picked
}

// Deviations returns every exchange that bdash answers otherwise than recorded, by scenario and index.
func Deviations() []Deviation {
	var all []Deviation
	for _, table := range [][]Deviation{
		authDeviations, themeDeviations, resourceDeviations, agentDeviations, corsDeviations, routingDeviations,
		limitDeviations,
	} {
		all = append(all, table...)
	}
	return all
}

type place struct {
	scenario string
	index    int
}

// deviationAt is read only after initialisation, so it may be shared.
var deviationAt = func() map[place]*Deviation {
	all := Deviations()
	m := make(map[place]*Deviation, len(all))
	for i := range all {
		m[place{all[i].Scenario, all[i].Index}] = &all[i]
	}
	return m
}()

// checkTables verifies that every row of every table names an exchange that exists, and no deviation twice.
func checkTables(scenarios []Scenario) error {
	names := make(map[place]string)
	for _, s := range scenarios {
		for _, e := range s.Exchanges {
			names[place{s.Name, e.Index}] = e.Name
		}
	}
	seen := make(map[place]bool)
	for _, d := range Deviations() {
		at := place{d.Scenario, d.Index}
		switch name, ok := names[at]; {
		case !ok:
			return fmt.Errorf("deviation %s %d: no such exchange", d.Scenario, d.Index)
		case name != d.Name:
			return fmt.Errorf("deviation %s %d is for %q, but the exchange is %q", d.Scenario, d.Index, d.Name, name)
		case seen[at]:
			return fmt.Errorf("deviation %s %d stands twice in the table", d.Scenario, d.Index)
		}
		seen[at] = true
	}
	for at := range freshSignIns {
		if _, ok := names[at]; !ok {
			return fmt.Errorf("sign-in before %s %d: no such exchange", at.scenario, at.index)
		}
	}
	for at := range tiedLists {
		if _, ok := names[at]; !ok {
			return fmt.Errorf("tied list %s %d: no such exchange", at.scenario, at.index)
		}
	}
	return nil
}

// Want returns what bdash has to answer to exchange i (from 1): the recording, or what its deviation says. The
// deviation is nil where there is none. It fails when a deviation's text is not JSON or picks a row that is not there.
func (s Scenario) Want(i int) (Answer, *Deviation, error) {
	want := s.Exchanges[i-1].Answer
	d := deviationAt[place{s.Name, i}]
	if d == nil || d.NotSent {
		return want, d, nil
	}
	if d.Status != 0 {
		want.Status = d.Status
	}
	want.Header = maps.Clone(want.Header)
	for name, value := range d.Header {
		want.Header[name] = value
		if value == "" {
			delete(want.Header, name)
		}
	}
	body, err := s.wantBody(d, want.Body)
	if err != nil {
		return Answer{}, d, fmt.Errorf("deviation %s %d: %w", s.Name, i, err)
	}
	want.Body = body
	return want, d, nil
}

func (s Scenario) wantBody(d *Deviation, recorded json.RawMessage) (json.RawMessage, error) {
	body := recorded
	switch {
	case d.Body != "":
		body = json.RawMessage(d.Body)
	case d.BodyOf != 0:
		body = s.Exchanges[d.BodyOf-1].Answer.Body
	}
	if d.Merge == "" && d.Rows == nil {
		return body, nil
	}
	value, err := decode(body)
	if err != nil {
		return nil, fmt.Errorf("expected body: %w", err)
	}
	if d.Merge != "" {
		if value, err = merge(value, d.Merge); err != nil {
			return nil, err
		}
	}
	if d.Rows != nil {
		picked, err := s.pick(d.Rows)
		if err != nil {
			return nil, err
		}
		if envelope, ok := value.(map[string]any); ok {
			envelope["results"] = picked
		} else {
			value = picked
		}
	}
	return encode(value)
}

// pick returns the recorded rows with the given ids, from any list answer of the scenario.
func (s Scenario) pick(wanted []Row) ([]any, error) {
	known := s.rowsByID()
	picked := make([]any, 0, len(wanted))
	for _, w := range wanted {
		row, ok := known[fmt.Sprint(w.ID)]
		if !ok {
			return nil, fmt.Errorf("no recorded row with id %d", w.ID)
		}
		if w.Merge != "" {
			var err error
			if row, err = merge(maps.Clone(row.(map[string]any)), w.Merge); err != nil {
				return nil, err
			}
		}
		picked = append(picked, row)
	}
	return picked, nil
}

// rowsByID collects the rows of all recorded list answers of the scenario, by id as written.
func (s Scenario) rowsByID() map[string]any {
	known := make(map[string]any)
	for _, e := range s.Exchanges {
		value, err := decode(e.Answer.Body)
		if err != nil {
			continue // no body; Load has checked that the others are JSON
		}
		for _, row := range listRows(value) {
			if object, ok := row.(map[string]any); ok && object["id"] != nil {
				known[fmt.Sprint(object["id"])] = object
			}
		}
	}
	return known
}

// listRows returns the rows of a list answer, plain or in the page envelope; nil for anything else.
func listRows(value any) []any {
	if envelope, ok := value.(map[string]any); ok {
		value = envelope["results"]
	}
	list, _ := value.([]any)
	return list
}

func merge(value any, text string) (any, error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("cannot merge into %T", value)
	}
	over, err := decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("merge %s: %w", text, err)
	}
	overObject, ok := over.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("merge %s: not an object", text)
	}
	maps.Copy(object, overObject)
	return object, nil
}

// decode reads exactly one JSON value, numbers as json.Number.
func decode(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

// encode writes a value in the recorded style: compact, < > & as they are, U+2028 and U+2029 escaped.
func encode(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
