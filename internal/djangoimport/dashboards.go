package djangoimport

import (
	"fmt"
	"time"

	"github.com/bdash/bdash/internal/sqlstore"
)

// searchText is what a search over named things looks into.
func searchText(name, description string) string {
	return sqlstore.SearchText(name, description)
}

// ownName and oneActive are rules that themes and views share.
func ownName(what string) uniqueKey {
	return uniqueKey{
		columns: []string{"user_id", "name"},
		reason:  "its owner has another " + what + " of this name",
	}
}

func oneActive(what string) uniqueKey {
	return uniqueKey{
		columns: []string{"user_id", "is_active"},
		soften:  func(c content) { c["is_active"] = false },
		reason:  "is not active here: its owner has another active " + what + " in bdash",
	}
}

// contender is a row that may be the active one of its owner.
type contender struct {
	id               int64
	updated, created time.Time
}

func (a contender) before(b contender) bool {
	if !a.updated.Equal(b.updated) {
		return a.updated.Before(b.updated)
	}
	if !a.created.Equal(b.created) {
		return a.created.Before(b.created)
	}
	return a.id < b.id
}

// surveyActive finds the newest active row of each owner.
func surveyActive(newest map[int64]contender, r *reader) {
	if !r.boolean("is_active", false) {
		return
	}
	owner := r.integer("user_id", 0)
	created := r.instant("created_at", "updated_at")
	c := contender{r.id, updatedAt(r, created), created}
	if best, ok := newest[owner]; !ok || best.before(c) {
		newest[owner] = c
	}
}

// active reads is_active, true for the newest only.
func active(newest map[int64]contender, r *reader, owner int64) bool {
	if !r.boolean("is_active", false) {
		return false
	}
	if winner := newest[owner].id; winner != r.id {
		r.say(Changed, "was active beside a newer one, which alone stays active", fmt.Sprintf("%d stays active", winner))
		return false
	}
	return true
}

func themesTable() *tableSpec {
	return &tableSpec{
		name:  "themes",
		needs: []string{"id", "name", "user_id"},
		wants: []string{
			"description", "color_mode", "colors", "border_radius", "is_active", "is_default", "is_system",
			"created_at", "updated_at",
		},
		columns: []column{
			intCol("user_id"), textCol("name"), textCol("description"), textCol("color_mode"), textCol("colors"),
			textCol("border_radius"), boolCol("is_active"), boolCol("is_default"), derivedCol("search_text"),
			timeCol("created_at"), timeCol("updated_at"),
		},
		keys:     []uniqueKey{ownName("theme"), oneActive("theme")},
		identity: []string{"created_at"},
		identify: createdAt,
		version:  &versionColumn{"users", "themes_version", "user_id"},
		survey:   func(im *run, r *reader) { surveyActive(im.activeThemes, r) },
		convert:  convertTheme,
	}
}

func convertTheme(im *run, r *reader) (item, bool) {
	owner, ok := im.parent(r, "user_id", "users")
	if !ok {
		return item{}, false
	}
	if r.boolean("is_system", false) {
		r.say(Changed, "is_system becomes false: system themes are bdash's own", "")
	}
	name, description := r.clipped("name", maxName), r.text("description", "")
	created := r.instant("created_at", "updated_at")
	return item{id: r.id, content: content{
		"user_id":       owner,
		"name":          name,
		"description":   description,
		"color_mode":    r.choice("color_mode", "light", "light", "dark"),
		"colors":        r.json("colors", "{}"),
		"border_radius": r.text("border_radius", "0.5rem"),
		"is_active":     active(im.activeThemes, r, owner),
		"is_default":    r.boolean("is_default", false),
		"search_text":   searchText(name, description),
		"created_at":    created,
		"updated_at":    updatedAt(r, created),
	}}, true
}

func viewsTable() *tableSpec {
	return &tableSpec{
		name:  "dashboard_views",
		needs: []string{"id", "name", "user_id"},
		wants: []string{"description", "is_default", "is_active", "widgets_config", "created_at", "updated_at"},
		columns: []column{
			intCol("user_id"), textCol("name"), textCol("description"), textCol("widgets_config"), boolCol("is_default"),
			boolCol("is_active"), derivedCol("search_text"), timeCol("created_at"), timeCol("updated_at"),
		},
		keys:     []uniqueKey{ownName("view"), oneActive("view")},
		identity: []string{"created_at"},
		identify: createdAt,
		version:  &versionColumn{"users", "views_version", "user_id"},
		survey:   func(im *run, r *reader) { surveyActive(im.activeViews, r) },
		convert:  convertView,
	}
}

func convertView(im *run, r *reader) (item, bool) {
	owner, ok := im.parent(r, "user_id", "users")
	if !ok {
		return item{}, false
	}
	name, description := r.clipped("name", maxName), r.text("description", "")
	created := r.instant("created_at", "updated_at")
	return item{id: r.id, content: content{
		"user_id":        owner,
		"name":           name,
		"description":    description,
		"widgets_config": r.json("widgets_config", "[]"),
		"is_default":     r.boolean("is_default", false),
		"is_active":      active(im.activeViews, r, owner),
		"search_text":    searchText(name, description),
		"created_at":     created,
		"updated_at":     updatedAt(r, created),
	}}, true
}

func preferencesTable() *tableSpec {
	return &tableSpec{
		name:  "user_preferences",
		needs: []string{"id", "user_id"},
		wants: []string{
			"locale", "theme_mode", "active_theme_id", "sidebar_collapsed", "active_dashboard_view",
			"created_at", "updated_at",
		},
		columns: []column{
			intCol("user_id"), textCol("locale"), textCol("theme_mode"), nullTextCol("active_theme_id"),
			boolCol("sidebar_collapsed"), textCol("active_dashboard_view"), timeCol("created_at"), timeCol("updated_at"),
		},
		constants: []constant{{"time_zone", "UTC"}, {"version", int64(1)}},
		keys:      []uniqueKey{{columns: []string{"user_id"}, reason: "its owner has other preferences"}},
		identity:  []string{"created_at"},
		identify:  createdAt,
		version:   &versionColumn{"user_preferences", "version", "user_id"},
		convert:   convertPreferences,
	}
}

func convertPreferences(im *run, r *reader) (item, bool) {
	owner, ok := im.parent(r, "user_id", "users")
	if !ok {
		return item{}, false
	}
	created := r.instant("created_at", "updated_at")
	return item{id: r.id, content: content{
		"user_id":               owner,
		"locale":                r.text("locale", "en"),
		"theme_mode":            r.choice("theme_mode", "system", "light", "dark", "system"),
		"active_theme_id":       r.nullText("active_theme_id"),
		"sidebar_collapsed":     r.boolean("sidebar_collapsed", false),
		"active_dashboard_view": r.text("active_dashboard_view", ""),
		"created_at":            created,
		"updated_at":            updatedAt(r, created),
	}}, true
}
