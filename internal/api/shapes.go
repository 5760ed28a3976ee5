package api

import "github.com/bdash/bdash/internal/drf"

// Answers that no serializer writes, for OpenAPI.
var (
	tokensShape = drf.Shape("Tokens",
		drf.FieldInfo{Name: "access", Opt: drf.Opt{Help: "Goes into the Authorization header."}},
		drf.FieldInfo{Name: "refresh", Opt: drf.Opt{Help: "Exchanged at auth/refresh/."}})
	loginShape = drf.Shape("LoginAnswer",
		drf.FieldInfo{Name: "user", Opt: drf.Opt{Of: userFields}},
		drf.FieldInfo{Name: "tokens", Opt: drf.Opt{Of: tokensShape}})
	changedPasswordShape = drf.Shape("ChangedPassword",
		drf.FieldInfo{Name: "message", Opt: drf.Opt{Example: `"Password changed"`}},
		drf.FieldInfo{Name: "tokens", Opt: drf.Opt{Of: tokensShape}})
	ticketShape = drf.Shape("Ticket",
		drf.FieldInfo{Name: "ticket"},
		drf.FieldInfo{Name: "expires_at", Type: "datetime"})
	widgetDataShape = drf.Shape("WidgetData",
		drf.FieldInfo{Name: "data", Type: "field", Opt: drf.Opt{Help: "Whatever the widget shows; {} when there is none.", Example: `{"value":42}`}},
		drf.FieldInfo{Name: "meta", Opt: drf.Opt{Of: drf.Shape("WidgetDataMeta",
			drf.FieldInfo{Name: "fetched_at", Type: "datetime"},
			drf.FieldInfo{Name: "expires_at", Type: "datetime"},
			drf.FieldInfo{Name: "stale", Type: "boolean"},
			drf.FieldInfo{Name: "source"}), Help: "Left out when there is no data."}})
)
