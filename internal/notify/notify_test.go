package notify_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/notify"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// bundle is a room over a database of its own; its clock moves a second with
// each look.
type bundle struct {
	*notify.Service
	db *sqlstore.DB

	mu  sync.Mutex
	now time.Time
}

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		b := &bundle{db: d, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
		b.Service = &notify.Service{Store: &sqlstore.Notifications{DB: d}, Now: b.clock}
		test(t, b)
	})
}

func (b *bundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(time.Second)
	return b.now
}

func (b *bundle) user(t *testing.T, name string) identity.Actor {
	t.Helper()
	at := b.clock()
	u, err := b.db.W().InsertUser(t.Context(), db.InsertUserParams{
		Username: name, Email: name + "@example.com", EmailKey: name + "@example.com", Password: "!",
		Role: "user", Status: "active", IsActive: true, DateJoined: at, CreatedAt: at, UpdatedAt: at,
	})
	if err != nil {
		t.Fatalf("insert user %s: %v", name, err)
	}
	return identity.Actor{UserID: u.ID, Role: identity.User, Status: identity.Active}
}

func (b *bundle) add(t *testing.T, to identity.Actor, kind, title string) notify.Notification {
	t.Helper()
	n, err := b.Add(t.Context(), to.UserID, notify.Message{Kind: kind, Title: title})
	if err != nil {
		t.Fatalf("Add(%q): %v", title, err)
	}
	return n
}

func (b *bundle) wantUnread(t *testing.T, who identity.Actor, want int64) {
	t.Helper()
	if n, err := b.Unread(t.Context(), who); err != nil || n != want {
		t.Errorf("Unread = %d, %v, want %d", n, err, want)
	}
}

func TestLifeOfANotification(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice")
		added, err := b.Add(ctx, alice.UserID, notify.Message{Kind: "task.failed", Title: " Import ", Body: "Row 3\x00 is \xff bad", Link: "/tasks/3"})
		if err != nil {
			t.Fatalf("Add: %v", err)
		}
		want := notify.Notification{ID: added.ID, UserID: alice.UserID, Kind: "task.failed", Title: "Import", Body: "Row 3 is \uFFFD bad",
			Link: "/tasks/3", CreatedAt: added.CreatedAt}
		got, err := b.ByID(ctx, alice, added.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" || got.Read() {
			t.Fatalf("ByID: %v (-want +got):\n%s", err, diff)
		}
		b.wantUnread(t, alice, 1)

		read, err := b.MarkRead(ctx, alice, added.ID, true)
		if err != nil || !read.Read() {
			t.Fatalf("MarkRead = %+v, %v, want it read", read, err)
		}
		if again, err := b.MarkRead(ctx, alice, added.ID, true); err != nil || !again.ReadAt.Equal(*read.ReadAt) {
			t.Errorf("second MarkRead = %v, %v, want the first time %v", again.ReadAt, err, read.ReadAt)
		}
		b.wantUnread(t, alice, 0)
		if unread, err := b.MarkRead(ctx, alice, added.ID, false); err != nil || unread.Read() {
			t.Errorf("MarkRead(false) = %+v, %v, want it unread", unread, err)
		}
		b.wantUnread(t, alice, 1)

		if err := b.Delete(ctx, alice, added.ID); err != nil {
			t.Errorf("Delete: %v", err)
		}
		if err := b.Delete(ctx, alice, added.ID); !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("second Delete = %v, want ErrNotFound", err)
		}
	})
}

func TestOtherUsersNotifications(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice, bob := t.Context(), b.user(t, "alice"), b.user(t, "bob")
		n := b.add(t, alice, "k", "for alice")
		if _, err := b.ByID(ctx, bob, n.ID); !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("ByID = %v, want ErrNotFound", err)
		}
		if _, err := b.MarkRead(ctx, bob, n.ID, true); !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("MarkRead = %v, want ErrNotFound", err)
		}
		if err := b.Delete(ctx, bob, n.ID); !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("Delete = %v, want ErrNotFound", err)
		}
		if marked, err := b.MarkAllRead(ctx, bob); err != nil || marked != 0 {
			t.Errorf("MarkAllRead = %d, %v, want 0", marked, err)
		}
		b.wantUnread(t, alice, 1)
	})
}

func TestListAndMarkAll(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, alice := t.Context(), b.user(t, "alice")
		b.add(t, alice, "a", "one")
		two := b.add(t, alice, "b", "two")
		b.add(t, alice, "a", "three")
		if _, err := b.MarkRead(ctx, alice, two.ID, true); err != nil {
			t.Fatal(err)
		}
		titles := func(req page.Request) string {
			t.Helper()
			req.Number, req.Size = 1, 20
			res, err := b.List(ctx, alice, req)
			if err != nil {
				t.Fatalf("List(%+v): %v", req, err)
			}
			var out []string
			for _, n := range res.Items {
				out = append(out, n.Title)
			}
			return strings.Join(out, " ")
		}
		order := func(field string, desc bool) page.Request {
			return page.Request{Ordering: []page.Order{{Field: field, Desc: desc}}}
		}
		filter := func(field, value string) page.Request { return page.Request{Filters: map[string]string{field: value}} }
		for _, tt := range []struct {
			name string
			req  page.Request
			want string
		}{
			{"newest first", page.Request{}, "three two one"},
			{"oldest first", order("created_at", false), "one two three"},
			{"by title", order("title", false), "one three two"},
			{"read last", order("is_read", false), "one three two"},
			{"read first", order("is_read", true), "two three one"},
			{"by reading, unread last", order("read_at", false), "two one three"},
			{"kind", filter("kind", "a"), "three one"},
			{"unread", filter("is_read", "false"), "three one"},
			{"read", filter("is_read", "true"), "two"},
			{"not a boolean", filter("is_read", "maybe"), ""},
		} {
			if got := titles(tt.req); got != tt.want {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		}
		if n, err := b.MarkAllRead(ctx, alice); err != nil || n != 2 {
			t.Errorf("MarkAllRead = %d, %v, want 2", n, err)
		}
		b.wantUnread(t, alice, 0)
	})
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		alice := b.user(t, "alice")
		for _, link := range []string{"javascript:alert(1)", "//evil.example", `/\evil.example`, "data:text/html,x", "relative", "http:///x",
			"https:x", "/a\nb", " /a", "/" + strings.Repeat("x", notify.MaxLink)} {
			if _, err := b.Add(t.Context(), alice.UserID, notify.Message{Kind: "k", Title: "t", Link: link}); !errors.Is(err, notify.ErrMessage) {
				t.Errorf("Add with link %q = %v, want ErrMessage", link, err)
			}
		}
		for _, link := range []string{"", "/", "/views/3?x=1#y", "https://example.org/a"} {
			if _, err := b.Add(t.Context(), alice.UserID, notify.Message{Kind: "k", Title: "t", Link: link}); err != nil {
				t.Errorf("Add with link %q = %v, want it taken", link, err)
			}
		}
		for _, m := range []notify.Message{{Title: "t"}, {Kind: "k"}, {Kind: " ", Title: "t"}, {Kind: "k", Title: "\x00"}} {
			if _, err := b.Add(t.Context(), alice.UserID, m); !errors.Is(err, notify.ErrMessage) {
				t.Errorf("Add(%+v) = %v, want ErrMessage", m, err)
			}
		}
		if _, err := b.Add(t.Context(), 987654, notify.Message{Kind: "k", Title: "t"}); !errors.Is(err, notify.ErrNoUser) {
			t.Errorf("Add to nobody = %v, want ErrNoUser", err)
		}
	})
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		n, err := b.Add(t.Context(), b.user(t, "alice").UserID, notify.Message{Kind: "k", Title: strings.Repeat("é", 300), Body: strings.Repeat("b", 9000)})
		if err != nil {
			t.Fatal(err)
		}
		if got := utf8.RuneCountInString(n.Title); got != notify.MaxTitle || !strings.HasSuffix(n.Title, "é…") {
			t.Errorf("title of %d characters, want %d and an ellipsis", got, notify.MaxTitle)
		}
		if got := utf8.RuneCountInString(n.Body); got != notify.MaxBody {
			t.Errorf("body of %d characters, want %d", got, notify.MaxBody)
		}
	})
}
