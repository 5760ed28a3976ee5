package widget_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
	"github.com/bdash/bdash/internal/widget"
)

// FuzzConfigSchema: whatever a schema and the settings are, both are taken or
// refused as a fault of their field, and what was taken comes back unchanged.
func FuzzConfigSchema(f *testing.F) {
	b := newBundle(sqltest.Open(f))
	bob := b.user(f, "bob", identity.User)
	id := b.add(f, widget.Widget{CreatedBy: bob.UserID}).ID
	for _, seed := range [][2]string{
		{`{}`, `{}`},
		{`true`, `{"a":1}`},
		{`[]`, `[]`},
		{`{"type":"object","properties":{"a":{"type":"integer"}}}`, `{"a":"x"}`},
		{`{"$ref":"#"}`, `{"a":{}}`},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"},{"$ref":"#/$defs/b"}]},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}`, `{}`},
		{`{"pattern":"(a+)+$"}`, `{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}`},
		{`{"propertyNames":{"pattern":"((((a{9}){9}){9}){9})"}}`, `{"a":1}`},
		{`{"multipleOf":1e-999999}`, `{"a":1e999999}`},
		{`{"$dynamicRef":"#x"}`, `{}`},
		{`{"$id":"http://localhost/","$schema":"http://localhost/x"}`, `{}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, schema, config string) {
		if !json.Valid([]byte(schema)) || !json.Valid([]byte(config)) {
			return // the wire refuses it before
		}
		w, err := b.Update(t.Context(), bob, id, widget.Draft{ConfigSchema: json.RawMessage(schema)})
		if err != nil {
			wantFieldFault(t, err, "config_schema")
			return
		}
		if string(w.ConfigSchema) != schema {
			t.Errorf("stored %q, want %q", w.ConfigSchema, schema)
		}
		if err := b.PutSettings(t.Context(), bob, id, json.RawMessage(config)); err != nil {
			wantFieldFault(t, err, "config")
			return
		}
		if got, err := b.Settings(t.Context(), bob, id); err != nil || string(got) != config {
			t.Errorf("Settings = %q, %v; want %q", got, err, config)
		}
	})
}

func wantFieldFault(t *testing.T, err error, field string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Invalid || len(e.Fields) == 0 || e.Fields[0].Name != field {
		t.Errorf("error = %v, want a fault of %s", err, field)
	}
}
