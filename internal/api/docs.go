package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	swaggerui "github.com/swaggest/swgui/v5/static"

	"github.com/bdash/bdash/internal/drf"
)

// apiDescription is what the document says before the paths.
const apiDescription = `The backend of a customisable dashboard with AI agents.

**Signing in.** ` + "`POST auth/login/`" + ` answers an access and a refresh token; send the access token as
` + "`Authorization: Bearer …`" + ` and exchange the refresh token at ` + "`POST auth/refresh/`" + ` before it expires.
Programs send an API key the same way.

**Bodies** are JSON, URL-encoded or multipart forms. In a form, objects are JSON text and a list is a
field sent several times. ` + "`PATCH`" + ` leaves absent fields as they are.

**Lists** come in pages of ` + "`{count, next, previous, results}`" + `.

**Errors** are ` + "`{\"detail\": …}`" + `; wrong input is one list of messages for each field.

Every path stands below ` + "`/api/`" + ` and, identically, below ` + "`/api/v1/`" + `, and answers ` + "`HEAD`" + ` where it answers
` + "`GET`" + `, and ` + "`OPTIONS`" + ` with what it takes.`

// OpenAPI describes the API. It depends on Options alone and may be called on
// a Server without services.
func (s *Server) OpenAPI() *drf.Document {
	info := drf.Info{
		Title: "bdash API", Version: s.Options.Version, Description: apiDescription, License: "MIT",
		Servers: []drf.ServerURL{{URL: "/api", Text: "This server"}, {URL: "/api/v1", Text: "The same, by version"}},
		Security: []drf.SecurityScheme{
			{Name: "bearerAuth", Format: "JWT", Text: "The access token of a session."},
			{Name: "apiKey", Format: "bdash_…", Text: "An API key, in the same header. Its scopes say what it may: `read` is GET, HEAD and OPTIONS, `write` all else."},
		},
		Tags:  apiTags,
		Pages: pages,
	}
	if info.Version == "" {
		info.Version = "dev"
	}
	if s.Options.PublicURL != "" {
		base := strings.TrimSuffix(s.Options.PublicURL, "/") + "/api"
		// Last: the page tries requests out at the first, which is its own origin.
		info.Servers = append(info.Servers, drf.ServerURL{URL: base, Text: "The public address"})
	}
	return drf.OpenAPI(info, s.views())
}

var apiTags = []drf.Tag{
	{Name: "auth", Text: "Accounts, sessions, tokens and API keys."},
	{Name: "users", Text: "Users, for administrators."},
	{Name: "themes", Text: "Themes: own ones and built-in ones. At most one is active."},
	{Name: "dashboard", Text: "Dashboard views, their layouts, and preferences."},
	{Name: "datasources", Text: "Where widgets' data comes from: databases, web services, Prometheus."},
	{Name: "widgets", Text: "Widgets, their data and settings."},
	{Name: "ai", Text: "Agents and conversations."},
	{Name: "events", Text: "What happens, as it happens."},
	{Name: "notifications", Text: "What the server has to tell the user."},
	{Name: "tasks", Text: "Work in the background."},
	{Name: "root", Text: "Where things are."},
}

// schemaFile is the document in both formats, with their entity tags.
type schemaFile struct{ json, yaml asset }

// The media types of the document; of each format the first is the default.
var (
	schemaJSON = []string{"application/json", "application/vnd.oai.openapi+json"}
	schemaYAML = []string{"application/yaml", "application/vnd.oai.openapi", "application/x-yaml", "text/yaml", "text/x-yaml"}
)

// schemaHandler serves the document: JSON, or YAML where ?format=yaml or the
// Accept header ask for it. It is built at the first request and kept, and
// clients revalidate it by its entity tag.
func (s *Server) schemaHandler() http.Handler {
	built := sync.OnceValue(func() schemaFile {
		doc := s.OpenAPI()
		return schemaFile{json: newAsset(doc.JSON(), ""), yaml: newAsset(doc.YAML(), "")}
	})
	return readOnly(func(w http.ResponseWriter, r *http.Request) {
		mediaType, e := schemaType(r)
		if e != nil {
			writeError(w, e)
			return
		}
		a := built().json
		if !strings.HasSuffix(mediaType, "json") {
			a = built().yaml
			mediaType += "; charset=utf-8"
		}
		h := w.Header()
		h.Set("Vary", "Accept, Origin")
		h.Set("Content-Type", mediaType)
		h.Set("Cache-Control", "public, no-cache")
		a.serve(w, r)
	})
}

// schemaType chooses the media type of the document, or the answer that there
// is none.
func schemaType(r *http.Request) (string, *drf.Error) {
	switch r.URL.Query().Get("format") {
	case "json":
		return schemaJSON[0], nil
	case "yaml":
		return schemaYAML[0], nil
	case "":
	default:
		return "", drf.ErrNotFound
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return schemaJSON[0], nil
	}
	best, quality := "", 0.0
	for element := range strings.SplitSeq(accept, ",") {
		wanted, q := acceptElement(element)
		if offer := offered(wanted); offer != "" && q > quality {
			best, quality = offer, q
		}
	}
	if best == "" {
		return "", drf.ErrNotAcceptable
	}
	return best, nil
}

// acceptElement takes an element of an Accept header apart; one that cannot be
// read has the quality 0.
func acceptElement(element string) (mediaType string, q float64) {
	mediaType, params, err := mime.ParseMediaType(element)
	if err != nil {
		return "", 0
	}
	q = 1
	if text, ok := params["q"]; ok {
		if q, err = strconv.ParseFloat(text, 64); err != nil {
			return "", 0
		}
	}
	return mediaType, q
}

// offered is the media type that satisfies what is wanted, "" when none does.
func offered(wanted string) string {
	for _, t := range append(schemaJSON[:len(schemaJSON):len(schemaJSON)], schemaYAML...) {
		if wanted == t || wanted == "*/*" || wanted == path.Dir(t)+"/*" {
			return t
		}
	}
	return ""
}

//go:embed docspage
var docsPage embed.FS

// docsPolicy lets the page load from this server alone, and run no script and
// apply no style that stands in the page itself. Swagger UI has its pictures
// inside its style sheet.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsHandler shows the document below prefix, which ends with a slash. The
// page and all that it loads are parts of this program.
func (s *Server) docsHandler(prefix string) http.Handler {
	assets := docsAssets()
	return readOnly(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, prefix)
		if name == "" {
			name = "index.html"
		}
		a, found := assets[name]
		if !ok || !found {
			writeError(w, drf.ErrNotFound)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", docsPolicy)
		h.Set("Cache-Control", "public, no-cache")
		a.serve(w, r)
	})
}

// assetTypes does not ask the system, whose tables differ.
var assetTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".png": "image/png",
}

// docsAssets are our page and Swagger UI's files, by name.
var docsAssets = sync.OnceValue(func() map[string]asset {
	assets := map[string]asset{}
	for _, f := range []struct {
		files fs.FS
		names []string
	}{
		{docsPage, []string{"docspage/index.html", "docspage/page.js", "docspage/page.css"}},
		{swaggerui.FS, []string{"swagger-ui-bundle.js.gz", "swagger-ui.css.gz", "favicon-32x32.png"}},
	} {
		for _, name := range f.names {
			content, err := fs.ReadFile(f.files, name)
			if err != nil {
				panic(err) // they are embedded: a build without them does not work
			}
			a := newAsset(content, "")
			name, a.gzipped = strings.CutSuffix(path.Base(name), ".gz")
			a.mediaType = assetTypes[path.Ext(name)]
			assets[name] = a
		}
	}
	return assets
})

// asset is a file that never changes while the program runs.
type asset struct {
	content   []byte
	gzipped   bool
	mediaType string
	tag       string // the entity tag, in quotes
}

func newAsset(content []byte, mediaType string) asset {
	sum := sha256.Sum256(content)
	return asset{content: content, mediaType: mediaType, tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// serve answers with the file, 304 when the client has it. Whoever does not
// take gzip gets it unpacked.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if a.mediaType != "" {
		h.Set("Content-Type", a.mediaType)
	}
	content := a.content
	if a.gzipped {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
		} else {
			zipped, err := gzip.NewReader(bytes.NewReader(content))
			if err != nil {
				writeError(w, drf.ErrInternal)
				return
			}
			var plain bytes.Buffer
			if _, err := plain.ReadFrom(zipped); err != nil {
				writeError(w, drf.ErrInternal)
				return
			}
			content = plain.Bytes()
			a.tag = a.tag[:len(a.tag)-1] + `-plain"`
		}
	}
	h.Set("Etag", a.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func acceptsGzip(r *http.Request) bool {
	for element := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(element, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding == "gzip" || coding == "*" {
			q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			quality, err := strconv.ParseFloat(q, 64)
			return !ok || err == nil && quality > 0
		}
	}
	return false
}

// readOnly answers other methods than GET and HEAD.
func readOnly(handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeError(w, drf.ErrMethodNotAllowed(r.Method))
			return
		}
		handler(w, r)
	})
}
