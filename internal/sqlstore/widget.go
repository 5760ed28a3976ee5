package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/widget"
)

// Widgets implements widget.Store.
type Widgets struct{ DB *DB }

func widgetOf(r *db.Widget) widget.Widget {
	return widget.Widget{
		ID: r.ID, Key: r.Key, Name: r.Name, WidgetType: r.WidgetType, Description: r.Description,
		ConfigSchema: json.RawMessage(r.ConfigSchema), IsPublic: r.IsPublic, CreatedBy: r.CreatedBy,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		Source: r.Source, DatasourceID: r.DatasourceID, Query: rawOrNil(r.Query), Mapping: rawOrNil(r.Mapping),
		CacheTTL: r.CacheTTL, RefreshEvery: r.RefreshEvery, Variant: r.Variant,
	}
}

func widgetFault(err error) error {
	switch {
	case Violates(err, "widgets_key_key"):
		return fieldFault(widget.ErrKeyTaken, "key", err)
	case IsNoRows(err):
		return widget.ErrNotFound
	case IsForeignKey(err): // the user or the widget was deleted just now
		return widget.ErrNotFound.Because(err)
	}
	return err
}

// ByID implements widget.Store.
func (s *Widgets) ByID(ctx context.Context, viewer, id int64) (widget.Widget, error) {
	row, err := s.DB.R().WidgetByID(ctx, db.WidgetByIDParams{ID: id, UserID: viewer})
	return widgetOf(&row), widgetFault(err)
}

// AnyByID implements widget.Store.
func (s *Widgets) AnyByID(ctx context.Context, id int64) (widget.Widget, error) {
	row, err := s.DB.R().AnyWidgetByID(ctx, id)
	return widgetOf(&row), widgetFault(err)
}

const widgetColumns = "id, key, name, widget_type, description, config_schema, is_public, created_by, created_at, updated_at, " +
	"source, datasource_id, query, mapping, cache_ttl, refresh_every, variant"

var widgetList = ListSpec{
	Columns: widgetColumns,
	From:    "widgets",
	Where:   "is_public OR created_by = $1",
	ID:      "id",
	Order:   widgetOrder(),
	Filters: map[string]Filter{
		"widget_type": {Expr: "widget_type"},
		"is_public":   {Expr: "is_public", Parse: FilterBool},
		"source":      {Expr: "source"},
	},
	Search: "search_text",
}

// widgetOrder sorts owners as Django does: by what users are listed by, which is
// the date they joined, newest first.
func widgetOrder() map[string]OrderKey {
	keys := orderKeysOf(map[string]bool{
		"id": false, "key": true, "name": false, "widget_type": false, "description": false, "config_schema": false,
		"is_public": false, "created_at": false, "updated_at": false,
		"source": false, "query": true, "mapping": true, "cache_ttl": true, "refresh_every": true, "variant": true,
	})
	keys["datasource"] = OrderKey{Expr: "datasource_id", Nullable: true}
	keys["created_by"] = OrderKey{Expr: "(SELECT users.date_joined FROM users WHERE users.id = widgets.created_by)", Reversed: true}
	return keys
}

// List implements widget.Store.
func (s *Widgets) List(ctx context.Context, viewer int64, req page.Request) (page.Result[widget.Widget], error) {
	spec := widgetList
	spec.Args = []any{viewer}
	return ListPage(ctx, s.DB.ReadDBTX(), spec, req, scanWidget)
}

func scanWidget(rows pgx.Rows) (widget.Widget, error) {
	var w widget.Widget
	var schema string
	var query, mapping *string
	err := rows.Scan(&w.ID, &w.Key, &w.Name, &w.WidgetType, &w.Description, &schema, &w.IsPublic, &w.CreatedBy,
		&w.CreatedAt, &w.UpdatedAt, &w.Source, &w.DatasourceID, &query, &mapping, &w.CacheTTL, &w.RefreshEvery, &w.Variant)
	w.ConfigSchema, w.Query, w.Mapping = json.RawMessage(schema), rawOrNil(query), rawOrNil(mapping)
	return w, err
}

// maxInList is how many values one statement compares with.
const maxInList = 256

// Known implements widget.Store.
func (s *Widgets) Known(ctx context.Context, viewer int64, ids []int64, keys []string) ([]widget.Widget, error) {
	found := map[int64]widget.Widget{}
	for batch := range slices.Chunk(ids, maxInList) {
		if err := known(ctx, s.DB.ReadDBTX(), found, "id", viewer, batch); err != nil {
			return nil, err
		}
	}
	for batch := range slices.Chunk(keys, maxInList) {
		if err := known(ctx, s.DB.ReadDBTX(), found, "key", viewer, batch); err != nil {
			return nil, err
		}
	}
	list := make([]widget.Widget, 0, len(found))
	for _, id := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[id])
	}
	return list, nil
}

// known adds the widgets that the viewer sees and whose column is one of the
// values, of which there is at least one.
func known[T any](ctx context.Context, q db.DBTX, found map[int64]widget.Widget, column string, viewer int64, values []T) error {
	size := roundUp(len(values))
	args := []any{viewer}
	for i := range size { // the last value fills what is left
		args = append(args, values[min(i, len(values)-1)])
	}
	rows, err := q.Query(ctx, knownText(column, size), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		w, err := scanWidget(rows)
		if err != nil {
			return err
		}
		found[w.ID] = w
	}
	return rows.Err()
}

func knownText(column string, n int) string {
	var b strings.Builder
	b.WriteString("SELECT " + widgetColumns + " FROM widgets WHERE (is_public OR created_by = $1) AND " + column + " IN (")
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("$" + strconv.Itoa(i+2))
	}
	b.WriteByte(')')
	return b.String()
}

// roundUp gives the next power of two, so that there are few different
// statements and they stay prepared.
func roundUp(n int) int {
	size := 1
	for size < n {
		size *= 2
	}
	return size
}

// Create implements widget.Store.
func (s *Widgets) Create(ctx context.Context, w widget.Widget) (widget.Widget, error) {
	var row db.Widget
	err := s.change(ctx, func(tx *Tx) (err error) {
		row, err = tx.InsertWidget(ctx, db.InsertWidgetParams{
			Key: w.Key, Name: w.Name, WidgetType: w.WidgetType, Description: w.Description, ConfigSchema: string(w.ConfigSchema),
			IsPublic: w.IsPublic, CreatedBy: w.CreatedBy, SearchText: SearchText(w.Name, w.Description),
			CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt,
			Source: cmp.Or(w.Source, widget.SourcePush), DatasourceID: w.DatasourceID,
			Query: textOrNil(w.Query), Mapping: textOrNil(w.Mapping),
			CacheTTL: w.CacheTTL, RefreshEvery: w.RefreshEvery, Variant: w.Variant,
		})
		return err
	})
	return widgetOf(&row), s.feedFault(ctx, err, w.DatasourceID)
}

// feedFault tells a data source that is missing from an owner who is: the
// engines do not both say which foreign key it was.
func (s *Widgets) feedFault(ctx context.Context, err error, datasource *int64) error {
	if IsForeignKey(err) && datasource != nil {
		if _, missing := s.DB.R().DatasourceByID(ctx, *datasource); IsNoRows(missing) {
			return fieldFault(widget.ErrNoDatasource, "datasource", err)
		}
	}
	return widgetFault(err)
}

// locked runs fn with the widget, which no other transaction can write to
// meanwhile.
func (s *Widgets) locked(ctx context.Context, id int64, fn func(*Tx, widget.Widget) error) error {
	err := s.change(ctx, func(tx *Tx) error {
		if _, err := tx.LockWidget(ctx, id); err != nil {
			return err
		}
		row, err := tx.AnyWidgetByID(ctx, id)
		if err != nil {
			return err
		}
		return fn(tx, widgetOf(&row))
	})
	if IsForeignKey(err) {
		return err // whose, the caller knows
	}
	return widgetFault(err)
}

// Update implements widget.Store.
func (s *Widgets) Update(ctx context.Context, id int64, change func(*widget.Widget) error) (updated widget.Widget, err error) {
	var datasource *int64
	err = s.locked(ctx, id, func(tx *Tx, w widget.Widget) error {
		if err := change(&w); err != nil {
			return err
		}
		datasource = w.DatasourceID
		row, err := tx.UpdateWidget(ctx, db.UpdateWidgetParams{
			ID: id, Key: w.Key, Name: w.Name, WidgetType: w.WidgetType, Description: w.Description,
			ConfigSchema: string(w.ConfigSchema), IsPublic: w.IsPublic, SearchText: SearchText(w.Name, w.Description),
			UpdatedAt: w.UpdatedAt,
			Source:    w.Source, DatasourceID: w.DatasourceID, Query: textOrNil(w.Query), Mapping: textOrNil(w.Mapping),
			CacheTTL: w.CacheTTL, RefreshEvery: w.RefreshEvery, Variant: w.Variant,
		})
		updated = widgetOf(&row)
		return err
	})
	return updated, s.feedFault(ctx, err, datasource)
}

// Delete implements widget.Store.
func (s *Widgets) Delete(ctx context.Context, id int64, may func(*widget.Widget) error) error {
	return s.locked(ctx, id, func(tx *Tx, w widget.Widget) error {
		if err := may(&w); err != nil {
			return err
		}
		_, err := tx.DeleteWidget(ctx, id)
		return err
	})
}

// DataFor implements widget.Store.
func (s *Widgets) DataFor(ctx context.Context, widgetID, userID int64) (widget.Data, error) {
	row, err := s.DB.R().WidgetDataFor(ctx, db.WidgetDataForParams{WidgetID: widgetID, UserID: &userID})
	if IsNoRows(err) {
		return widget.Data{}, widget.ErrNoData
	}
	return widget.Data{
		WidgetID: row.WidgetID, UserID: row.UserID, Data: json.RawMessage(row.Data), FetchedAt: row.CachedAt, TTL: row.CacheTTL,
	}, err
}

// PutData implements widget.Store.
func (s *Widgets) PutData(ctx context.Context, d widget.Data) error {
	err := s.change(ctx, func(tx *Tx) error {
		if d.UserID == nil {
			return tx.PutSharedData(ctx, db.PutSharedDataParams{
				WidgetID: d.WidgetID, Data: string(d.Data), CachedAt: d.FetchedAt, CacheTTL: d.TTL,
			})
		}
		return tx.PutUserData(ctx, db.PutUserDataParams{
			WidgetID: d.WidgetID, UserID: d.UserID, Data: string(d.Data), CachedAt: d.FetchedAt, CacheTTL: d.TTL,
		})
	})
	if !IsForeignKey(err) || d.UserID == nil {
		return widgetFault(err)
	}
	// Which of the two is missing, the engines do not both tell.
	if _, err := s.AnyByID(ctx, d.WidgetID); err != nil {
		return err
	}
	return fieldFault(widget.ErrNoUser, "user", err)
}

// Settings implements widget.Store.
func (s *Widgets) Settings(ctx context.Context, widgetID, userID int64) (json.RawMessage, error) {
	row, err := s.DB.R().WidgetSettings(ctx, db.WidgetSettingsParams{WidgetID: widgetID, UserID: userID})
	if IsNoRows(err) {
		return nil, widget.ErrNoSettings
	}
	return json.RawMessage(row.Config), err
}

// PutSettings implements widget.Store.
func (s *Widgets) PutSettings(ctx context.Context, widgetID, userID int64, config json.RawMessage, now time.Time) error {
	return widgetFault(s.change(ctx, func(tx *Tx) error {
		return tx.PutWidgetSettings(ctx, db.PutWidgetSettingsParams{
			WidgetID: widgetID, UserID: userID, Config: string(config), UpdatedAt: now,
		})
	}))
}
