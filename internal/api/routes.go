package api

import (
	"net/http"

	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/widget"
)

const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	delete = http.MethodDelete
)

// signedIn are the credentials of what API keys may not do.
var signedIn = []string{"bearerAuth"}

// periodParams document ?period=.
var periodParams = []drf.Param{{Name: "period", Enum: widget.Periods, Text: "What the data are about, in whole days of the user's time zone, today included, beside the same time before. Replaces the period of the settings; only for widgets whose query asks for one."}}

// shapesExample is shortened.
const shapesExample = `{"stats":{"type":"object"},"chart":{"type":"object"},"chart-pie":{"type":"object"},"table":{"type":"object"},"calendar":{"type":"object"},"list":{"type":"object"},"activity-feed":{"type":"object"},"quick-actions":{"type":"object"}}`

// op documents a method; what the view says already is not said again.
func op(summary string) drf.Operation { return drf.Operation{Summary: summary} }

// views is every path of the API, below /api/ and /api/v1/. Name and
// Description are what the recorded OPTIONS answers say where there are any.
func (s *Server) views() []*drf.View {
	views := []*drf.View{s.rootView()}
	views = append(views, s.authViews()...)
	views = append(views, s.accountViews()...)
	views = append(views, s.themeViews()...)
	views = append(views, s.dashboardViews()...)
	views = append(views, s.widgetViews()...)
	views = append(views, s.datasourceViews()...)
	views = append(views, s.agentViews()...)
	views = append(views, s.moneyViews()...)
	views = append(views, s.eventViews()...)
	return append(views, s.otherViews()...)
}

// Views describes every path, for tests that must not miss one.
func (s *Server) Views() []*drf.View { return s.views() }

func (s *Server) authViews() []*drf.View {
	return tagged("auth",
		&drf.View{Path: "auth/register/", Name: "Register", Auth: drf.AuthOptional, Throttle: s.countAddress, Methods: []drf.Method{
			{Verb: post, Handler: s.audited("auth.register", "", s.register), Doc: drf.Operation{Summary: "Register an account", Text: "The account is pending; a mail with a link that verifies the address is sent.", In: registerFields, Out: userFields, Status: http.StatusCreated, Errors: []int{http.StatusForbidden}}}}},
		&drf.View{Path: "auth/login/", Name: "Login", Auth: drf.AuthOptional, Methods: []drf.Method{
			{Verb: post, Handler: s.audited("auth.login", "", s.login), Doc: drf.Operation{Summary: "Sign in with an e-mail address", In: loginFields, Out: loginShape}}}},
		&drf.View{Path: "auth/token/", Name: "Custom Token Obtain Pair", Auth: drf.AuthIgnored, Metadata: tokenFields, Methods: []drf.Method{
			{Verb: post, Handler: s.audited("auth.login", "", s.token), Doc: drf.Operation{Summary: "Sign in with a username", Text: "`email` instead of `username` is accepted. The tokens carry the claims email, role and status.", In: tokenFields, InOr: tokenByEmailFields, Out: refreshFields, Errors: []int{http.StatusUnauthorized}}}}},
		&drf.View{Path: "auth/refresh/", Name: "Token Refresh", Auth: drf.AuthIgnored, Metadata: refreshFields, Throttle: unthrottled,
			Description: "Takes a refresh type JSON web token and returns an access type JSON web\ntoken if the refresh token is valid.", Methods: []drf.Method{
				{Verb: post, Handler: s.refresh, Doc: drf.Operation{Summary: "Exchange a refresh token", Text: "Refresh tokens rotate: the answer carries the next one. The one before the last, or the last one later than 10 seconds after it was exchanged, ends the session.", In: refreshFields, Out: refreshFields, Errors: []int{http.StatusUnauthorized}}}}},
		&drf.View{Path: "auth/verify/", Name: "Token Verify", Auth: drf.AuthIgnored, Metadata: verifyTokenFields,
			Description: "Takes a token and indicates if it is valid.  This view provides no\ninformation about a token's fitness for a particular use.", Methods: []drf.Method{
				{Verb: post, Handler: s.verifyToken, Doc: drf.Operation{Summary: "Check a token", In: verifyTokenFields, Example: `{}`, Errors: []int{http.StatusUnauthorized}}}}},
		&drf.View{Path: "auth/me/", Name: "Me", Methods: []drf.Method{
			{Verb: get, Handler: s.me, Doc: drf.Operation{Summary: "The user who is signed in", Out: userFields}},
			{Verb: patch, Handler: s.patchMe, Doc: drf.Operation{Summary: "Change the own profile", In: userFields, PartialIn: true, Out: userFields}}}},
		&drf.View{Path: "auth/logout/", Name: "Logout", Methods: []drf.Method{
			{Verb: post, Handler: s.audited("auth.logout", "", s.logout), Doc: drf.Operation{Summary: "Sign out", Text: "Ends the session of the token; with `all` every session of the user.", In: logoutFields, PartialIn: true, Example: `{"message":"Logout successful"}`}}}},
		&drf.View{Path: "auth/change-password/", Name: "Change Password", Methods: []drf.Method{
			{Verb: post, Handler: s.audited("auth.password_change", "", s.changePassword), Doc: drf.Operation{Summary: "Change the own password", Text: "Ends every session and signs in anew.", In: changePasswordFields, Out: changedPasswordShape}}}},
		&drf.View{Path: "auth/password-reset/", Name: "Password Reset", Auth: drf.AuthOptional, Throttle: s.countAddress, Methods: []drf.Method{
			{Verb: post, Handler: s.audited("auth.password_reset_request", "", s.requestReset), Doc: drf.Operation{Summary: "Ask for a link to choose a new password", Text: "The answer is the same whether the address is known or not.", In: resetFields, Example: `{"message":"If the address belongs to an account, a mail is on its way."}`}}}},
		&drf.View{Path: "auth/password-reset/confirm/", Name: "Password Reset Confirm", Auth: drf.AuthOptional, Methods: []drf.Method{
			{Verb: post, Handler: s.audited("auth.password_reset", "", s.confirmReset), Doc: drf.Operation{Summary: "Choose a new password by the link's token", In: resetConfirmFields, Example: `{"message":"Password changed"}`}}}},
		&drf.View{Path: "auth/verify-email/", Name: "Verify Email", Auth: drf.AuthOptional, Methods: []drf.Method{
			{Verb: post, Handler: s.audited("auth.verify_email", "", s.verifyEmail), Doc: drf.Operation{Summary: "Verify the e-mail address by the link's token", In: linkFields, Example: `{"message":"E-mail address verified","status":"active"}`}}}},
		&drf.View{Path: "auth/resend-verification/", Name: "Resend Verification", Throttle: s.countAddress, Methods: []drf.Method{
			{Verb: post, Handler: s.resendVerification, Doc: drf.Operation{Summary: "Mail the verification link again", Example: `{"message":"A new mail is on its way."}`, Errors: []int{http.StatusConflict}}}}},
		&drf.View{Path: "auth/sessions/", Name: "Sessions", Methods: []drf.Method{
			{Verb: get, Handler: s.listSessions, Doc: drf.Operation{Summary: "The own sessions", Out: sessionFields, Array: true}}}},
		&drf.View{Path: "auth/sessions/{id}/", Name: "Session", Params: []drf.Param{{Name: "id", Text: "The session's id."}}, Methods: []drf.Method{
			{Verb: delete, Handler: s.audited("auth.session_end", "session", s.endSession), Doc: op("End one of the own sessions")}}},
		&drf.View{Path: "auth/api-keys/", Name: "API Keys", Permit: notByKey, Metadata: keyFields, Methods: []drf.Method{
			{Verb: get, Handler: s.listKeys, Doc: drf.Operation{Summary: "The own API keys", Security: signedIn, Out: keyFields, Array: true}},
			{Verb: post, Handler: s.audited("auth.api_key_create", "", s.createKey), Doc: drf.Operation{Summary: "Make an API key", Security: signedIn, Text: "The key is shown this once and stored hashed.", In: keyFields, Out: newKeyFields, Status: http.StatusCreated}}}},
		&drf.View{Path: "auth/api-keys/{id}/", Name: "API Key", Permit: notByKey, Methods: []drf.Method{
			{Verb: delete, Handler: s.audited("auth.api_key_delete", "api_key", s.deleteKey), Doc: drf.Operation{Summary: "Delete one of the own API keys", Security: signedIn}}}},
		&drf.View{Path: "auth/ticket/", Name: "Ticket", Permit: notByKey, Methods: []drf.Method{
			{Verb: post, Handler: s.ticket, Doc: drf.Operation{Summary: "Make a ticket for the event doors", Security: signedIn, Text: "Good once, for 30 seconds, only where events are read.", Status: http.StatusCreated, Out: ticketShape}}}},
	)
}

func (s *Server) accountViews() []*drf.View {
	return tagged("users",
		&drf.View{Path: "users/", Name: "User List", Permit: adminOnly, Metadata: adminUserFields, Methods: []drf.Method{
			{Verb: get, Handler: s.listUsers, Doc: drf.Operation{Summary: "Users", Out: adminUserFields, List: true, Params: drf.ListParams(userOrderings, "e-mail address, username and names", userFilters)}},
			{Verb: post, Handler: s.audited("user.create", "", s.createUser), Doc: drf.Operation{Summary: "Make a user", In: adminUserFields, Out: adminUserFields, Status: http.StatusCreated}}}},
		&drf.View{Path: "users/{id}/", Name: "User Instance", Permit: adminOnly, Metadata: adminUserFields, Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveUser, Doc: drf.Operation{Summary: "A user", Out: adminUserFields}},
			{Verb: patch, Handler: s.audited("user.update", "user", s.patchUser), Doc: drf.Operation{Summary: "Change a user", Text: "Deactivation and a new password end the user's sessions. The last administrator cannot be demoted or deactivated.", In: adminUserFields, PartialIn: true, Out: adminUserFields, Errors: []int{http.StatusConflict}}},
			{Verb: delete, Handler: s.audited("user.delete", "user", s.deleteUser), Doc: drf.Operation{Summary: "Delete a user", Text: "The user's public widgets pass to the administrator who deletes.", Errors: []int{http.StatusConflict}}}}},
	)
}

func (s *Server) themeViews() []*drf.View {
	return tagged("themes",
		&drf.View{Path: "themes/", Name: "Theme List", Metadata: themeFields, Methods: []drf.Method{
			{Verb: get, Handler: s.listThemes, Doc: drf.Operation{Summary: "The own themes", Text: "With `is_system=true` the built-in themes instead.", Out: themeFields, List: true, Params: drf.ListParams(themeOrderings, "name and description", themeFilters)}},
			{Verb: post, Handler: s.createTheme, Doc: drf.Operation{Summary: "Make a theme", In: themeFields, Out: themeFields, Status: http.StatusCreated}}}},
		&drf.View{Path: "themes/active/", Name: "Active", Description: "Get currently active theme", Methods: []drf.Method{
			{Verb: get, Handler: s.activeTheme, Doc: drf.Operation{Summary: "The active theme", Out: themeFields, Errors: []int{http.StatusNotFound}}},
			{Verb: put, Handler: s.chooseTheme, Doc: drf.Operation{Summary: "Choose the active theme", In: chosenThemeFields, Out: themeFields}}}},
		&drf.View{Path: "themes/import_theme/", Name: "Import theme", Description: "Import theme from JSON", Metadata: themeFields, Methods: []drf.Method{
			{Verb: post, Handler: s.importTheme, Doc: drf.Operation{Summary: "Import a theme", In: themeFields, Out: themeFields, Status: http.StatusCreated}}}},
		&drf.View{Path: "themes/{id}/", Name: "Theme Instance", Metadata: themeFields, MetadataFor: s.ownTheme, Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveTheme, Doc: drf.Operation{Summary: "A theme", Out: themeFields}},
			{Verb: put, Handler: s.writeTheme(drf.Whole), Doc: drf.Operation{Summary: "Replace a theme", In: themeFields, Out: themeFields, Errors: []int{http.StatusForbidden}}},
			{Verb: patch, Handler: s.writeTheme(drf.Partial), Doc: drf.Operation{Summary: "Change a theme", In: themeFields, PartialIn: true, Out: themeFields, Errors: []int{http.StatusForbidden}}},
			{Verb: delete, Handler: s.deleteTheme, Doc: drf.Operation{Summary: "Delete a theme", Errors: []int{http.StatusForbidden}}}}},
		&drf.View{Path: "themes/{id}/set_active/", Name: "Set active", Description: "Set theme as active", Metadata: themeFields, Methods: []drf.Method{
			{Verb: post, Handler: s.activateTheme, Doc: drf.Operation{Summary: "Activate a theme", Text: "A built-in theme is copied to the user first; the answer is the copy.", Out: themeFields}}}},
		&drf.View{Path: "themes/{id}/export/", Name: "Export", Description: "Export theme as JSON", Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveTheme, Doc: drf.Operation{ID: "themes_export", Summary: "Export a theme", Out: themeFields}}}},
	)
}

func (s *Server) dashboardViews() []*drf.View {
	return tagged("dashboard",
		&drf.View{Path: "dashboard/views/", Name: "Dashboard List", Metadata: viewFields, Methods: []drf.Method{
			{Verb: get, Handler: s.listViews, Doc: drf.Operation{Summary: "The own dashboard views", Out: viewFields, List: true, Params: drf.ListParams(viewOrderings, "name and description", viewFilters)}},
			{Verb: post, Handler: s.createView, Doc: drf.Operation{Summary: "Make a view", In: viewFields, Out: viewFields, Status: http.StatusCreated}}}},
		&drf.View{Path: "dashboard/views/{id}/", Name: "Dashboard Instance", Metadata: viewFields, MetadataFor: s.ownView, Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveView, Doc: drf.Operation{Summary: "A view", Out: viewFields}},
			{Verb: put, Handler: s.writeView(drf.Whole), Doc: drf.Operation{Summary: "Replace a view", Text: mergeText, In: viewFields, Out: viewFields, Errors: mergeErrors}},
			{Verb: patch, Handler: s.writeView(drf.Partial), Doc: drf.Operation{Summary: "Change a view", Text: mergeText, In: viewFields, PartialIn: true, Out: viewFields, Errors: mergeErrors}},
			{Verb: delete, Handler: s.deleteView, Doc: drf.Operation{Summary: "Delete a view", Text: "`If-Match` must be the present ETag, if it is sent.", Errors: []int{http.StatusPreconditionFailed}}}}},
		&drf.View{Path: "dashboard/views/{id}/set_active/", Name: "Set active", Description: "Set dashboard view as active", Metadata: viewFields, Methods: []drf.Method{
			{Verb: post, Handler: s.activateView, Doc: drf.Operation{Summary: "Activate a view", Out: viewFields}}}},
		&drf.View{Path: "dashboard/views/{id}/duplicate/", Name: "Duplicate", Description: "Copy a view under a free name", Methods: []drf.Method{
			{Verb: post, Handler: s.duplicateView, Doc: drf.Operation{Summary: "Copy a view", Out: viewFields, Status: http.StatusCreated}}}},
		&drf.View{Path: "dashboard/views/{id}/revisions/", Name: "Revisions", Methods: []drf.Method{
			{Verb: get, Handler: s.listRevisions, Doc: drf.Operation{Summary: "The saved states of a view", Text: "Newest first. Kept for 90 days; the newest 50 for good.", Out: revisionFields, List: true}}}},
		&drf.View{Path: "dashboard/views/{id}/revisions/{number}/", Name: "Revision", Params: revisionParams, Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveRevision, Doc: drf.Operation{Summary: "A saved state of a view", Out: wholeRevisionFields}}}},
		&drf.View{Path: "dashboard/views/{id}/revisions/{number}/diff/", Name: "Diff", Params: revisionParams, Methods: []drf.Method{
			{Verb: get, Handler: s.diffRevision, Doc: drf.Operation{Summary: "What differs between two states of a view", Example: diffExample,
				Params: []drf.Param{{Name: "to", Integer: true, Text: "The other revision; the present one if not given."}}}}}},
		&drf.View{Path: "dashboard/views/{id}/revisions/{number}/restore/", Name: "Restore", Params: revisionParams, Methods: []drf.Method{
			{Verb: post, Handler: s.restoreRevision, Doc: drf.Operation{Summary: "Restore a saved state", Text: "Makes a new revision: what was saved since stays.", In: restoreFields, PartialIn: true, Out: viewFields}}}},
		&drf.View{Path: "dashboard/views/{id}/export/", Name: "Export", Description: "A view with its widgets and theme, to take along", Methods: []drf.Method{
			{Verb: get, Handler: s.exportView, Doc: drf.Operation{Summary: "Export a view", Text: "With the widgets of its layout that the user sees, and the active theme. What data sources are asked stays behind.", Out: bundleFields}}}},
		&drf.View{Path: "dashboard/views/import/", Name: "Import", Description: "Make a view of an exported one", Methods: []drf.Method{
			{Verb: post, Handler: s.importView, Doc: drf.Operation{Summary: "Import a view", Text: "Widgets that are not here are made: private, without keys, and without data sources. Items that name an unknown widget are left out and told. All is made, or nothing; with `dry_run` nothing.",
				InExample: bundleExample, Example: planExample, Status: http.StatusCreated, Errors: []int{http.StatusForbidden}}}}},
		&drf.View{Path: "dashboard/views/{id}/share/", Name: "Share", Metadata: shareFields, Methods: []drf.Method{
			{Verb: get, Handler: s.listShares, Doc: drf.Operation{Summary: "The links to a view", Out: shareFields, Array: true}},
			{Verb: post, Handler: s.createShare, Doc: drf.Operation{Summary: "Make a link to a view", Text: "Whoever has it sees the view and its data as the owner does, without widgets whose query asks who is looking. The token is shown this once and stored hashed.", In: shareFields, Out: newShareFields, Status: http.StatusCreated, Errors: []int{http.StatusConflict}}}}},
		&drf.View{Path: "dashboard/views/{id}/share/{share_id}/", Name: "Share Instance", Methods: []drf.Method{
			{Verb: delete, Handler: s.deleteShare, Doc: op("Revoke a link to a view")}}},
		&drf.View{Path: "share/{token}/", Name: "Shared View", Auth: drf.AuthIgnored, Throttle: s.countShared, Methods: []drf.Method{
			{Verb: get, Handler: s.sharedView, Doc: drf.Operation{Summary: "A view that was shared", Text: "For anybody who has the link; never asks a source for fresh data.", Out: shownFields}}}},
		&drf.View{Path: "dashboard/views/{id}/data/", Name: "View Data", Description: "The data of a view's widgets", Methods: []drf.Method{
			{Verb: get, Handler: s.viewData, Doc: drf.Operation{Summary: "The data of all widgets of a view", Text: "One entry for each visible item of the layout that names a widget, in its order; an item's config replaces the user's settings of the widget.", Out: viewDataShape, Params: periodParams}}}},
		&drf.View{Path: "dashboard/layout/", Name: "Layout", Description: "The active view", Methods: []drf.Method{
			{Verb: get, Handler: s.getLayout, Doc: drf.Operation{Summary: "The active view", Text: "Made from the default of the user's role if there is no view yet.", Out: viewFields}},
			{Verb: put, Handler: s.putLayout, Doc: drf.Operation{Summary: "Change the active view", Text: mergeText, In: layoutFields, Out: viewFields, Errors: mergeErrors}}}},
		&drf.View{Path: "dashboard/defaults/{role}/", Name: "Role Default", Description: "The layout that users of a role start with",
			Params: []drf.Param{{Name: "role", Enum: []string{"admin", "editor", "user"}}}, Methods: []drf.Method{
				{Verb: get, Handler: s.getRoleLayout, Doc: drf.Operation{Summary: "The default layout of a role", Out: roleLayoutFields}},
				{Verb: put, Handler: s.audited("dashboard.role_layout", "", s.putRoleLayout), Doc: drf.Operation{Summary: "Change the default layout of a role", In: roleLayoutFields, Out: roleLayoutFields, Errors: []int{http.StatusForbidden}}}}},
		s.preferencesView("user/preferences/", "user_preferences"),
		s.preferencesView("dashboard/preferences/", "dashboard_preferences"),
	)
}

// What is said of every write that can be merged.
const mergeText = "With `If-Match` and an ETag that was read, what was saved since is merged: 409 tells what was changed on both sides, with both values and their ancestor; 412 that the state is not known any more. Without it the last write wins."

var mergeErrors = []int{http.StatusConflict, http.StatusPreconditionFailed}

var revisionParams = []drf.Param{{Name: "number", Integer: true, Text: "The revision's number."}}

// preferencesView stands at two paths.
func (s *Server) preferencesView(path, id string) *drf.View {
	return &drf.View{Path: path, Name: "User Preferences", Methods: []drf.Method{
		{Verb: get, Handler: s.getPreferences, Doc: drf.Operation{ID: id + "_retrieve", Summary: "The own preferences", Out: preferenceFields}},
		{Verb: put, Handler: s.writePreferences, Doc: drf.Operation{ID: id + "_update", Summary: "Change the own preferences", Text: "Absent fields stay as they are, here too. " + mergeText, In: preferenceFields, PartialIn: true, Out: preferenceFields, Errors: mergeErrors}},
		{Verb: patch, Handler: s.writePreferences, Doc: drf.Operation{ID: id + "_partial_update", Summary: "Change the own preferences", Text: mergeText, In: preferenceFields, PartialIn: true, Out: preferenceFields, Errors: mergeErrors}}}}
}

func (s *Server) widgetViews() []*drf.View {
	return tagged("widgets",
		&drf.View{Path: "widgets/", Name: "Widget List", Metadata: widgetFields, Methods: []drf.Method{
			{Verb: get, Handler: s.listWidgets, Doc: drf.Operation{Summary: "Public widgets and the own ones", Out: widgetFields, List: true, Params: drf.ListParams(widgetOrderings, "name and description", widgetFilters)}},
			{Verb: post, Handler: s.createWidget, Doc: drf.Operation{Summary: "Make a widget", In: widgetFields, Out: widgetFields, Status: http.StatusCreated}}}},
		&drf.View{Path: "widgets/shapes/", Name: "Widget Shapes", Methods: []drf.Method{
			{Verb: get, Handler: s.widgetShapes, Doc: drf.Operation{ID: "widgets_shapes", Summary: "The JSON Schemas of widgets' data, by shape", Example: shapesExample}}}},
		&drf.View{Path: "widgets/{id}/", Name: "Widget Instance", Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveWidget, Doc: drf.Operation{Summary: "A widget", Out: widgetFields}},
			{Verb: patch, Handler: s.audited("widget.update", "widget", s.patchWidget), Doc: drf.Operation{Summary: "Change a widget", In: widgetFields, PartialIn: true, Out: widgetFields, Errors: []int{http.StatusForbidden}}},
			{Verb: delete, Handler: s.audited("widget.delete", "widget", s.deleteWidget), Doc: drf.Operation{Summary: "Delete a widget", Errors: []int{http.StatusForbidden}}}}},
		&drf.View{Path: "widgets/{id}/data/", Name: "Data", Description: "Get widget data for current user", Methods: []drf.Method{
			{Verb: get, Handler: s.widgetData, Doc: drf.Operation{Summary: "A widget's data", Text: "The shape of `data` follows from the widget's type and variant: see widgets/shapes/. Stale data is answered at once while newer is fetched.", Out: widgetDataShape, Params: periodParams}},
			{Verb: put, Handler: s.audited("widget.data_put", "widget", s.putWidgetData), Doc: drf.Operation{Summary: "Store a widget's data", In: widgetDataFields, Out: widgetDataShape, Errors: []int{http.StatusForbidden}}}}},
		&drf.View{Path: "widgets/{id}/refresh/", Name: "Refresh", Description: "Force refresh widget data", Methods: []drf.Method{
			{Verb: post, Handler: s.refreshWidget, Doc: drf.Operation{Summary: "Fetch a widget's data anew", Text: "In the background; the task tells how it went.", Out: refreshShape, Params: periodParams}}}},
		&drf.View{Path: "widgets/{id}/config/", Name: "Config", Description: "The user's settings of a widget", Methods: []drf.Method{
			{Verb: get, Handler: s.widgetConfig, Doc: drf.Operation{Summary: "The own settings of a widget", Example: `{"config":{"limit":10}}`}},
			{Verb: put, Handler: s.putWidgetConfig, Doc: drf.Operation{Summary: "Change the own settings of a widget", In: widgetConfigFields, Example: `{"config":{"limit":10}}`}}}},
	)
}

func (s *Server) datasourceViews() []*drf.View {
	problem := []int{http.StatusForbidden, http.StatusConflict}
	return tagged("datasources",
		&drf.View{Path: "datasources/", Name: "Datasource List", Permit: adminOnly, Metadata: datasourceFields, Methods: []drf.Method{
			{Verb: get, Handler: s.listDatasources, Doc: drf.Operation{Summary: "The data sources", Out: datasourceFields, List: true, Params: drf.ListParams(datasourceOrderings, "name and description", datasourceFilters), Errors: []int{http.StatusForbidden}}},
			{Verb: post, Handler: s.createDatasource, Doc: drf.Operation{Summary: "Register a data source", Text: "Which fields count depends on the kind. A database role that can do more than read is refused unless `confirm_privileged` says so.", In: datasourceFields, Out: datasourceFields, Status: http.StatusCreated, Errors: []int{http.StatusForbidden}}}}},
		&drf.View{Path: "datasources/{id}/", Name: "Datasource Instance", Permit: adminOnly, Metadata: datasourceFields, Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveDatasource, Doc: drf.Operation{Summary: "A data source", Out: datasourceFields, Errors: []int{http.StatusForbidden}}},
			{Verb: patch, Handler: s.patchDatasource, Doc: drf.Operation{Summary: "Change a data source", In: datasourceFields, PartialIn: true, Out: datasourceFields, Errors: problem}},
			{Verb: delete, Handler: s.deleteDatasource, Doc: drf.Operation{Summary: "Delete a data source that no widget shows", Errors: problem}}}},
		&drf.View{Path: "datasources/{id}/test/", Name: "Test", Permit: adminOnly, Description: "Connect and say what fails", Methods: []drf.Method{
			{Verb: post, Handler: s.testDatasource, Doc: drf.Operation{Summary: "Test a data source", Text: "Answers 200 whatever comes of it. `error.code` is one of settings, dns, blocked, refused, unreachable, timeout, tls, auth, database, permission, privileged, response, too_large.", Errors: []int{http.StatusForbidden},
				Example: `{"ok":false,"server":"","privileges":[],"took_ms":4,"error":{"code":"auth","message":"The data source does not accept its credentials.","detail":"password authentication failed for user \"reader\" (SQLSTATE 28P01)"}}`}}}},
		&drf.View{Path: "datasources/{id}/preview/", Name: "Preview", Permit: adminOnly, Description: "Run a query and show what comes", Methods: []drf.Method{
			{Verb: post, Handler: s.previewDatasource, Doc: drf.Operation{Summary: "Run a query on a data source", In: previewFields, Errors: []int{http.StatusForbidden, http.StatusBadGateway, http.StatusGatewayTimeout},
				Example: `{"columns":[{"name":"day","type":"time"},{"name":"orders","type":"integer"}],"rows":[["2026-01-31T00:00:00Z",42]],"truncated":false,"took_ms":7}`}}}},
	)
}

func (s *Server) agentViews() []*drf.View {
	return tagged("ai",
		&drf.View{Path: "ai/agents/", Name: "Ai Agent List", Metadata: agentFields, Methods: []drf.Method{
			{Verb: get, Handler: s.listAgents, Doc: drf.Operation{Summary: "The own agents", Out: agentFields, List: true, Params: drf.ListParams(agentOrderings, "", agentFilters)}},
			{Verb: post, Handler: s.createAgent, Doc: drf.Operation{Summary: "Make an agent", In: agentFields, Out: agentFields, Status: http.StatusCreated}}}},
		&drf.View{Path: "ai/agents/conversations/", Name: "Conversations", Description: "Get all conversations for user", Methods: []drf.Method{
			{Verb: get, Handler: s.listConversations, Doc: drf.Operation{Summary: "The own conversations", Out: conversationFields, Array: true}}}},
		&drf.View{Path: "ai/agents/{id}/", Name: "Ai Agent Instance", Metadata: agentFields, MetadataFor: s.ownAgent, Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveAgent, Doc: drf.Operation{Summary: "An agent", Out: agentFields}},
			{Verb: put, Handler: s.writeAgent(drf.Whole), Doc: drf.Operation{Summary: "Replace an agent", In: agentFields, Out: agentFields}},
			{Verb: patch, Handler: s.writeAgent(drf.Partial), Doc: drf.Operation{Summary: "Change an agent", In: agentFields, PartialIn: true, Out: agentFields}},
			{Verb: delete, Handler: s.deleteAgent, Doc: op("Delete an agent and its conversations")}}},
		&drf.View{Path: "ai/agents/{id}/tools/", Name: "Tools", Description: "Get available tools for agent", Methods: []drf.Method{
			{Verb: get, Handler: s.agentTools, Doc: drf.Operation{Summary: "An agent's tools", Example: `{"tools":[{"name":"search","description":"Search functionality"}]}`}}}},
		&drf.View{Path: "ai/agents/{id}/chat/", Name: "Chat", Description: "Send message to AI agent", Streams: true, Permit: notPending, Methods: []drf.Method{
			{Verb: post, Handler: s.chat, Doc: drf.Operation{Summary: "Say something to an agent", Text: chatText, In: chatFields, InOr: uiChatShape, Out: chatShape, Errors: chatErrors}}}},
		&drf.View{Path: "ai/conversations/", Name: "Conversation List", Methods: []drf.Method{
			{Verb: get, Handler: s.pageConversations, Doc: drf.Operation{Summary: "The own conversations, page by page", Out: conversationSummaryFields, List: true, Params: drf.ListParams(conversationOrderings, "", nil)}}}},
		&drf.View{Path: "ai/conversations/{id}/", Name: "Conversation", Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveConversation, Doc: drf.Operation{Summary: "A conversation", Out: conversationSummaryFields}},
			{Verb: delete, Handler: s.deleteConversation, Doc: op("Delete a conversation; what runs in it ends")}}},
		&drf.View{Path: "ai/conversations/{id}/messages/", Name: "Conversation Messages", Methods: []drf.Method{
			{Verb: get, Handler: s.conversationMessages, Doc: drf.Operation{Summary: "What was said, oldest first", Out: messageFields, List: true}}}},
		&drf.View{Path: "ai/conversations/{id}/stream/", Name: "Conversation Stream", Streams: true, Methods: []drf.Method{
			{Verb: get, Handler: s.conversationStream, Doc: drf.Operation{Summary: "Follow what is being said", Text: streamText + " 204 when nothing is being said.", Produces: "text/event-stream", Example: streamExample}}}},
		&drf.View{Path: "ai/runs/{id}/", Name: "Run", Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveRun, Doc: drf.Operation{Summary: "An answer in the making, or made", Out: runFields}}}},
		&drf.View{Path: "ai/runs/{id}/events/", Name: "Run Events", Streams: true, Methods: []drf.Method{
			{Verb: get, Handler: s.runEvents, Doc: drf.Operation{Summary: "Replay and follow an answer", Text: streamText, Produces: "text/event-stream", Example: streamExample}}}},
		&drf.View{Path: "ai/runs/{id}/cancel/", Name: "Cancel Run", Methods: []drf.Method{
			{Verb: post, Handler: s.cancelRun, Doc: drf.Operation{Summary: "End an answer; what was said is kept", Out: runFields}}}},
		&drf.View{Path: "ai/runs/{id}/approve/", Name: "Approve Call", Permit: approver, Methods: []drf.Method{
			{Verb: post, Handler: s.approveRun, Doc: drf.Operation{Summary: "Approve or refuse a call of a tool", Text: "The word counts once, for this call with these arguments, within 24 hours. When every call is decided the answer goes on.", Security: signedIn, In: approvalFields, Out: runFields, Errors: []int{http.StatusConflict}}}}},
	)
}

// moneyViews are the models and what they cost.
func (s *Server) moneyViews() []*drf.View {
	return tagged("ai",
		&drf.View{Path: "ai/models/", Name: "Models", Description: "The language models that can be used", Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveModels, Doc: drf.Operation{Summary: "The models that can be used, with prices and sizes", Text: "Models that the settings name, and those known of each provider; a provider may offer more.", Out: modelFields, Array: true}}}},
		&drf.View{Path: "ai/usage/", Name: "Usage", Description: "What was spent on language models", Methods: []drf.Method{
			{Verb: get, Handler: s.getUsage, Doc: drf.Operation{Summary: "What was spent on models, by day, agent and model", Out: usageShape, Params: usageParams, Errors: []int{http.StatusNotFound}}}}},
		&drf.View{Path: "ai/budgets/", Name: "Budget", Description: "What may be spent on language models", Methods: []drf.Method{
			{Verb: get, Handler: s.ownBudget, Doc: drf.Operation{ID: "ai_budget_own", Summary: "The own budget", Out: budgetFields}}}},
		&drf.View{Path: "ai/budgets/{id}/", Name: "Budget of a user", Description: "The budget of the user with this id", Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveBudget, Doc: drf.Operation{Summary: "The budget of a user", Text: "The own one, or for administrators anybody's.", Out: budgetFields}},
			{Verb: put, Handler: s.putBudget, Doc: drf.Operation{Summary: "Set a user's own limits", Text: "They stand in place of the role's; what is not sent or null is the role's. For administrators.", In: budgetFields, Out: budgetFields, Errors: []int{http.StatusForbidden}}},
			{Verb: delete, Handler: s.deleteBudget, Doc: drf.Operation{Summary: "Return a user to the limits of the role", Text: "For administrators.", Errors: []int{http.StatusForbidden}}}}},
	)
}

// What the documentation says of streams.
const (
	chatText = "Answers when all is said. With `Accept: text/event-stream`, or with the body of the AI SDK's transport, the answer is a UI message stream; " +
		"with `async` it is 202 and the run. The answer is written by the server, not by the request: a client that goes away does not stop it."
	streamText    = "A UI message stream of the AI SDK. Each event has an id: `Last-Event-ID` goes on behind it."
	streamExample = `"data: {\"type\":\"start\",\"messageId\":\"run-12\"}"`
)

// chatErrors are the statuses of chat/ besides the usual ones.
var chatErrors = []int{http.StatusPaymentRequired, http.StatusForbidden, http.StatusConflict, http.StatusBadGateway, http.StatusGatewayTimeout}

func (s *Server) otherViews() []*drf.View {
	views := tagged("notifications",
		&drf.View{Path: "audit/", Name: "Audit", Permit: adminOnly, Methods: []drf.Method{
			{Verb: get, Handler: s.listAudit, Doc: drf.Operation{Summary: "Who did what, when, from where", Text: "Newest first. Entries are never changed, and removed after AUDIT_RETENTION_DAYS.", Out: auditFields, List: true,
				Params: append(drf.ListParams(auditOrderings, "", auditFilters), auditBounds...)}}}},
		&drf.View{Path: "audit/export/", Name: "Audit export", Permit: adminOnly, Methods: []drf.Method{
			{Verb: get, Handler: s.exportAudit, Doc: drf.Operation{Summary: "The whole record as JSON lines or CSV", Text: "Oldest first.", Produces: "application/jsonl", Params: exportParams, Out: auditFields}}}},
		&drf.View{Path: "notifications/", Name: "Notification List", Methods: []drf.Method{
			{Verb: get, Handler: s.listNotifications, Doc: drf.Operation{Summary: "The own notifications", Out: notificationFields, List: true, Params: drf.ListParams(notificationOrderings, "", notificationFilters)}}}},
		&drf.View{Path: "notifications/unread_count/", Name: "Unread count", Methods: []drf.Method{
			{Verb: get, Handler: s.unreadNotifications, Doc: drf.Operation{Summary: "How many notifications are unread", Example: `{"unread":3}`}}}},
		&drf.View{Path: "notifications/mark_all_read/", Name: "Mark all read", Methods: []drf.Method{
			{Verb: post, Handler: s.markAllNotifications, Doc: drf.Operation{Summary: "Mark every notification as read", Example: `{"marked":3}`}}}},
		&drf.View{Path: "notifications/{id}/", Name: "Notification Instance", Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveNotification, Doc: drf.Operation{Summary: "A notification", Out: notificationFields}},
			{Verb: patch, Handler: s.patchNotification, Doc: drf.Operation{Summary: "Mark a notification as read or unread", In: notificationFields, PartialIn: true, Out: notificationFields}},
			{Verb: delete, Handler: s.deleteNotification, Doc: op("Delete a notification")}}},
	)
	return append(views, tagged("tasks",
		&drf.View{Path: "tasks/{id}/", Name: "Task", Methods: []drf.Method{
			{Verb: get, Handler: s.retrieveTask, Doc: drf.Operation{Summary: "A background task of the user", Out: taskFields}}}},
	)...)
}

func tagged(tag string, views ...*drf.View) []*drf.View {
	for _, v := range views {
		v.Tag = tag
	}
	return views
}
