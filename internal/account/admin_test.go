package account_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

func TestOnlyAdministrators(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		boss, u := w.admin("boss"), w.user("ann", nil)
		key := boss.Actor()
		key.KeyID, key.Scopes = 7, []identity.Scope{identity.ScopeRead, identity.ScopeWrite}
		editor := u.Actor()
		editor.Role = identity.Editor
		for name, actor := range map[string]identity.Actor{"user": u.Actor(), "editor": editor, "key without the scope": key, "nobody": {}} {
			wantErr(t, name+": List", second(w.List(ctx, actor, page.Request{Number: 1, Size: 9})), account.ErrForbidden)
			wantErr(t, name+": ByID", second(w.ByID(ctx, actor, u.ID)), account.ErrForbidden)
			wantErr(t, name+": Create", second(w.Create(ctx, actor, draft("x@example.com"))), account.ErrForbidden)
			wantErr(t, name+": Update", second(w.Update(ctx, actor, u.ID, account.AdminUpdate{})), account.ErrForbidden)
			wantErr(t, name+": Delete", w.Delete(ctx, actor, boss.ID), account.ErrForbidden)
		}
		wantErr(t, "ByID of nobody", second(w.ByID(ctx, boss.Actor(), u.ID+99)), account.ErrNotFound)
		wantErr(t, "Update of nobody", second(w.Update(ctx, boss.Actor(), u.ID+99, account.AdminUpdate{})), account.ErrNotFound)
		wantErr(t, "Delete of nobody", w.Delete(ctx, boss.Actor(), u.ID+99), account.ErrNotFound)
	})
}

func TestLastAdministrator(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		boss := w.admin("boss")
		w.user("off", func(u *account.User) { u.Role, u.IsActive = identity.Admin, false })
		w.user("inactive", func(u *account.User) { u.Role, u.Status = identity.Admin, identity.Inactive })
		refused := func(want error) {
			t.Helper()
			for name, c := range map[string]account.Update{
				"demote": {Role: ptr(identity.Editor)}, "deactivate": {Status: ptr(identity.Inactive)}, "switch off": {IsActive: ptr(false)},
			} {
				wantErr(t, name, second(w.Update(ctx, boss.Actor(), boss.ID, account.AdminUpdate{Update: c})), want)
			}
			wantErr(t, "delete", w.Delete(ctx, boss.Actor(), boss.ID), want)
		}
		refused(account.ErrLastAdmin)
		got, err := w.Update(ctx, boss.Actor(), boss.ID, account.AdminUpdate{Update: account.Update{Role: ptr(identity.Admin), Status: ptr(identity.Pending), Bio: ptr("x")}})
		must(t, "what leaves an administrator", err)
		if got.Status != identity.Pending || got.Bio != "x" {
			t.Errorf("the account is %+v", got)
		}
		w.admin("second")
		must(t, "delete with a second one", w.Delete(ctx, boss.Actor(), boss.ID))
		if n, err := w.Store.Admins(ctx); err != nil || n != 1 {
			t.Errorf("%d administrators, %v", n, err)
		}
	})
}

// Two administrators turn against each other, on two instances: one stays.
func TestLastAdministratorConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, other := t.Context(), w.another()
		for round := range 5 {
			a, b := w.admin(fmt.Sprint("a", round)), w.admin(fmt.Sprint("b", round))
			if round > 0 { // who was left of the last round
				w.exec("UPDATE users SET role = 'user' WHERE id NOT IN ($1, $2)", a.ID, b.ID)
			}
			together(50, func(i int) {
				on, by, whom := w, a, b
				if i%2 == 1 {
					on, by, whom = other, b, a
				}
				var err error
				switch i / 2 % 4 {
				case 0:
					_, err = on.Update(ctx, by.Actor(), whom.ID, account.AdminUpdate{Update: account.Update{Role: ptr(identity.User)}})
				case 1:
					_, err = on.Update(ctx, by.Actor(), whom.ID, account.AdminUpdate{Update: account.Update{IsActive: ptr(false)}})
				case 2:
					err = on.Delete(ctx, by.Actor(), whom.ID)
				case 3:
					err = on.Delete(ctx, whom.Actor(), whom.ID) // gives up
				}
				for _, expected := range []error{nil, account.ErrLastAdmin, account.ErrNotFound, account.ErrForbidden} {
					if errors.Is(err, expected) {
						return
					}
				}
				t.Errorf("round %d, attempt %d: %v", round, i, err)
			})
			if n, err := w.Store.Admins(ctx); err != nil || n != 1 {
				t.Fatalf("round %d: %d administrators, %v", round, n, err)
			}
		}
	})
}

func (w *world) widget(owner account.User, name string, public bool) {
	w.t.Helper()
	w.exec(`INSERT INTO widgets (name, widget_type, description, config_schema, is_public, created_by, search_text, created_at, updated_at)
		VALUES ($1, 'chart', '', '{}', $2, $3, '', $4, $4)`, name, public, owner.ID, w.db.Now())
}

func TestDelete(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		boss, second, u := w.admin("boss"), w.admin("second"), w.user("ann", nil)
		w.widget(u, "shared", true)
		w.widget(u, "private", false)
		must(t, "RequestReset", w.RequestReset(ctx, u.Email))
		must(t, "Delete", w.Delete(ctx, boss.Actor(), u.ID))
		owned := func(by account.User) int { return w.count("SELECT count(*) FROM widgets WHERE created_by = $1", by.ID) }
		if all := w.count("SELECT count(*) FROM widgets"); all != 1 || owned(boss) != 1 {
			t.Errorf("%d widgets, %d of the heir; want the shared one", all, owned(boss))
		}
		if n := w.count("SELECT count(*) FROM one_time_tokens"); n != 0 {
			t.Errorf("%d links are left", n)
		}
		wantErr(t, "again", w.Delete(ctx, boss.Actor(), u.ID), account.ErrNotFound)
		// Who deletes the own account leaves what is shared to another one.
		must(t, "Delete the own account", w.Delete(ctx, boss.Actor(), boss.ID))
		if owned(second) != 1 {
			t.Error("shared widgets went with their administrator")
		}
		// The name and the address are free again, the id is not.
		again := w.user("ann", nil)
		if again.ID <= u.ID {
			t.Errorf("the id %d was given out again as %d", u.ID, again.ID)
		}
		// One who is no administrator any more, but does not know yet.
		_, err := w.Store.Update(ctx, w.admin("third").ID, account.Update{Bio: ptr("x")}, w.db.Now())
		must(t, "Update", err)
		wantErr(t, "by a demoted one", w.Delete(ctx, boss.Actor(), again.ID), account.ErrForbidden)
	})
}

func TestAdminSetsPassword(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		boss, u := w.admin("boss"), w.user("ann", nil)
		_, err := w.Update(ctx, boss.Actor(), u.ID, account.AdminUpdate{Password: ptr("ann@example.com")})
		if err == nil {
			t.Error("a password like the address was taken")
		}
		got, err := w.Update(ctx, boss.Actor(), u.ID, account.AdminUpdate{Password: ptr(goodPass)})
		must(t, "Update", err)
		if ok, _, err := hasher.Verify(ctx, goodPass, got.PasswordHash); !ok || err != nil || got.TokensValidAfter == nil {
			t.Errorf("verifies %v, %v; tokens valid after %v", ok, err, got.TokensValidAfter)
		}
	})
}

// listed is a set of accounts that tells every ordering apart.
func (w *world) listed() []account.User {
	w.t.Helper()
	var users []account.User
	for i, name := range []string{"delta", "Alpha", "ärger", "charlie", "Bravo", "Écho", "zulu_x", "100%"} {
		users = append(users, w.user(name, func(u *account.User) {
			u.FirstName, u.LastName = fmt.Sprint("First", (i*3)%8), strings.ToUpper(name)
			u.Email = fmt.Sprintf("%c%s@example.com", 'h'-rune(i), name)
			u.Role = identity.Roles[i%3]
			u.Status = []identity.Status{identity.Active, identity.Pending, identity.Inactive}[i/3]
			u.IsActive = i%2 == 0
			if i%3 != 0 {
				u.Avatar = ptr(fmt.Sprint("https://example.com/", 9-i))
			}
			at := w.db.Now().Add(time.Duration((i*5)%8) * time.Hour)
			u.DateJoined, u.CreatedAt, u.UpdatedAt = at, at.Add(time.Minute), at.Add(-time.Hour)
		}))
	}
	for i := range users {
		if i%2 == 1 {
			at := w.db.Now().Add(time.Duration(-i) * time.Hour)
			w.exec("UPDATE users SET last_login = $1 WHERE id = $2", at, users[i].ID)
			users[i].LastLogin = &at
		}
	}
	return users
}

func (w *world) list(req page.Request) page.Result[account.User] {
	w.t.Helper()
	res, err := w.Store.List(w.t.Context(), req)
	must(w.t, fmt.Sprintf("List(%+v)", req), err)
	return res
}

func idsOf(users []account.User) []int64 {
	ids := make([]int64, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	return ids
}

// nullsLast compares what may be missing.
func nullsLast[T any](a, b *T, compare func(a, b T) int) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return compare(*a, *b)
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestListOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		users := w.listed()
		for field, compare := range map[string]func(a, b account.User) int{
			"id":          func(a, b account.User) int { return cmp.Compare(a.ID, b.ID) },
			"username":    func(a, b account.User) int { return strings.Compare(a.Username, b.Username) },
			"email":       func(a, b account.User) int { return strings.Compare(a.Email, b.Email) },
			"first_name":  func(a, b account.User) int { return strings.Compare(a.FirstName, b.FirstName) },
			"last_name":   func(a, b account.User) int { return strings.Compare(a.LastName, b.LastName) },
			"role":        func(a, b account.User) int { return cmp.Compare(a.Role, b.Role) },
			"status":      func(a, b account.User) int { return cmp.Compare(a.Status, b.Status) },
			"is_active":   func(a, b account.User) int { return boolRank(a.IsActive) - boolRank(b.IsActive) },
			"avatar":      func(a, b account.User) int { return nullsLast(a.Avatar, b.Avatar, strings.Compare) },
			"last_login":  func(a, b account.User) int { return nullsLast(a.LastLogin, b.LastLogin, time.Time.Compare) },
			"date_joined": func(a, b account.User) int { return a.DateJoined.Compare(b.DateJoined) },
			"created_at":  func(a, b account.User) int { return a.CreatedAt.Compare(b.CreatedAt) },
			"updated_at":  func(a, b account.User) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
		} {
			want := slices.Clone(users)
			slices.SortFunc(want, func(a, b account.User) int { return cmp.Or(compare(a, b), cmp.Compare(a.ID, b.ID)) })
			for _, desc := range []bool{false, true} {
				got := w.list(page.Request{Number: 1, Size: 50, Ordering: []page.Order{{Field: field, Desc: desc}}})
				if !slices.Equal(idsOf(got.Items), idsOf(want)) {
					t.Errorf("%s, descending %v: %v, want %v", field, desc, idsOf(got.Items), idsOf(want))
				}
				slices.Reverse(want)
			}
		}
		// The newest first, and nothing but what may be shown.
		got := w.list(page.Request{Number: 1, Size: 50})
		slices.SortFunc(users, func(a, b account.User) int { return b.DateJoined.Compare(a.DateJoined) })
		if !slices.Equal(idsOf(got.Items), idsOf(users)) {
			t.Errorf("by itself: %v, want %v", idsOf(got.Items), idsOf(users))
		}
		for i, u := range got.Items {
			want := users[i]
			if u.PasswordHash != "" || u.Email != want.Email || u.Username != want.Username || u.Role != want.Role || u.Status != want.Status ||
				u.IsActive != want.IsActive || (u.Avatar == nil) != (want.Avatar == nil) || (u.LastLogin == nil) != (want.LastLogin == nil) ||
				!u.CreatedAt.Equal(want.CreatedAt) || u.EmailVerifiedAt == nil {
				t.Errorf("listed %+v, want %+v", u, want)
			}
		}
	})
}

func TestListFilterAndSearch(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		users := w.listed()
		for _, tc := range []struct {
			filters map[string]string
			search  string
			match   func(u account.User) bool
		}{
			{map[string]string{"role": "admin"}, "", func(u account.User) bool { return u.Role == identity.Admin }},
			{map[string]string{"status": "pending"}, "", func(u account.User) bool { return u.Status == identity.Pending }},
			{map[string]string{"role": "user", "status": "active"}, "", func(u account.User) bool { return u.Role == identity.User && u.Status == identity.Active }},
			{map[string]string{"is_active": "true"}, "", func(u account.User) bool { return u.IsActive }},
			{map[string]string{"is_active": "False"}, "", func(u account.User) bool { return !u.IsActive }},
			{map[string]string{"is_active": "perhaps"}, "", func(account.User) bool { return false }},
			{map[string]string{"role": "ADMIN"}, "", func(account.User) bool { return false }},
			{map[string]string{"password": "!"}, "", func(account.User) bool { return true }},
			{nil, "ALPHA", func(u account.User) bool { return u.Username == "Alpha" }},
			{nil, "ÄRGER", func(u account.User) bool { return u.Username == "ärger" }},
			{nil, "éch", func(u account.User) bool { return u.Username == "Écho" }},
			{nil, "0%", func(u account.User) bool { return u.Username == "100%" }},
			{nil, "u_x", func(u account.User) bool { return u.Username == "zulu_x" }},
			{nil, "first3", func(u account.User) bool { return u.FirstName == "First3" }},
			{nil, "first bravo", func(u account.User) bool { return u.Username == "Bravo" }},
			{nil, "example.com", func(account.User) bool { return true }},
			{nil, "!", func(account.User) bool { return false }}, // the hash is not searched
			{map[string]string{"role": "admin"}, "charlie", func(u account.User) bool { return u.Role == identity.Admin && u.Username == "charlie" }},
		} {
			var want []int64
			for _, u := range users {
				if tc.match(u) {
					want = append(want, u.ID)
				}
			}
			got := w.list(page.Request{Number: 1, Size: 50, Filters: tc.filters, Search: tc.search, Ordering: []page.Order{{Field: "id"}}})
			if !slices.Equal(idsOf(got.Items), want) || got.Count != len(want) {
				t.Errorf("%v %q: %v of %d, want %v", tc.filters, tc.search, idsOf(got.Items), got.Count, want)
			}
		}
		// A change is found, what it replaced is not.
		_, err := w.Store.Update(t.Context(), users[0].ID, account.Update{FirstName: ptr("Quetzal")}, w.db.Now())
		must(t, "Update", err)
		if got := w.list(page.Request{Number: 1, Size: 9, Search: "QUETZAL"}); got.Count != 1 {
			t.Errorf("%d found by the new name", got.Count)
		}
		last := w.list(page.Request{Last: true, Size: 3, Ordering: []page.Order{{Field: "id"}}})
		if last.Number != 3 || last.Count != 8 || !slices.Equal(idsOf(last.Items), idsOf(users[6:])) {
			t.Errorf("the last page: %+v", last)
		}
		_, err = w.Store.List(t.Context(), page.Request{Number: 4, Size: 3})
		wantErr(t, "beyond the last page", err, page.ErrInvalid)
	})
}
