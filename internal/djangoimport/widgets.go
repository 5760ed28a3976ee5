package djangoimport

func widgetsTable() *tableSpec {
	return &tableSpec{
		name:  "widgets",
		needs: []string{"id", "name", "created_by_id"},
		wants: []string{"widget_type", "description", "config_schema", "is_public", "created_at", "updated_at"},
		columns: []column{
			textCol("name"), textCol("widget_type"), textCol("description"), textCol("config_schema"), boolCol("is_public"),
			intCol("created_by"), derivedCol("search_text"), timeCol("created_at"), timeCol("updated_at"),
		},
		// Without a key of their own: the frontend's names are given in bdash.
		identity: []string{"created_at"},
		identify: createdAt,
		convert:  convertWidget,
	}
}

func convertWidget(im *run, r *reader) (item, bool) {
	creator, ok := im.parent(r, "created_by_id", "users")
	if !ok {
		return item{}, false
	}
	name, description := r.text("name", ""), r.text("description", "")
	created := r.instant("created_at", "updated_at")
	return item{id: r.id, content: content{
		"name":          name,
		"widget_type":   r.choice("widget_type", "custom", "stats", "chart", "table", "calendar", "custom"),
		"description":   description,
		"config_schema": r.json("config_schema", "{}"),
		"is_public":     r.boolean("is_public", false),
		"created_by":    creator,
		"search_text":   searchText(name, description),
		"created_at":    created,
		"updated_at":    updatedAt(r, created),
	}}, true
}

func widgetDataTable() *tableSpec {
	return &tableSpec{
		name:  "widget_data",
		needs: []string{"id", "widget_id", "user_id"},
		wants: []string{"data", "cached_at", "cache_ttl"},
		columns: []column{
			intCol("widget_id"), intCol("user_id"), textCol("data"), timeCol("cached_at"), intCol("cache_ttl"),
		},
		keys: []uniqueKey{{
			columns: []string{"widget_id", "user_id"},
			reason:  "its user has other data for this widget",
		}},
		// cached_at moves with every refresh; the two others never do.
		identity: []string{"widget_id", "user_id"},
		identify: func(r *reader) []any { return []any{r.integer("widget_id", 0), r.integer("user_id", 0)} },
		convert:  convertWidgetData,
	}
}

func convertWidgetData(im *run, r *reader) (item, bool) {
	user, ok := im.parent(r, "user_id", "users")
	if !ok {
		return item{}, false
	}
	widget, ok := im.parent(r, "widget_id", "widgets")
	if !ok {
		return item{}, false
	}
	return item{id: r.id, content: content{
		"widget_id": widget,
		"user_id":   user,
		"data":      r.json("data", "{}"),
		"cached_at": r.instant("cached_at"),
		"cache_ttl": r.integer("cache_ttl", 300),
	}}, true
}
