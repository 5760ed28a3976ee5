package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"
)

// bindArgs turns what generated code passes to pgx into what the SQLite driver
// takes, so that both engines store the same: times in the one text form, JSON
// as text (a []byte would become a BLOB, which compares with no text), NULL for
// nil pointers. args itself is left alone.
func bindArgs(args []any) ([]any, error) {
	for i, a := range args {
		switch a.(type) {
		case nil, int64, float64, string, bool, []byte:
			continue
		}
		return bindFrom(args, i)
	}
	return args, nil
}

// bindFrom is bindArgs from the i-th on, into a copy.
func bindFrom(args []any, i int) ([]any, error) {
	out := make([]any, len(args))
	copy(out, args[:i])
	for ; i < len(args); i++ {
		v, err := bindArg(args[i])
		if err != nil {
			return nil, fmt.Errorf("argument $%d: %w", i+1, err)
		}
		out[i] = v
	}
	return out, nil
}

func bindArg(a any) (any, error) {
	switch v := a.(type) {
	case nil, int64, float64, string, bool, []byte:
		return v, nil
	case time.Time:
		return formatSQLiteTime(v)
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case json.RawMessage:
		if v == nil {
			return nil, nil
		}
		return string(v), nil
	case *string:
		return deref(v), nil
	case *int64:
		return deref(v), nil
	case *bool:
		return deref(v), nil
	case *float64:
		return deref(v), nil
	case *time.Time:
		if v == nil {
			return nil, nil
		}
		return formatSQLiteTime(*v)
	}
	return bindOther(a)
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// bindOther takes named types, smaller integers and pointers to them.
func bindOther(a any) (any, error) {
	rv := reflect.ValueOf(a)
	if rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			return nil, nil
		}
		if _, ok := a.(driver.Valuer); !ok {
			return bindArg(rv.Elem().Interface())
		}
	}
	if v, ok := a.(driver.Valuer); ok {
		inner, err := v.Value()
		if err != nil {
			return nil, err
		}
		if _, again := inner.(driver.Valuer); again {
			return nil, fmt.Errorf("%T has no plain value", a)
		}
		return bindArg(inner)
	}
	switch rv.Kind() {
	case reflect.String:
		return rv.String(), nil
	case reflect.Bool:
		return rv.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return rv.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if rv.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%d does not fit into 64 bits with a sign", rv.Uint())
		}
		return int64(rv.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return rv.Float(), nil
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			return rv.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("cannot store a %T", a)
}

// cell lets database/sql fill destinations that it does not know or fills
// slowly. The zero cell drops the value.
type cell struct{ dest any }

var _ sql.Scanner = (*cell)(nil)

// wantsCell tells whether dest must be filled through a cell.
func wantsCell(dest any) bool {
	switch dest.(type) {
	case nil, *time.Time, **time.Time, *json.RawMessage, **json.RawMessage, *bool, **bool, **string, **int64, **float64:
		return true
	}
	return false
}

// Scan implements sql.Scanner.
func (c *cell) Scan(src any) error {
	switch dest := c.dest.(type) {
	case nil:
		return nil
	case *time.Time:
		return scanInto(dest, src, toTime)
	case **time.Time:
		return scanNullable(dest, src, toTime)
	case *bool:
		return scanInto(dest, src, toBool)
	case **bool:
		return scanNullable(dest, src, toBool)
	case *json.RawMessage:
		if src == nil {
			*dest = nil
			return nil
		}
		return scanInto(dest, src, toJSON)
	case **json.RawMessage:
		return scanNullable(dest, src, toJSON)
	case **string:
		return scanNullable(dest, src, toText)
	case **int64:
		return scanNullable(dest, src, toInt)
	case **float64:
		return scanNullable(dest, src, toFloat)
	}
	return fmt.Errorf("cannot read into %T", c.dest)
}

func scanInto[T any](dest *T, src any, convert func(any) (T, bool)) error {
	v, ok := convert(src)
	if !ok {
		if src == nil {
			return fmt.Errorf("cannot read NULL into %T", dest)
		}
		return fmt.Errorf("cannot read %v (%T) into %T", src, src, dest)
	}
	*dest = v
	return nil
}

func scanNullable[T any](dest **T, src any, convert func(any) (T, bool)) error {
	if src == nil {
		*dest = nil
		return nil
	}
	v := new(T)
	if err := scanInto(v, src, convert); err != nil {
		return err
	}
	*dest = v
	return nil
}

func toTime(src any) (time.Time, bool) {
	switch v := src.(type) {
	case string:
		t, err := parseSQLiteTime(v)
		return t, err == nil
	case time.Time: // the driver parses columns declared TIMESTAMP
		return v.UTC().Truncate(time.Microsecond), true
	}
	return time.Time{}, false
}

func toBool(src any) (bool, bool) {
	switch v := src.(type) {
	case bool:
		return v, true
	case int64:
		return v != 0, v == 0 || v == 1
	}
	return false, false
}

func toJSON(src any) (json.RawMessage, bool) {
	switch v := src.(type) {
	case string:
		return json.RawMessage(v), true
	case []byte:
		return json.RawMessage(append([]byte(nil), v...)), true
	}
	return nil, false
}

func toText(src any) (string, bool) {
	switch v := src.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

func toInt(src any) (int64, bool) {
	v, ok := src.(int64)
	return v, ok
}

func toFloat(src any) (float64, bool) {
	switch v := src.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	}
	return 0, false
}
