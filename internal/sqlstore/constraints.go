package sqlstore

// constraints names every unique constraint, unique index and primary key by
// the columns it covers, as SQLite spells them: SQLite reports a violation by
// columns, PostgreSQL by name. The names are those of the migrations; a test
// compares this table with the schema of both engines. No two constraints may
// cover the same columns in the same order.
var constraints = map[string]string{
	"agent_conversations_client_key": "agent_conversations.user_id, agent_conversations.client_id",
	"agent_conversations_pkey":       "agent_conversations.id",
	"agent_messages_pkey":            "agent_messages.id",
	"agent_messages_position_key":    "agent_messages.conversation_id, agent_messages.position",
	"ai_agents_pkey":                 "ai_agents.id",
	"ai_budgets_pkey":                "ai_budgets.user_id",
	"ai_reservations_pkey":           "ai_reservations.id",
	"ai_run_calls_pkey":              "ai_run_calls.run_id, ai_run_calls.call_id",
	"ai_run_events_pkey":             "ai_run_events.run_id, ai_run_events.seq",
	"ai_runs_open_key":               "ai_runs.conversation_id",
	"ai_runs_pkey":                   "ai_runs.id",
	"ai_spending_pkey":               "ai_spending.user_id",
	"ai_usage_pkey":                  "ai_usage.id",
	"api_keys_hash_key":              "api_keys.hash",
	"api_keys_pkey":                  "api_keys.id",
	"audit_entries_pkey":             "audit_entries.id",
	"dashboard_views_one_active":     "dashboard_views.user_id",
	"dashboard_views_pkey":           "dashboard_views.id",
	"dashboard_views_user_name_key":  "dashboard_views.user_id, dashboard_views.name",
	"datasources_name_key":           "datasources.name",
	"datasources_pkey":               "datasources.id",
	"denied_tokens_pkey":             "denied_tokens.jti",
	"facts_pkey":                     "facts.name",
	"imported_rows_pkey":             "imported_rows.table_name, imported_rows.row_id",
	"notifications_pkey":             "notifications.id",
	"one_time_tokens_pkey":           "one_time_tokens.hash",
	"role_layouts_pkey":              "role_layouts.role",
	"sessions_origin_jti_key":        "sessions.origin_jti",
	"sessions_pkey":                  "sessions.id",
	"themes_client_id_key":           "themes.user_id, themes.client_id",
	"themes_one_active":              "themes.user_id",
	"themes_one_copy":                "themes.user_id, themes.source_id",
	"themes_pkey":                    "themes.id",
	"themes_user_name_key":           "themes.user_id, themes.name",
	"user_preferences_pkey":          "user_preferences.id",
	"user_preferences_user_key":      "user_preferences.user_id",
	"users_email_claim_key":          "users.email_claim",
	"users_pkey":                     "users.id",
	"users_username_key":             "users.username",
	"view_revisions_number_key":      "view_revisions.view_id, view_revisions.number",
	"view_revisions_pkey":            "view_revisions.id",
	"view_shares_hash_key":           "view_shares.hash",
	"view_shares_pkey":               "view_shares.id",
	"widget_data_pkey":               "widget_data.id",
	"widget_data_shared_key":         "widget_data.widget_id",
	"widget_data_user_key":           "widget_data.widget_id, widget_data.user_id",
	"widget_epoch_pkey":              "widget_epoch.id",
	"widget_outages_pkey":            "widget_outages.widget_id",
	"widget_results_pkey":            "widget_results.widget_id, widget_results.slot",
	"widget_settings_pkey":           "widget_settings.widget_id, widget_settings.user_id",
	"widgets_key_key":                "widgets.key",
	"widgets_pkey":                   "widgets.id",
}

// constraintOf is constraints the other way round.
var constraintOf = func() map[string]string {
	names := make(map[string]string, len(constraints))
	for name, columns := range constraints {
		names[columns] = name
	}
	return names
}()
