package oracle

import "regexp"

// An extraKey is a key that bdash may add to a recorded object, because a feature needs it.
type extraKey struct {
	path   string // regular expression over the request's path
	in     string // regular expression over the place of the object: "$" is the body, "$.results[*]" a row
	key    string
	reason string
}

const (
	anywhere = `^\$(\.user|\.results\[\*\]|\.actions\.\w+)?$`
	inBody   = `^\$$`
)

var extraKeys = []extraKey{
	{`^/api/auth/(login|register|me)/$`, anywhere, "bio", "the profile has a biography (`PATCH auth/me/`)"},
	{`^/api/themes/`, anywhere, "source_id", "a copy of a built-in theme names its source"},
	{`^/api/dashboard/views/`, anywhere, "version", "views keep their revisions"},
	{`^/api/user/preferences/$`, anywhere, "time_zone", "schedules and reports need the user's time zone"},
	{`^/api/widgets/(\d+/)?$`, anywhere, "key", "a widget has a unique name for programs"},
	{`^/api/widgets/(\d+/)?$`, anywhere, "source", "a widget is fed by a source"},
	{`^/api/widgets/(\d+/)?$`, anywhere, "datasource", "a widget is fed by a source"},
	{`^/api/widgets/(\d+/)?$`, anywhere, "query", "a widget is fed by a source"},
	{`^/api/widgets/(\d+/)?$`, anywhere, "mapping", "a widget says how its data is shown"},
	{`^/api/widgets/(\d+/)?$`, anywhere, "variant", "a widget says how its data is shown"},
	{`^/api/widgets/(\d+/)?$`, anywhere, "cache_ttl", "a widget says how fresh its data is"},
	{`^/api/widgets/(\d+/)?$`, anywhere, "refresh_every", "a widget says how fresh its data is"},
	{`^/api/widgets/\d+/data/$`, inBody, "meta", "when the data was fetched, when it expires, from where"},
	{`^/api/widgets/\d+/refresh/$`, inBody, "task_id", "the refresh can be followed"},
	{`^/api/ai/agents/([^/]+/)?$`, anywhere, "tool_permissions", "what an agent may do with a tool is set per agent"},
	{`^/api/ai/agents/[^/]+/chat/$`, inBody, "run_id", "an answer can be followed and cancelled"},
	{`^/api/themes/active/$`, inBody, "actions", "OPTIONS describes PUT, which exists here"},
}

var extraPatterns = func() (patterns [][2]*regexp.Regexp) {
	for _, e := range extraKeys {
		patterns = append(patterns, [2]*regexp.Regexp{regexp.MustCompile(e.path), regexp.MustCompile(e.in)})
	}
	return patterns
}()

// mayAdd reports whether an answer may hold a key that was not recorded.
func mayAdd(target, pointer, key string) bool {
	path, pointer := cleanPath(target), anyIndex(pointer)
	for i, e := range extraKeys {
		if e.key == key && extraPatterns[i][0].MatchString(path) && extraPatterns[i][1].MatchString(pointer) {
			return true
		}
	}
	return false
}

// general are the differences that concern many exchanges alike; the comparison itself knows them.
var general = []struct{ recorded, bdash, reason string }{
	{"tokens with the claims `token_type exp iat jti user_id` (and `email role status`)", "the same and `sid`",
		"a token belongs to a session, which can be ended"},
	{"`Allow` names the methods of Django's views", "may name more, never fewer", "bdash has more methods"},
	{"204 with `Content-Length: 0`", "no `Content-Length`", "RFC 9110, section 8.6"},
	{"HEAD with the length of Django's body", "the length of bdash's body", "the body may have more keys"},
	{"`JSON parse error - ` and the words of Python's parser", "the same beginning and words of its own",
		"they vary between Python versions too"},
	{"keys of stored JSON objects reordered by the database", "kept as sent", "nothing is gained by reordering"},
	{"rows that tie in the sort key in no defined order", "any order among them", "Django promised none"},
}

// unseen are differences on purpose that no recorded exchange shows.
var unseen = []struct{ recorded, bdash, reason string }{
	{"two concurrent `set_active` leave two active rows", "exactly one active row, always",
		"a partial unique index and one transaction"},
	{"a logged-in user may send 1000 requests an hour",
		"`THROTTLE_USER=10000/hour`; a refresh counts for its user, a request that sends a mail for its address; `THROTTLE_LOGIN=10/min` per address and account, " +
			"100/min per address; empty = off", "a polling dashboard needs more than 1000"},
	{"agents that are `inactive` or `training` chat", "409 `{\"error\":\"This agent is inactive.\",\"response\":null}`",
		"the status means something"},
	{"`pending` users chat", "403 `{\"detail\": …}`", "chat costs money"},
	{"a provider's time-out, or its own rate limit, in chat: 400", "504, 429", "not the client's mistake"},
	{"chat rewrites the whole `messages` JSON", "one row per message; the shape on the wire stays",
		"two messages at once lose neither"},
	{"localhost is always an allowed origin", "only while `FRONTEND_URL` is a loopback address",
		"a deployed server has no business with localhost"},
	{"an address differing only in case can be registered", "400, as for any taken address",
		"it is the same mailbox"},
	{"logout, password change, deactivation change nothing for tokens already given", "they end at once",
		"that is what they are for"},
	{"the CORS answer exposes no headers", "exposes `ETag X-Request-ID Retry-After`", "clients need to read them"},
}
