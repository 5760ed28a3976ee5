// Package arrows checks who imports whom: imports point one way, and each
// engine, driver and vendor stays behind the package that owns it.
package arrows_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bdash/bdash/"

// Layers, by path below internal/. An import may point to a later layer, or to
// a package named in its own exceptions.
var layers = [][]string{
	{"app", "app/apptest"},
	{"api", "gateway", "agent/tool", "sqlstore", "sqlstore/sqltest", "djangoimport", "widget/source", "llm/openai", "llm/anthropic", "backup"},                 // adapters
	{"account", "auth", "theme", "dashboard", "preference", "widget", "datasource", "agent", "notify", "audit", "budget"},                                      // rooms
	{"job", "cache", "throttle", "mail", "realtime", "llm/models", "llm/demo", "password", "palette", "jsonschema", "config", "telemetry", "outbound", "seal"}, // engines
	{"llm/wire", "llm/tokens", "llm/price", "llm/script"}, // over the words for models
	{"llm"},
	{"fault", "identity", "page", "drf", "peer"}, // leaves
}

// allowed are the arrows inside a layer, each with its reason.
var allowed = map[string]string{
	"auth -> account":              "a session belongs to a user: the standing exception",
	"agent -> budget":              "a turn is paid from a budget",
	"datasource -> widget":         "a data source gives a widget's frame, in its words",
	"app/apptest -> app":           "the test bundle starts the application",
	"sqlstore/sqltest -> sqlstore": "the test bundle opens the store",
	"djangoimport -> sqlstore":     "an import writes tables that rooms have no words for",
	"app/apptest -> oracle":        "the test bundle imports the recorded database",
	"sqlstore -> sqlstore/db":      "generated queries",
	"backup -> sqlstore":           "a backup is of the database, not of the rooms",
	"djangoimport -> sqlstore/db":  "generated queries",
}

// owners are the only packages that may import a module directly.
var owners = map[string][]string{
	"github.com/riverqueue/river":           {"job"},
	"github.com/maypok86/otter/v2":          {"cache"},
	"github.com/redis/rueidis":              {"cache"},
	"github.com/jackc/pgx/v5":               {"sqlstore", "sqlstore/db", "sqlstore/sqltest", "job", "djangoimport", "widget/source"},
	"modernc.org/sqlite":                    {"sqlstore", "djangoimport", "job", "widget/source"},
	"database/sql":                          {"sqlstore", "job", "djangoimport", "widget/source"},
	"github.com/go-sql-driver/mysql":        {"widget/source"},
	"github.com/jmespath-community":         {"widget/source"},
	"github.com/golang-jwt/jwt/v5":          {"auth"},
	"github.com/wneessen/go-mail":           {"mail"},
	"github.com/alecthomas/kong":            {"app"},
	"github.com/caarlos0/env/v11":           {"config"},
	"github.com/pressly/goose/v3":           {"sqlstore"},
	"github.com/santhosh-tekuri/jsonschema": {"jsonschema"},
	"github.com/mazznoer/csscolorparser":    {"palette"},
	"github.com/swaggest/swgui":             {"api"},
	"github.com/minio/minio-go/v7":          {"backup"},
	"github.com/failsafe-go/failsafe-go":    {"llm/models"},
	"github.com/tiktoken-go/tokenizer":      {"llm/tokens"},
	"github.com/centrifugal":                {"realtime"},
	"github.com/gorilla/websocket":          {"realtime"},
	// realtime exports handlers: a stream is one with its connection.
	"net/http": {"api", "gateway", "drf", "peer", "app", "app/apptest", "oracle", "realtime", "llm/wire", "llm/openai", "llm/anthropic", "outbound", "widget/source"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	var all []listed
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func short(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, module+"internal/")
	return name, ok
}

func layerOf(name string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, name) })
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from, ok := short(p.ImportPath)
		if !ok || layerOf(from) < 0 {
			continue
		}
		for _, path := range p.Imports {
			to, ok := short(path)
			if !ok {
				continue
			}
			if _, fine := allowed[from+" -> "+to]; fine {
				continue
			}
			if at := layerOf(to); at < 0 || at <= layerOf(from) {
				t.Errorf("%s imports %s: not downwards", from, to)
			}
		}
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from, ok := short(p.ImportPath)
		if !ok {
			continue
		}
		for _, path := range p.Imports {
			for owned, by := range owners {
				if (path == owned || strings.HasPrefix(path, owned+"/")) && !slices.Contains(by, from) && !testBundle(from) {
					t.Errorf("%s imports %s, which belongs to %s", from, path, strings.Join(by, ", "))
				}
			}
		}
	}
}

// testBundle: packages that only tests import may stand in for a vendor.
func testBundle(name string) bool {
	return strings.HasSuffix(name, "test") || name == "oracle"
}

// drf is to be usable alone: it imports nothing of ours.
func TestDRFStandsAlone(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if p.ImportPath != module+"internal/drf" {
			continue
		}
		for _, path := range p.Imports {
			if strings.HasPrefix(path, module) {
				t.Errorf("drf imports %s", path)
			}
		}
	}
}
