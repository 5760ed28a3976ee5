package oracle

const (
	whySystem = "only bdash itself makes system themes: `is_system` is checked and then ignored"
	whyColour = "what is written into CSS has to be a colour; `colors` is an object of the seven required names"
	whyTaken  = "a taken name is the client's mistake: a field error instead of a server error or the database's text"
	whyQuery  = "`search`, `page_size` and filters on enumerated fields work"
	whyNoPage = "errors and resources are JSON, whatever Accept says; there are no HTML pages"
	whySuffix = "there are no format suffixes"

	themeTaken   = `{"name":["theme with this name already exists."]}`
	firstMissing = `{"colors":["Missing required color: background"]}`
	listMethods  = "GET, POST, HEAD, OPTIONS"
)

func notSystem(index int, name string) Deviation {
	return Deviation{Scenario: "10_themes_crud", Index: index, Name: name, Reason: whySystem, Merge: `{"is_system":false}`}
}

var themeDeviations = []Deviation{
	notSystem(1, "create (all fields)"),
	notSystem(5, "retrieve"),
	notSystem(6, "patch name"),
	notSystem(7, "patch nothing (updated_at still moves)"),
	notSystem(8, "patch is_active true deactivates the other one"),
	notSystem(11, "put (full)"),
	notSystem(13, "put with required fields only keeps the rest"),

	{Scenario: "11_themes_validation", Index: 1, Name: "duplicate (user, name)", Reason: whyTaken,
		Status: 400, Header: asAPI(listMethods), Body: themeTaken},
	{Scenario: "11_themes_validation", Index: 9, Name: "colors true", Reason: whyColour,
		Status: 400, Header: asAPI(listMethods), Body: firstMissing},
	{Scenario: "11_themes_validation", Index: 10, Name: "color values are not checked", Reason: whyColour,
		Status: 400, Body: `{"colors":["‹text: Invalid color for background: ›"]}`},
	{Scenario: "11_themes_validation", Index: 11, Name: "colors as a list of names passes", Reason: whyColour,
		Status: 400, Body: firstMissing},
	{Scenario: "11_themes_validation", Index: 56, Name: "nul inside colors",
		Reason: "a NUL byte is the client's mistake, not a server error",
		Status: 400, Header: asAPI(listMethods), Body: `{"colors":["‹text›"]}`},

	{Scenario: "12_themes_actions", Index: 16, Name: "import_theme duplicate name", Reason: whyTaken, Body: themeTaken},

	{Scenario: "13_themes_pagination_search_ordering", Index: 14, Name: "?page_size=5", Reason: whyQuery,
		Rows: rows(8, 46, 45, 44, 43)},
	{Scenario: "13_themes_pagination_search_ordering", Index: 16, Name: "?search=Theme%2003", Reason: whyQuery,
		Merge: `{"count":1,"next":null}`, Rows: rows(4)},
	{Scenario: "13_themes_pagination_search_ordering", Index: 17, Name: "?search=zzz", Reason: whyQuery,
		Merge: `{"count":0,"next":null}`, Rows: rows()},
	{Scenario: "13_themes_pagination_search_ordering", Index: 20, Name: "?color_mode=dark", Reason: whyQuery,
		Merge: `{"count":22}`,
		Rows:  rows(45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 9, 7, 5)},
	{Scenario: "13_themes_pagination_search_ordering", Index: 33,
		Name:   "X-Forwarded-Proto is honoured by gunicorn (peer 127.0.0.1), X-Forwarded-Host is not",
		Reason: "`X-Forwarded-*` is believed only from TRUSTED_PROXIES, and there are none by default",
		Merge: `{"next":"http://127.0.0.1:8102/api/themes/?page=3",` +
			`"previous":"http://127.0.0.1:8102/api/themes/"}`},

	{Scenario: "14_isolation_and_ids", Index: 24, Name: "id 1.json", Reason: whySuffix,
		Status: 404, Body: `{"detail":"Not found."}`},

	{Scenario: "15_content_types", Index: 9, Name: "Accept: text/html", Reason: whyNoPage,
		Header: asAPI("GET, HEAD, OPTIONS"), BodyOf: 8},
	{Scenario: "15_content_types", Index: 11,
		Name:   "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		Reason: whyNoPage, Header: asAPI("GET, HEAD, OPTIONS"), BodyOf: 8},
}
