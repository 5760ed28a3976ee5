package source_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
	"github.com/bdash/bdash/internal/widget/source"
)

// TestPrometheus asks a Prometheus of its own, where the program is on PATH.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		return // CI installs it
	}
	p := prometheusPlace(t, program)
	report, err := p.Probe(t.Context(), p.conn)
	if err != nil || !strings.HasPrefix(report.Server, "Prometheus ") {
		t.Errorf("Probe = %+v, %v", report, err)
	}
	ask := asked(`{"query":"vector(2) > bool ${period_seconds}","type":"instant"}`)
	f, err := p.Fetch(t.Context(), p.conn, ask)
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, f, "time:time value:number", "2026-03-08T00:00:00Z 0")
	f = p.fetch(t, `{"query":"label_replace(vector(1), \"who\", \"${setting.name}\", \"\", \"\")","step":86400}`)
	if f.Rows() != 8 || f.Column("who") == nil || f.Column("who").Values[0] != "O'Brien; --" {
		t.Errorf("range:\n%s", rows(f))
	}
	if f := p.fetch(t, `{"query":"vector(1)"}`); f.Rows() < 290 || f.Rows() > 310 {
		t.Errorf("%d points by default", f.Rows())
	}
	wantRows(t, p.fetch(t, `{"query":"vector(0)/0","type":"instant"}`), "time:time value:number", "2026-03-08T00:00:00Z NULL")
	wantRows(t, p.fetch(t, `{"query":"42","type":"instant"}`), "time:time value:number", "2026-03-08T00:00:00Z 42")
	// A setting cannot break out of its quotes, nor widen a pattern.
	evil := asked(`{"query":"label_replace(vector(1), 'x', '${setting.v}', '', '') or up{a=~\"${setting.v}\"}","type":"instant"}`)
	evil.Settings = []byte(`{"v":"'\"}) or vector(7)#.*\\"}`)
	f, err = p.Fetch(t.Context(), p.conn, evil)
	if err != nil || f.Rows() != 1 || f.Column("x") == nil || f.Column("x").Values[0] != `'"}) or vector(7)#.*\` {
		t.Errorf("a hostile setting: %v\n%s", err, rows(f))
	}
	_, err = p.ask(t, `{"query":"sum("}`)
	wantCode(t, "no PromQL", err, widget.CodeQuery, "parse error")
	_, err = p.ask(t, `{"query":"vector(1)","step":1}`)
	wantCode(t, "too many points", err, widget.CodeQuery, "11,000")
}

// prometheusPlace starts a Prometheus on a port of its own choice.
func prometheusPlace(t *testing.T, program string) *place {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	port := closedPort(t)
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+dir, fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "Server is ready to receive web requests") {
				ready <- true
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		_ = cmd.Wait()
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatal("Prometheus ended")
	case <-time.After(time.Minute):
		t.Fatal("Prometheus is not ready after a minute")
	}
	return &place{&source.Registry{Dialer: local()}, datasource.Connection{
		Kind: widget.SourcePrometheus, Settings: datasource.Settings{URL: fmt.Sprintf("http://127.0.0.1:%d", port)},
	}}
}

func TestPrometheusQueriesAreChecked(t *testing.T) {
	t.Parallel()
	r := &source.Registry{}
	for query, words := range map[string]string{
		`{}`: "empty", `{"query":"up","type":"x"}`: "range or instant", `{"query":"up","step":-1}`: "step",
		`{"query":"up{a=\"b}"}`: "quote", `{"query":"sum(${setting.x})"}`: "outside quotes", `{"query":"up{a=\"${nope}\"}"}`: "nope",
	} {
		_, err := r.Uses(widget.SourcePrometheus, []byte(query))
		wantCode(t, query, err, widget.CodeQuery, words)
	}
	u, err := r.Uses(widget.SourcePrometheus, []byte(`{"query":"rate(x{u=\"${user_id}\",s=~'${setting.s}'}[${period_seconds}s]) # ${nope}"}`))
	if err != nil || !u.User || !u.Period || fmt.Sprint(u.Settings) != "[s]" {
		t.Errorf("Uses = %+v, %v", u, err)
	}
}

func TestPrometheusFailures(t *testing.T) {
	t.Parallel()
	status := http.StatusUnauthorized
	p := httpPlace(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, "<html>")
	})
	p.conn.Kind = widget.SourcePrometheus
	for _, c := range []struct {
		status int
		code   widget.SourceCode
	}{{http.StatusUnauthorized, widget.CodeAuth}, {http.StatusForbidden, widget.CodePermission}, {http.StatusOK, widget.CodeResponse}, {http.StatusBadGateway, widget.CodeResponse}} {
		status = c.status
		_, err := p.Probe(t.Context(), p.conn)
		wantCode(t, "probe", err, c.code, "")
		_, err = p.ask(t, `{"query":"up"}`)
		wantCode(t, "fetch", err, c.code, "")
	}
}
