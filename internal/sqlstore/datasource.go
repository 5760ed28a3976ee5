package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Datasources implements datasource.Store.
type Datasources struct{ DB *DB }

func datasourceOf(r *db.Datasource) (datasource.Datasource, error) {
	d := datasource.Datasource{
		ID: r.ID, Name: r.Name, Description: r.Description, Kind: r.Kind, Sealed: r.Secrets, SealedBy: r.SecretsKey,
		EditorsAllowed: r.EditorsAllowed, Privileged: r.Privileged, Version: r.Version, CreatedBy: r.CreatedBy,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if err := json.Unmarshal([]byte(r.Settings), &d.Settings); err != nil {
		return d, fmt.Errorf("read the settings of data source %d: %w", r.ID, err)
	}
	d.HasPassword, d.HasToken = d.Settings.HasPassword, d.Settings.HasToken
	return d, nil
}

// datasourceRow gives what a statement returned, or the room's error.
func datasourceRow(r *db.Datasource, err error) (datasource.Datasource, error) {
	switch {
	case Violates(err, "datasources_name_key"):
		return datasource.Datasource{}, fieldFault(datasource.ErrNameTaken, "name", err)
	case IsNoRows(err):
		return datasource.Datasource{}, datasource.ErrNotFound
	case IsForeignKey(err): // who asks was deleted just now
		return datasource.Datasource{}, datasource.ErrForbidden.Because(err)
	case err != nil:
		return datasource.Datasource{}, err
	}
	return datasourceOf(r)
}

// ByID implements datasource.Store.
func (s *Datasources) ByID(ctx context.Context, id int64) (datasource.Datasource, error) {
	row, err := s.DB.R().DatasourceByID(ctx, id)
	return datasourceRow(&row, err)
}

var datasourceList = ListSpec{
	Columns: "id, name, description, kind, settings, editors_allowed, privileged, version, created_by, created_at, updated_at",
	From:    "datasources",
	ID:      "id",
	Order: orderKeysOf(map[string]bool{
		"id": false, "name": false, "description": false, "kind": false, "editors_allowed": false, "created_at": false, "updated_at": false,
	}),
	Default: []page.Order{{Field: "name"}},
	Filters: map[string]Filter{"kind": {Expr: "kind"}, "editors_allowed": {Expr: "editors_allowed", Parse: FilterBool}},
	Search:  "search_text",
}

// List implements datasource.Store. Sealed secrets are not read.
func (s *Datasources) List(ctx context.Context, req page.Request) (page.Result[datasource.Datasource], error) {
	return ListPage(ctx, s.DB.ReadDBTX(), datasourceList, req, func(rows pgx.Rows) (datasource.Datasource, error) {
		var r db.Datasource
		err := rows.Scan(&r.ID, &r.Name, &r.Description, &r.Kind, &r.Settings, &r.EditorsAllowed, &r.Privileged, &r.Version,
			&r.CreatedBy, &r.CreatedAt, &r.UpdatedAt)
		if err != nil {
			return datasource.Datasource{}, err
		}
		return datasourceOf(&r)
	})
}

// Create implements datasource.Store.
func (s *Datasources) Create(ctx context.Context, d datasource.Datasource) (datasource.Datasource, error) {
	settings, err := json.Marshal(d.Settings)
	if err != nil {
		return datasource.Datasource{}, err
	}
	row, err := s.DB.W().InsertDatasource(ctx, db.InsertDatasourceParams{
		Name: d.Name, Description: d.Description, Kind: d.Kind, Settings: string(settings), Secrets: d.Sealed, SecretsKey: d.SealedBy,
		EditorsAllowed: d.EditorsAllowed, Privileged: d.Privileged, CreatedBy: d.CreatedBy, SearchText: SearchText(d.Name, d.Description),
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	})
	return datasourceRow(&row, err)
}

// Update implements datasource.Store.
func (s *Datasources) Update(ctx context.Context, d datasource.Datasource) (datasource.Datasource, error) {
	settings, err := json.Marshal(d.Settings)
	if err != nil {
		return datasource.Datasource{}, err
	}
	row, err := s.DB.W().UpdateDatasource(ctx, db.UpdateDatasourceParams{
		ID: d.ID, Version: d.Version, Name: d.Name, Description: d.Description, Settings: string(settings), Secrets: d.Sealed,
		SecretsKey: d.SealedBy, EditorsAllowed: d.EditorsAllowed, Privileged: d.Privileged, SearchText: SearchText(d.Name, d.Description),
		UpdatedAt: d.UpdatedAt,
	})
	if IsNoRows(err) {
		if _, err := s.ByID(ctx, d.ID); err != nil {
			return datasource.Datasource{}, err
		}
		return datasource.Datasource{}, datasource.ErrChanged
	}
	return datasourceRow(&row, err)
}

// Delete implements datasource.Store.
func (s *Datasources) Delete(ctx context.Context, id int64) error {
	n, err := s.DB.W().DeleteDatasource(ctx, id)
	switch {
	case IsForeignKey(err):
		return datasource.ErrInUse.Because(err)
	case err == nil && n == 0:
		return datasource.ErrNotFound
	}
	return err
}

// NotSealedBy implements datasource.Store.
func (s *Datasources) NotSealedBy(ctx context.Context, key string, after int64, n int) ([]datasource.Datasource, error) {
	rows, err := s.DB.R().DatasourcesNotSealedBy(ctx, db.DatasourcesNotSealedByParams{SecretsKey: key, After: after, UpTo: int32(n)})
	if err != nil {
		return nil, err
	}
	list := make([]datasource.Datasource, len(rows))
	for i := range rows {
		if list[i], err = datasourceOf(&rows[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Reseal implements datasource.Store.
func (s *Datasources) Reseal(ctx context.Context, d datasource.Datasource) error {
	_, err := s.DB.W().ResealDatasource(ctx, db.ResealDatasourceParams{
		ID: d.ID, Version: d.Version, Secrets: d.Sealed, SecretsKey: d.SealedBy,
	})
	return err
}
