//go:build bench && linux

package bench_test

import (
	"encoding/json"
	"strconv"
	"time"
)

// themeRow is one theme as the page's query gives it. Times are kept as each
// engine's driver hands them out.
type themeRow[T any] struct {
	count, id, user                              int64
	name, description, mode, colors, borderLimit string
	palettes                                     *string
	active, isDefault                            bool
	source                                       *int64
	created, updated                             T
}

func (r *themeRow[T]) dests() []any {
	return []any{
		&r.count, &r.id, &r.user, &r.name, &r.description, &r.mode, &r.colors, &r.palettes, &r.borderLimit,
		&r.active, &r.isDefault, &r.source, &r.created, &r.updated,
	}
}

const themesQuery = `SELECT (SELECT count(*) FROM themes WHERE (user_id = $1)),
	id, user_id, name, description, color_mode, colors, palettes, border_radius, is_active, is_default, source_id, created_at, updated_at
	FROM themes WHERE (user_id = $1) ORDER BY is_active DESC, created_at DESC, id DESC LIMIT $2 OFFSET $3`

const pageSize = 20

// rowSource is what pgx.Rows and sql.Rows have in common.
type rowSource interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
}

// appendThemes writes the page. The rows begin with the count.
func appendThemes[T any](dst []byte, rows rowSource, at func([]byte, T) []byte) ([]byte, error) {
	var items []themeRow[T]
	for rows.Next() {
		var r themeRow[T]
		if err := rows.Scan(r.dests()...); err != nil {
			return nil, err
		}
		items = append(items, r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	dst = append(dst, `{"count":`...)
	count := int64(0)
	if len(items) > 0 {
		count = items[0].count
	}
	dst = strconv.AppendInt(dst, count, 10)
	if count > pageSize {
		dst = append(dst, `,"next":"http://127.0.0.1/api/themes/?page=2","previous":null,"results":[`...)
	} else {
		dst = append(dst, `,"next":null,"previous":null,"results":[`...)
	}
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = items[i].append(dst, at)
	}
	return append(dst, "]}"...), nil
}

func (r *themeRow[T]) append(dst []byte, at func([]byte, T) []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, r.id, 10)
	dst = text(append(dst, `,"name":`...), r.name)
	dst = text(append(dst, `,"description":`...), r.description)
	dst = text(append(dst, `,"color_mode":`...), r.mode)
	dst = append(append(dst, `,"colors":`...), r.colors...)
	dst = text(append(dst, `,"border_radius":`...), r.borderLimit)
	dst = strconv.AppendBool(append(dst, `,"is_active":`...), r.active)
	dst = strconv.AppendBool(append(dst, `,"is_default":`...), r.isDefault)
	dst = append(dst, `,"is_system":false`...)
	if r.palettes != nil {
		dst = append(append(dst, `,"palettes":`...), *r.palettes...)
	}
	if r.source != nil {
		dst = strconv.AppendInt(append(dst, `,"source_id":`...), *r.source, 10)
	}
	dst = at(append(dst, `,"created_at":`...), r.created)
	dst = at(append(dst, `,"updated_at":`...), r.updated)
	return append(dst, '}')
}

// preferencesRow is what the update returns.
type preferencesRow[T any] struct {
	id, user             int64
	locale, mode         string
	theme                *string
	collapsed            bool
	view, zone           string
	version              int64
	created, updatedThen T
}

func (r *preferencesRow[T]) dests() []any {
	return []any{
		&r.id, &r.user, &r.locale, &r.mode, &r.theme, &r.collapsed, &r.view, &r.zone, &r.version, &r.created, &r.updatedThen,
	}
}

// patchQuery is the statement that bdash runs: one text for whatever fields
// were sent.
const patchQuery = `UPDATE user_preferences
SET locale                = CASE WHEN CAST($1 AS BOOLEAN) THEN $2 ELSE locale END,
    theme_mode            = CASE WHEN CAST($3 AS BOOLEAN) THEN $4 ELSE theme_mode END,
    active_theme_id       = CASE WHEN CAST($5 AS BOOLEAN) THEN $6 ELSE active_theme_id END,
    sidebar_collapsed     = CASE WHEN CAST($7 AS BOOLEAN) THEN CAST($8 AS BOOLEAN) ELSE sidebar_collapsed END,
    active_dashboard_view = CASE WHEN CAST($9 AS BOOLEAN) THEN $10 ELSE active_dashboard_view END,
    time_zone             = CASE WHEN CAST($11 AS BOOLEAN) THEN $12 ELSE time_zone END,
    version = version + 1,
    updated_at = $13
WHERE user_id = $14
RETURNING id, user_id, locale, theme_mode, active_theme_id, sidebar_collapsed, active_dashboard_view, time_zone, version, created_at, updated_at`

// patchArgs are the parameters of patchQuery; now is as the engine stores it.
func patchArgs(p patch, now any, user int64) []any {
	var mode string
	var collapsed bool
	if p.ThemeMode != nil {
		mode = *p.ThemeMode
	}
	if p.SidebarCollapsed != nil {
		collapsed = *p.SidebarCollapsed
	}
	return []any{false, "", p.ThemeMode != nil, mode, false, nil, p.SidebarCollapsed != nil, collapsed, false, "", false, "", now, user}
}

func (r *preferencesRow[T]) append(dst []byte, at func([]byte, T) []byte) []byte {
	dst = text(append(dst, `{"locale":`...), r.locale)
	dst = text(append(dst, `,"theme_mode":`...), r.mode)
	dst = append(dst, `,"active_theme_id":`...)
	if r.theme == nil {
		dst = append(dst, "null"...)
	} else {
		dst = text(dst, *r.theme)
	}
	dst = strconv.AppendBool(append(dst, `,"sidebar_collapsed":`...), r.collapsed)
	dst = text(append(dst, `,"active_dashboard_view":`...), r.view)
	dst = at(append(dst, `,"created_at":`...), r.created)
	dst = at(append(dst, `,"updated_at":`...), r.updatedThen)
	dst = text(append(dst, `,"time_zone":`...), r.zone)
	return append(dst, '}')
}

// text is a JSON string; what needs an escape is left to the slow way.
func text(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] >= 0x7f {
			quoted, _ := json.Marshal(s)
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

func timestamp(dst []byte, t time.Time) []byte {
	layout := `"2006-01-02T15:04:05.000000Z"`
	if t.Nanosecond() == 0 {
		layout = `"2006-01-02T15:04:05Z"`
	}
	return t.UTC().AppendFormat(dst, layout)
}
