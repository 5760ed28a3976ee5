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
	// error, error_detail, next_try and period stand only where they apply.
	widgetDataMeta = drf.Shape("WidgetDataMeta",
		drf.FieldInfo{Name: "fetched_at", Type: "datetime", Opt: drf.Opt{Null: true}},
		drf.FieldInfo{Name: "expires_at", Type: "datetime", Opt: drf.Opt{Null: true}},
		drf.FieldInfo{Name: "stale", Type: "boolean", Opt: drf.Opt{Help: "The data are older than they should be; newer ones are being fetched, or the source fails."}},
		drf.FieldInfo{Name: "source"},
		drf.FieldInfo{Name: "period", Opt: drf.Opt{Help: "What the data are about, where the query asks for a period.", Example: `"30d"`}},
		drf.FieldInfo{Name: "error", Opt: drf.Opt{Help: "Why the last fetch failed.", Example: `"The source cannot be reached."`}},
		drf.FieldInfo{Name: "error_detail", Opt: drf.Opt{Help: "More of it, for who may change the widget."}},
		drf.FieldInfo{Name: "next_try", Type: "datetime", Opt: drf.Opt{Help: "When the source is asked again at the earliest."}})
	widgetDataShape = drf.Shape("WidgetData",
		drf.FieldInfo{Name: "data", Type: "field", Opt: drf.Opt{Help: "Whatever the widget shows; {} when there is none.", Example: `{"value":42}`}},
		drf.FieldInfo{Name: "meta", Opt: drf.Opt{Of: widgetDataMeta, Help: "Left out when nothing was ever stored."}})
	refreshShape = drf.Shape("WidgetRefresh",
		drf.FieldInfo{Name: "message", Opt: drf.Opt{Example: `"Widget data refresh triggered"`}},
		drf.FieldInfo{Name: "task_id", Type: "integer", Opt: drf.Opt{Null: true, Help: "See tasks/; null where data is pushed and there is nothing to fetch.", Example: "7"}})
	viewDataShape = drf.Shape("ViewData",
		drf.FieldInfo{Name: "view", Type: "integer"},
		drf.FieldInfo{Name: "widgets", Opt: drf.Opt{Many: true, Of: drf.Shape("ViewDataWidget",
			drf.FieldInfo{Name: "instance_id", Opt: drf.Opt{Null: true}},
			drf.FieldInfo{Name: "widget_id", Type: "integer", Opt: drf.Opt{Null: true}},
			drf.FieldInfo{Name: "widget_key", Opt: drf.Opt{Null: true}},
			drf.FieldInfo{Name: "data", Type: "field", Opt: drf.Opt{Help: "As in widgets/{id}/data/.", Example: `{"value":42}`}},
			drf.FieldInfo{Name: "meta", Opt: drf.Opt{Of: widgetDataMeta}},
			drf.FieldInfo{Name: "error", Opt: drf.Opt{Help: "Stands instead of meta when there is no such widget.", Of: drf.Shape("ViewDataError",
				drf.FieldInfo{Name: "code", Opt: drf.Opt{Example: `"widget.not_found"`}}, drf.FieldInfo{Name: "detail"})}})}})
)
