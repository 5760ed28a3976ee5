package sqlstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

type sample struct {
	ID     int64
	Txt    string
	OptTxt *string
	Num    int64
	OptNum *int64
	Flag   bool
	OptFlg *bool
	Ratio  float64
	OptRat *float64
	At     time.Time
	OptAt  *time.Time
	Doc    json.RawMessage
	Bin    []byte
}

const sampleColumns = "id, txt, opt_txt, num, opt_num, flag, opt_flg, ratio, opt_rat, at, opt_at, doc, bin"

func (s *sample) dests() []any {
	return []any{
		&s.ID, &s.Txt, &s.OptTxt, &s.Num, &s.OptNum, &s.Flag, &s.OptFlg,
		&s.Ratio, &s.OptRat, &s.At, &s.OptAt, &s.Doc, &s.Bin,
	}
}

func (s *sample) args() []any {
	return []any{
		s.ID, s.Txt, s.OptTxt, s.Num, s.OptNum, s.Flag, s.OptFlg,
		s.Ratio, s.OptRat, s.At, s.OptAt, s.Doc, s.Bin,
	}
}

const insertAll = "INSERT INTO samples (" + sampleColumns +
	") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING " + sampleColumns

func ptr[T any](v T) *T { return &v }

// Every kind of value comes back as it went in: from RETURNING, from QueryRow
// and from Query, alike on both engines.
func TestValuesRoundTrip(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 5*3600+1800)
	samples := []sample{
		{ID: 1, At: time.Unix(0, 0).UTC(), Doc: json.RawMessage(`{}`)},
		{
			ID: 2, Txt: "größer ☃ 'quoted' \\ \"x\"", OptTxt: ptr(""), Num: math.MaxInt64, OptNum: ptr(int64(math.MinInt64)),
			Flag: true, OptFlg: ptr(false), Ratio: math.MaxFloat64, OptRat: ptr(0.1),
			At: sampleTime, OptAt: ptr(sampleTime.Add(time.Microsecond)),
			Doc: json.RawMessage(`{"b": 1,  "a":[null, 1.0]}`), Bin: []byte{0, 1, 255},
		},
		{
			ID: 3, Num: 3, OptFlg: ptr(true), Ratio: 3, OptRat: ptr(4.0), OptTxt: ptr("x"),
			// cut, not rounded, and told in UTC
			At: time.Date(2025, 12, 31, 23, 59, 59, 999999999, east), OptAt: ptr(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)),
			Doc: json.RawMessage(`"2024-01-01 00:00:00"`),
		},
	}
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		var want []sample
		for _, in := range samples {
			w := in
			w.At = in.At.UTC().Truncate(time.Microsecond)
			want = append(want, w)
			var got sample
			if err := d.WriteDBTX().QueryRow(t.Context(), insertAll, in.args()...).Scan(got.dests()...); err != nil {
				t.Fatalf("insert %d: %v", in.ID, err)
			}
			if diff := cmp.Diff(w, got); diff != "" {
				t.Errorf("RETURNING of %d (-want +got):\n%s", in.ID, diff)
			}
			if got.At.Location() != time.UTC {
				t.Errorf("time of %d in %v, want UTC", in.ID, got.At.Location())
			}
		}
		rows, err := d.ReadDBTX().Query(t.Context(), "SELECT "+sampleColumns+" FROM samples ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (s sample, err error) {
			return s, r.Scan(s.dests()...)
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Query (-want +got):\n%s", diff)
		}
	})
}

// Times compare and sort as moments whatever their fraction: with each other,
// and with parameters in any zone.
func TestTimesCompare(t *testing.T) {
	t.Parallel()
	base := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	fractions := []int{0, 1, 10, 100_000, 100_001, 120_000, 123_456, 999_999}
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		for i := len(fractions) - 1; i >= 0; i-- {
			s := sample{ID: int64(i), Num: int64(i), At: base.Add(time.Duration(fractions[i]) * time.Microsecond), Doc: json.RawMessage(`0`)}
			if _, err := d.WriteDBTX().Exec(t.Context(), insertAll, s.args()...); err != nil {
				t.Fatal(err)
			}
		}
		for i, f := range fractions {
			at := base.Add(time.Duration(f) * time.Microsecond).In(time.FixedZone("west", -7*3600))
			var before, same, after, place int
			err := d.ReadDBTX().QueryRow(t.Context(), `SELECT
				(SELECT count(*) FROM samples WHERE at < $1), (SELECT count(*) FROM samples WHERE at = $1),
				(SELECT count(*) FROM samples WHERE at > $1),
				(SELECT id FROM samples ORDER BY at LIMIT 1 OFFSET $2)`, at, int64(i)).Scan(&before, &same, &after, &place)
			if err != nil {
				t.Fatal(err)
			}
			if before != i || same != 1 || after != len(fractions)-1-i || place != i {
				t.Errorf("fraction %06d: %d before, %d equal, %d after, at place %d; want %d, 1, %d, %d",
					f, before, same, after, place, i, len(fractions)-1-i, i)
			}
		}
		// An expression has no declared type in SQLite.
		var newest time.Time
		var none *time.Time
		err := d.ReadDBTX().QueryRow(t.Context(), "SELECT max(at), max(opt_at) FROM samples").Scan(&newest, &none)
		if want := base.Add(999_999 * time.Microsecond); err != nil || !newest.Equal(want) || none != nil {
			t.Errorf("max = %v, %v, %v; want %v, nil, nil", newest, none, err, want)
		}
	})
}

// What other programs wrote into an SQLite file is understood.
func TestSQLiteReadsOtherTimes(t *testing.T) {
	t.Parallel()
	d := sqltest.Open(t)
	mustExec(t, d.WriteDBTX(), "CREATE TABLE moments (declared TIMESTAMP, bare TIMESTAMPTZ)")
	for text, want := range map[string]string{
		"2024-01-02 03:04:05.120000+00:00":    "2024-01-02T03:04:05.12Z",
		"2024-01-02 03:04:05.120000+02:00":    "2024-01-02T01:04:05.12Z",
		"2024-01-02 03:04:05":                 "2024-01-02T03:04:05Z",
		"2024-01-02 03:04:05.123456":          "2024-01-02T03:04:05.123456Z",
		"2024-01-02T03:04:05.123456789Z":      "2024-01-02T03:04:05.123456Z",
		"2024-01-02 03:04:05.123456789+00:00": "2024-01-02T03:04:05.123456Z",
		"2024-01-02":                          "2024-01-02T00:00:00Z",
	} {
		mustExec(t, d.WriteDBTX(), "DELETE FROM moments")
		mustExec(t, d.WriteDBTX(), "INSERT INTO moments VALUES ($1, $1)", text)
		var declared, bare time.Time
		err := d.ReadDBTX().QueryRow(t.Context(), "SELECT declared, bare FROM moments").Scan(&declared, &bare)
		if got := declared.Format(time.RFC3339Nano); err != nil || got != want || !bare.Equal(declared) {
			t.Errorf("%q read as %s and %v, %v; want %s", text, got, bare, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "2024-02-30 00:00:00.000000+00:00", "2024-13-01 00:00:00.000000+00:00", "2024-01-01 0a:00:00.000000+00:00"} {
		mustExec(t, d.WriteDBTX(), "DELETE FROM moments")
		mustExec(t, d.WriteDBTX(), "INSERT INTO moments VALUES ($1, $1)", text)
		var bare time.Time
		if err := d.ReadDBTX().QueryRow(t.Context(), "SELECT bare FROM moments").Scan(&bare); err == nil {
			t.Errorf("%q read as %v, want an error", text, bare)
		}
	}
	_, err := d.WriteDBTX().Exec(t.Context(), "INSERT INTO moments VALUES ($1, NULL)", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))
	if err == nil {
		t.Error("a time that would not sort was stored")
	}
}

// JSON must be text in SQLite: a BLOB equals no text.
func TestSQLiteStoresText(t *testing.T) {
	t.Parallel()
	d := sqltest.Open(t)
	mustExec(t, d.WriteDBTX(), "CREATE TABLE kinds (a TEXT, b TEXT, c TIMESTAMP, d BOOLEAN, e BLOB)")
	type word string
	mustExec(t, d.WriteDBTX(), "INSERT INTO kinds VALUES ($1, $2, $3, $4, $5)",
		json.RawMessage(`{}`), word("w"), sampleTime, true, []byte("x"))
	var got, at string
	err := d.ReadDBTX().QueryRow(t.Context(),
		"SELECT typeof(a) || typeof(b) || typeof(c) || typeof(d) || typeof(e), CAST(c AS TEXT) FROM kinds").Scan(&got, &at)
	if want := "texttexttextintegerblob"; err != nil || got != want || at != "2024-02-29 12:34:56.789012+00:00" {
		t.Errorf("stored as %s, %s, %v; want %s", got, at, err, want)
	}
}

type status string

// Parameters are found by number, also out of order and used twice, and may be
// of named and small types.
func TestParameters(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		mustInsert(t, d.WriteDBTX(), 1, 10, "a")
		mustInsert(t, d.WriteDBTX(), 2, 20, "b")
		var id int32
		var txt status
		err := d.ReadDBTX().QueryRow(t.Context(),
			"SELECT id, txt FROM samples WHERE txt = $2 AND num = $1 AND num + 1 > $1 LIMIT $3", int32(20), status("b"), 1).Scan(&id, &txt)
		if err != nil || id != 2 || txt != "b" {
			t.Errorf("got %d, %q, %v; want 2, b", id, txt, err)
		}
		type unknown struct{ X int }
		if _, err := d.WriteDBTX().Exec(t.Context(), "UPDATE samples SET txt = $1", unknown{}); err == nil {
			t.Error("a struct was stored")
		}
	})
}

func TestRows(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		ctx, q := t.Context(), d.ReadDBTX()
		for i := range int64(5) {
			mustInsert(t, d.WriteDBTX(), i, i, fmt.Sprint(i))
		}
		var n int64
		if err := q.QueryRow(ctx, "SELECT id FROM samples WHERE id = 99").Scan(&n); !errors.Is(err, pgx.ErrNoRows) || !sqlstore.IsNoRows(err) {
			t.Errorf("no row: %v, want pgx.ErrNoRows", err)
		}
		if err := q.QueryRow(ctx, "SELECT id FROM samples ORDER BY id DESC").Scan(&n); err != nil || n != 4 {
			t.Errorf("first of five rows = %d, %v; want 4", n, err)
		}
		if err := q.QueryRow(ctx, "SELECT id FROM nothing").Scan(&n); err == nil || sqlstore.IsNoRows(err) {
			t.Errorf("missing table: %v, want another error", err)
		}
		if err := q.QueryRow(ctx, "SELECT opt_num FROM samples").Scan(&n); err == nil {
			t.Error("NULL was read into an int64")
		}
		if got := mustExec(t, d.WriteDBTX(), "UPDATE samples SET txt = 'x' WHERE id > $1", int64(1)); got != 3 {
			t.Errorf("UPDATE touched %d rows, want 3", got)
		}
		if got := mustExec(t, d.WriteDBTX(), "DELETE FROM samples WHERE id = 77"); got != 0 {
			t.Errorf("DELETE of nothing touched %d rows", got)
		}
		rows, err := q.Query(ctx, "SELECT id AS number, flag, at, opt_txt FROM samples ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if !rows.Next() {
			t.Fatalf("no row: %v", rows.Err())
		}
		if f := rows.FieldDescriptions(); len(f) != 4 || f[0].Name != "number" {
			t.Errorf("FieldDescriptions = %v", f)
		}
		values, err := rows.Values()
		if want := []any{int64(0), true, sampleTime, nil}; err != nil || !cmp.Equal(values, want) {
			t.Errorf("Values = %v, %v; want %v", values, err, want)
		}
		if err := rows.Scan(nil, nil, nil, nil); err != nil {
			t.Errorf("Scan(nil …): %v", err)
		}
		rows.Close()
		if rows.Next() || rows.Err() != nil {
			t.Errorf("after Close: %v", rows.Err())
		}
	})
}

// pgx's collectors work on SQLite rows.
func TestCollectors(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		mustInsert(t, d.WriteDBTX(), 1, 10, "a")
		rows, err := d.ReadDBTX().Query(t.Context(), "SELECT num, id, txt FROM samples")
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			ID  int64
			Num int64
			Txt string
		}
		got, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
		if want := []row{{1, 10, "a"}}; err != nil || !cmp.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	})
}

// A statement may run again while its own rows are still being read, and many
// different statements push each other out of the cache.
func TestStatementReuse(t *testing.T) {
	t.Parallel()
	eachSamples(t, func(t *testing.T, d *sqlstore.DB) {
		for i := range int64(3) {
			mustInsert(t, d.WriteDBTX(), i, i, "x")
		}
		if d.Engine() == sqlstore.SQLite { // pgx allows one open result per connection
			err := d.InTx(t.Context(), func(tx *sqlstore.Tx) error {
				return nestedReads(t, tx)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range 700 {
			var got int
			text := fmt.Sprintf("SELECT %d + count(*) FROM samples", i)
			if err := d.ReadDBTX().QueryRow(t.Context(), text).Scan(&got); err != nil || got != i+3 {
				t.Fatalf("%s = %d, %v; want %d", text, got, err, i+3)
			}
		}
	})
}

func nestedReads(t *testing.T, tx *sqlstore.Tx) error {
	const text = "SELECT id FROM samples WHERE id >= $1 ORDER BY id"
	outer, err := tx.DBTX().Query(t.Context(), text, int64(0))
	if err != nil {
		return err
	}
	defer outer.Close()
	for want := int64(0); outer.Next(); want++ {
		var id, inner int64
		if err := outer.Scan(&id); err != nil {
			return err
		}
		if err := tx.DBTX().QueryRow(t.Context(), text, id).Scan(&inner); err != nil {
			return err
		}
		if id != want || inner != want {
			t.Errorf("outer %d, inner %d; want %d", id, inner, want)
		}
	}
	return outer.Err()
}
