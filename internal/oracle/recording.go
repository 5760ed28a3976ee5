package oracle

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
)

// SecretKey is the key that signed every recorded token; the server under test must use it.
const SecretKey = "your-secret-key-here-change-in-production"

// recordedBaseURL is the origin the exchanges were recorded from. Absolute links in answers begin with it.
const recordedBaseURL = "http://127.0.0.1:8102"

// throttling is the one scenario that was recorded with rate limits on.
const throttling = "70_throttling"

//go:embed testdata
var testdata embed.FS

// A Scenario is one recorded file: exchanges that depend on each other and are sent in order.
type Scenario struct {
	Name      string // file name without ".json", such as "01_auth_login"
	Exchanges []Exchange
}

// Throttled reports whether the scenario needs a server with rate limits on.
func (s Scenario) Throttled() bool { return s.Name == throttling }

// An Exchange is one recorded request and its answer. Path, Header and Body may hold {{placeholders}}.
type Exchange struct {
	Index    int // position in the scenario, from 1
	Name     string
	Method   string
	Path     string // raw request target: path and query, escaped as it was sent
	Header   map[string]string
	Body     []byte            // nil: no body
	Captures map[string]string // placeholder name -> dotted path in the answer's body
	Answer   Answer            // as recorded
}

// AI reports whether the exchange talks to the agents, which [Options.WithAI] switches on.
func (e Exchange) AI() bool {
	rest, ok := strings.CutPrefix(e.Path, "/api/ai/")
	return ok && rest != ""
}

// An Answer is what a server has to reply. Header names are lower case.
type Answer struct {
	Status int
	Header map[string]string
	Body   json.RawMessage // nil: an empty body
}

// wireExchange is the form of an exchange in testdata/exchanges.
type wireExchange struct {
	Name           string            `json:"name"`
	Method         string            `json:"method"`
	Path           string            `json:"path"`
	Headers        map[string]string `json:"headers"`
	JSON           json.RawMessage   `json:"json"`   // body given as a JSON value
	Text           *string           `json:"text"`   // body given as text, not always JSON
	Base64         *string           `json:"base64"` // body given as bytes that are not UTF-8
	Captures       map[string]string `json:"captures"`
	Status         int               `json:"status"`
	ResponseHeader map[string]string `json:"response_headers"`
	ResponseBody   json.RawMessage   `json:"response_body"`
}

// Load returns the scenarios in the order in which they were recorded and have to be replayed. It fails when the
// table of deviations names an exchange that does not exist, or names one twice.
func Load() ([]Scenario, error) {
	names, err := fs.Glob(testdata, "testdata/exchanges/*.json")
	if err != nil {
		return nil, fmt.Errorf("list recorded scenarios: %w", err)
	}
	sort.Strings(names)
	scenarios := make([]Scenario, 0, len(names))
	for _, name := range names {
		s, err := loadScenario(name)
		if err != nil {
			return nil, err
		}
		scenarios = append(scenarios, s)
	}
	if err := checkTables(scenarios); err != nil {
		return nil, err
	}
	return scenarios, nil
}

func loadScenario(file string) (Scenario, error) {
	text, err := testdata.ReadFile(file)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	var wire []wireExchange
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&wire); err != nil {
		return Scenario{}, fmt.Errorf("read scenario %s: %w", file, err)
	}
	s := Scenario{Name: strings.TrimSuffix(path.Base(file), ".json")}
	for i, w := range wire {
		body, err := w.body()
		if err != nil {
			return Scenario{}, fmt.Errorf("read scenario %s, exchange %d: %w", file, i+1, err)
		}
		s.Exchanges = append(s.Exchanges, Exchange{
			Index: i + 1, Name: w.Name, Method: w.Method, Path: w.Path, Header: w.Headers, Body: body,
			Captures: w.Captures,
			Answer:   Answer{Status: w.Status, Header: w.ResponseHeader, Body: w.ResponseBody},
		})
	}
	return s, nil
}

// body returns the bytes to send. Number literals stay as they were recorded: 1.0 and 1 are different inputs.
func (w wireExchange) body() ([]byte, error) {
	switch {
	case w.Text != nil:
		return []byte(*w.Text), nil
	case w.Base64 != nil:
		return base64.StdEncoding.DecodeString(*w.Base64)
	case w.JSON != nil:
		var b bytes.Buffer
		err := json.Compact(&b, w.JSON)
		return b.Bytes(), err
	}
	return nil, nil
}
