package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jmespath-community/go-jmespath/pkg/functions"
	"github.com/jmespath-community/go-jmespath/pkg/interpreter"
	"github.com/jmespath-community/go-jmespath/pkg/parsing"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/outbound"
	"github.com/bdash/bdash/internal/widget"
)

// httpQuery is the query of the kind http. Path, query, headers and body take
// parameters as ${name}.
type httpQuery struct {
	// Method is GET, the default, or POST.
	Method string `json:"method"`
	// Path goes below the data source's url, and never above it.
	Path    string            `json:"path"`
	Query   map[string]string `json:"query"`
	Headers map[string]string `json:"headers"`
	// Body is sent as JSON. A text that is one parameter takes its type.
	Body json.RawMessage `json:"body"`
	// Result picks the rows out of the answer, by JMESPath; the whole answer
	// when empty.
	Result  string            `json:"result"`
	Columns []string          `json:"columns"` // names for rows that are arrays
	Types   map[string]string `json:"types"`
}

// httpPlan is an httpQuery that was read.
type httpPlan struct {
	q       httpQuery
	path    template
	query   map[string]template
	headers map[string]template
	body    any
	result  *expression
	needs   widget.Uses
}

// maxExpression is how long a JMESPath may be, in bytes.
const maxExpression = 4096

func parseHTTP(query []byte) (plan, error) {
	p := &httpPlan{query: map[string]template{}, headers: map[string]template{}}
	if err := decode(query, &p.q); err != nil {
		return nil, err
	}
	var names []string
	var unread error
	read := func(text string) template {
		t, err := parseTemplate(text)
		unread = errors.Join(unread, err)
		names = append(names, t.names()...)
		return t
	}
	switch p.q.Method {
	case "":
		p.q.Method = http.MethodGet
	case http.MethodGet, http.MethodPost:
	default:
		return nil, badQuery("method is GET or POST")
	}
	if p.q.Method == http.MethodGet && p.q.Body != nil {
		return nil, badQuery("a GET has no body")
	}
	if strings.ContainsAny(p.q.Path, "?#\\") {
		return nil, badQuery("path holds no ?, # or backslash: what follows a ? belongs in query")
	}
	p.path = read(p.q.Path)
	for name, text := range p.q.Query {
		p.query[name] = read(text)
	}
	for name, text := range p.q.Headers {
		if !allowedHeader(name) {
			return nil, badQuery("the header %q cannot be set by a query", name)
		}
		p.headers[name] = read(text)
	}
	if p.q.Body != nil {
		if err := json.Unmarshal(p.q.Body, &p.body); err != nil {
			return nil, badQuery("body: %s", err)
		}
		walk(p.body, func(s string) any { read(s); return s })
	}
	err := unread
	if err != nil {
		return nil, err
	}
	if p.result, err = parseExpression(p.q.Result); err != nil {
		return nil, err
	}
	if err := checkTypes(p.q.Types); err != nil {
		return nil, err
	}
	p.needs, err = usesOf(names)
	return p, err
}

// allowedHeader: credentials and framing are the data source's affair, not the
// query's.
func allowedHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	switch name {
	case "", "Authorization", "Cookie", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer",
		"Accept-Encoding", "Proxy-Authorization", "Proxy-Connection", "Keep-Alive", "Forwarded":
		return false
	}
	return !strings.HasPrefix(name, "X-Forwarded-")
}

func (p *httpPlan) uses() widget.Uses { return p.needs }

func (p *httpPlan) fetch(ctx context.Context, r *Registry, c datasource.Connection, ask widget.Ask) (widget.Frame, error) {
	vals, err := valuesOf(ask)
	if err != nil {
		return widget.Frame{}, err
	}
	req, err := p.request(ctx, c, vals)
	if err != nil {
		return widget.Frame{}, err
	}
	client, _, err := r.client(c, ask.Limits)
	if err != nil {
		return widget.Frame{}, err
	}
	body, err := do(client, req)
	if err != nil {
		return widget.Frame{}, err
	}
	var answer any
	if err := json.Unmarshal(body, &answer); err != nil {
		return widget.Frame{}, wrongAnswer("the answer is no JSON: %s", err)
	}
	rows, err := p.result.search(answer)
	if err != nil {
		return widget.Frame{}, wrongAnswer("result: %s", err)
	}
	return jsonFrame(rows, p.q.Columns, p.q.Types, ask.Limits)
}

func (p *httpPlan) request(ctx context.Context, c datasource.Connection, vals *values) (*http.Request, error) {
	base, err := url.Parse(c.Settings.URL)
	if err != nil {
		return nil, badSettings("url: %s", err)
	}
	path, err := p.path.fill(vals, url.PathEscape)
	if err != nil {
		return nil, err
	}
	target := base
	if path != "" {
		target = base.JoinPath(path)
		// JoinPath cleans: what climbs out of the base shows itself.
		if below := strings.TrimSuffix(base.EscapedPath(), "/") + "/"; !strings.HasPrefix(target.EscapedPath()+"/", below) {
			return nil, badQuery("path leads out of the data source's url")
		}
	}
	params := url.Values{}
	for name, t := range p.query {
		value, err := t.fill(vals, asIs)
		if err != nil {
			return nil, err
		}
		params.Set(name, value)
	}
	target.RawQuery = params.Encode()
	var body io.Reader
	if p.q.Body != nil {
		filled, err := fillJSON(p.body, vals)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(filled)
	}
	req, err := http.NewRequestWithContext(ctx, p.q.Method, target.String(), body)
	if err != nil {
		return nil, badQuery("%s", err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, t := range p.headers {
		value, err := t.fill(vals, asIs)
		if err != nil {
			return nil, err
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, badQuery("the header %q would hold a control character", name)
		}
		req.Header.Set(name, value)
	}
	return req, nil
}

// fillJSON writes the body with its parameters; a text that is one parameter
// becomes a value of its type.
func fillJSON(body any, vals *values) ([]byte, error) {
	var failed error
	filled := walk(body, func(s string) any {
		t, err := parseTemplate(s)
		if err == nil && len(t) == 3 && t[0].text == "" && t[2].text == "" && t[1].name != "" {
			value, err := vals.value(t[1].name)
			failed = errors.Join(failed, err)
			return value
		}
		if err == nil {
			s, err = t.fill(vals, asIs)
		}
		failed = errors.Join(failed, err)
		return s
	})
	if failed != nil {
		return nil, failed
	}
	return json.Marshal(filled)
}

// walk gives a copy of a JSON value with its texts replaced.
func walk(v any, replace func(string) any) any {
	switch x := v.(type) {
	case string:
		return replace(x)
	case []any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = walk(x[i], replace)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(x))
		for name := range x {
			object[name] = walk(x[name], replace)
		}
		return object
	}
	return v
}

// client speaks to the data source's origin with its credentials.
func (r *Registry) client(c datasource.Connection, limits widget.Limits) (*http.Client, *url.URL, error) {
	s := &c.Settings
	origin, err := url.Parse(s.URL)
	if err != nil {
		return nil, nil, badSettings("url: %s", err)
	}
	roots, err := rootsOf(s)
	if err != nil {
		return nil, nil, err
	}
	header := http.Header{"User-Agent": {"bdash"}}
	for name, value := range s.Headers {
		header.Set(name, value)
	}
	switch {
	case c.Secrets.Token != "" && s.TokenHeader != "":
		header.Set(s.TokenHeader, c.Secrets.Token)
	case c.Secrets.Token != "":
		header.Set("Authorization", "Bearer "+c.Secrets.Token)
	}
	options := outbound.ClientOptions{Timeout: limits.Timeout, Body: limits.Bytes, Roots: roots, Insecure: s.TLS == datasource.TLSRequire, Header: header}
	if s.Username != "" {
		options.Authorize = func(req *http.Request) { req.SetBasicAuth(s.Username, c.Secrets.Password) }
	}
	return r.Dialer.Client(origin, options), origin, nil
}

// do sends a request and gives the body of a good answer.
func do(client *http.Client, req *http.Request) ([]byte, error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if err := checkStatus(res.StatusCode); err != nil {
		return nil, err
	}
	return io.ReadAll(res.Body)
}

func checkStatus(status int) error {
	code := widget.CodeResponse
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusUnauthorized:
		code = widget.CodeAuth
	case status == http.StatusForbidden:
		code = widget.CodePermission
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		code = widget.CodeTimeout
	}
	return &widget.SourceError{Code: code, Message: messages[code], Detail: fmt.Sprintf("the source answered %d %s", status, http.StatusText(status))}
}

// wrongAnswer is an answer that no frame can be made of.
func wrongAnswer(format string, args ...any) error {
	return &widget.SourceError{Code: widget.CodeResponse, Message: messages[widget.CodeResponse], Detail: fmt.Sprintf(format, args...)}
}

// probeHTTP asks for the url itself. Any answer that is not about credentials
// shows that there is a server: many APIs have nothing at their root.
func probeHTTP(ctx context.Context, r *Registry, c datasource.Connection) (datasource.Report, error) {
	client, origin, err := r.client(c, widget.Limits{Bytes: probeWire, Timeout: dialLimit}.Bounded())
	if err != nil {
		return datasource.Report{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin.String(), nil)
	if err != nil {
		return datasource.Report{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return datasource.Report{}, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden || res.StatusCode >= 500 {
		return datasource.Report{}, checkStatus(res.StatusCode)
	}
	name := res.Header.Get("Server")
	if name == "" {
		name = "HTTP"
	}
	return datasource.Report{Server: fmt.Sprintf("%.100s (%s)", name, res.Status)}, nil
}

// expression is a compiled JMESPath. Functions that make long texts out of
// short ones are not among its own: nesting them grows without bound, and an
// evaluation cannot be stopped.
type expression struct {
	node parsing.ASTNode
	call interpreter.FunctionCaller
}

var growing = []string{"join", "pad_left", "pad_right", "replace", "to_string", "zip", "items", "from_items"}

var calls = interpreter.NewFunctionCaller(slices.DeleteFunc(functions.GetDefaultFunctions(), func(f functions.FunctionEntry) bool {
	return slices.Contains(growing, f.Name)
})...)

// parseExpression compiles a JMESPath; "" is the whole value.
func parseExpression(text string) (*expression, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxExpression {
		return nil, badQuery("result is longer than %d bytes", maxExpression)
	}
	node, err := parsing.NewParser().Parse(text)
	if err != nil {
		return nil, badQuery("result is no JMESPath: %s", err)
	}
	return &expression{node: node, call: calls}, nil
}

// search evaluates the expression. The library panics on some expressions that
// make no sense.
func (e *expression) search(v any) (found any, err error) {
	if e == nil {
		return v, nil
	}
	defer func() {
		if p := recover(); p != nil {
			found, err = nil, fmt.Errorf("cannot be evaluated: %v", p)
		}
	}()
	return interpreter.NewInterpreter(v, e.call, nil).Execute(e.node, v)
}
