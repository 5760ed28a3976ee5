//go:build bench && linux

package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// twinPlan is what a twin is told: where its data are, and what bdash answered,
// so that it says the same.
type twinPlan struct {
	Database  string
	SecretKey string
	// Headers of every answer, by path, without Date and Content-Length.
	Headers map[string][]string
	// Bodies of the cached reads, by path.
	Bodies map[string]string
}

// twinStore is one engine under the twin.
type twinStore interface {
	// access asks the database whether the session may go on; where one process
	// owns the database there is nothing to ask.
	access(ctx context.Context, session string) error
	// themes appends the first page of the user's themes.
	themes(ctx context.Context, dst []byte, user int64) ([]byte, error)
	// patch writes the change and appends the preferences.
	patch(ctx context.Context, dst []byte, user int64, p patch) ([]byte, error)
}

type patch struct {
	ThemeMode        *string `json:"theme_mode"`
	SidebarCollapsed *bool   `json:"sidebar_collapsed"`
}

const (
	mePath          = "/api/auth/me/"
	preferencesPath = "/api/user/preferences/"
	activePath      = "/api/themes/active/"
	themesPath      = "/api/themes/"
)

type twin struct {
	plan  twinPlan
	store twinStore

	mu    sync.RWMutex
	known map[string]twinClaims
}

type twinClaims struct {
	user    int64
	session string
	expires time.Time
}

// runTwin serves until it is told to stop.
func runTwin(plan twinPlan, address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := &twin{plan: plan, known: map[string]twinClaims{}}
	var err error
	if path, ok := strings.CutPrefix(plan.Database, "sqlite://"); ok {
		t.store, err = openTwinSQLite(ctx, path)
	} else {
		t.store, err = openTwinPostgres(ctx, plan.Database)
	}
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for path, body := range plan.Bodies {
		mux.HandleFunc("GET "+path+"{$}", t.cached(headersOf(plan.Headers[path]), []byte(body)))
	}
	mux.HandleFunc("GET "+themesPath+"{$}", t.read(headersOf(plan.Headers[themesPath])))
	mux.HandleFunc("PATCH "+preferencesPath+"{$}", t.write(headersOf(plan.Headers[preferencesPath])))
	// The settings of bdash's own server.
	server := &http.Server{
		Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// header is one that is ready to be put into an answer.
type header struct {
	name   string
	values []string
}

func headersOf(lines []string) (out []header) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		out = append(out, header{http.CanonicalHeaderKey(name), []string{value}})
	}
	return out
}

func send(w http.ResponseWriter, headers []header, length []string, body []byte) {
	h := w.Header()
	for _, each := range headers {
		h[each.name] = each.values
	}
	h["Content-Length"] = length
	_, _ = w.Write(body)
}

func (t *twin) cached(headers []header, body []byte) http.HandlerFunc {
	length := []string{strconv.Itoa(len(body))}
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := t.who(w, r); ok {
			send(w, headers, length, body)
		}
	}
}

var twinBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

func (t *twin) read(headers []header) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, ok := t.who(w, r)
		if !ok {
			return
		}
		t.built(w, headers, func(dst []byte) ([]byte, error) { return t.store.themes(r.Context(), dst, c.user) })
	}
}

func (t *twin) write(headers []header) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, ok := t.who(w, r)
		if !ok {
			return
		}
		var p patch
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			err = json.Unmarshal(body, &p)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		t.built(w, headers, func(dst []byte) ([]byte, error) { return t.store.patch(r.Context(), dst, c.user, p) })
	}
}

func (t *twin) built(w http.ResponseWriter, headers []header, build func(dst []byte) ([]byte, error)) {
	p := twinBuffers.Get().(*[]byte)
	defer twinBuffers.Put(p)
	body, err := build((*p)[:0])
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	*p = body
	send(w, headers, []string{strconv.Itoa(len(body))}, body)
}

// who checks the token, whose signature is computed once, and the session.
func (t *twin) who(w http.ResponseWriter, r *http.Request) (twinClaims, bool) {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		http.Error(w, "no token", http.StatusUnauthorized)
		return twinClaims{}, false
	}
	t.mu.RLock()
	c, ok := t.known[raw]
	t.mu.RUnlock()
	if !ok {
		var err error
		if c, err = t.verify(raw); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return c, false
		}
	}
	if !time.Now().Before(c.expires) {
		http.Error(w, "expired", http.StatusUnauthorized)
		return c, false
	}
	if err := t.store.access(r.Context(), c.session); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return c, false
	}
	return c, true
}

func (t *twin) verify(raw string) (twinClaims, error) {
	claims := jwt.MapClaims{}
	key := func(*jwt.Token) (any, error) { return []byte(t.plan.SecretKey), nil }
	if _, err := jwt.ParseWithClaims(raw, claims, key, jwt.WithValidMethods([]string{"HS256"})); err != nil {
		return twinClaims{}, err
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return twinClaims{}, err
	}
	user, _ := claims["user_id"].(float64)
	session, _ := claims["sid"].(string)
	c := twinClaims{user: int64(user), session: session, expires: expires.Time}
	t.mu.Lock()
	t.known[strings.Clone(raw)] = c
	t.mu.Unlock()
	return c, nil
}
