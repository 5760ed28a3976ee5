package oracle

const (
	whyCredentials = "credentials are granted to allowed origins only"
	whyOrigin      = "an origin has neither a trailing slash nor upper case; only allowed ones get CORS headers"
	whyPreflight   = "clients also send If-Match, If-None-Match, Last-Event-ID, X-Client-ID and X-Change-Reason"
	whyConsole     = "/admin/ is bdash's own console, not Django's"

	anyDetail = `{"detail":"‹text›"}`

	allowHeaders = "accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, " +
		"x-requested-with, if-match, last-event-id, x-client-id, if-none-match, x-change-reason"
)

var (
	// jsonPage are the headers of an unknown URL: Vary stays "Origin", since nothing there depends on Accept.
	jsonPage = map[string]string{"content-type": "application/json"}
	// noSuffix are the same where Django had a resource.
	noSuffix = map[string]string{"content-type": "application/json", "vary": "Origin", "allow": ""}

	noCredentials = map[string]string{"access-control-allow-credentials": ""}
	morePreflight = map[string]string{"access-control-allow-headers": allowHeaders}
	noCORS        = map[string]string{
		"access-control-allow-credentials": "", "access-control-allow-origin": "", "access-control-allow-headers": "",
		"access-control-allow-methods": "", "access-control-max-age": "",
	}
)

var corsDeviations = []Deviation{
	{Scenario: "50_cors", Index: 2, Name: "preflight from http://localhost:3001", Reason: whyPreflight, Header: morePreflight},
	{Scenario: "50_cors", Index: 3, Name: "GET from https://localhost:3000", Reason: whyCredentials, Header: noCredentials},
	{Scenario: "50_cors", Index: 4, Name: "preflight from null", Reason: whyCredentials, Header: noCredentials},
	{Scenario: "50_cors", Index: 5, Name: "GET from null", Reason: whyCredentials, Header: noCredentials},
	{Scenario: "50_cors", Index: 6, Name: "preflight from http://localhost:3000/", Reason: whyOrigin, Header: noCORS},
	{Scenario: "50_cors", Index: 7, Name: "preflight from HTTP://LOCALHOST:3000", Reason: whyCredentials, Header: noCredentials},
	{Scenario: "50_cors", Index: 8, Name: "GET from HTTP://LOCALHOST:3000", Reason: whyCredentials, Header: noCredentials},
	{Scenario: "50_cors", Index: 10, Name: "404 page from allowed origin", Reason: whyNoPage, Header: jsonPage, Body: anyDetail},
	{Scenario: "50_cors", Index: 11, Name: "preflight of an unknown URL", Reason: whyPreflight, Header: morePreflight},
}

func unknownURL(index int, name string) Deviation {
	return Deviation{Scenario: "60_routing", Index: index, Name: name, Reason: whyNoPage, Header: jsonPage, Body: anyDetail}
}

func console(index int, name string) Deviation {
	return Deviation{Scenario: "60_routing", Index: index, Name: name, Reason: whyConsole, NotSent: true}
}

var routingDeviations = []Deviation{
	unknownURL(9, "GET /api/nope/"),
	unknownURL(10, "GET /nope"),
	unknownURL(11, "GET /"),
	unknownURL(13, "GET /api/auth/"),
	unknownURL(14, "GET /api/themes//"),
	unknownURL(15, "GET //api/themes/"),
	unknownURL(16, "GET /api/themes/1/nope/"),
	unknownURL(17, "GET /api/ai/"),
	unknownURL(18, "GET /api/user/"),
	unknownURL(19, "GET /favicon.ico"),
	{Scenario: "60_routing", Index: 20, Name: "GET /api/%74hemes/",
		Reason: "two themes fewer: 11_themes_validation 10 and 11 are refused here", Merge: `{"count":29}`},
	{Scenario: "60_routing", Index: 22, Name: "format suffix list", Reason: whySuffix,
		Status: 404, Header: noSuffix, Body: anyDetail},
	{Scenario: "60_routing", Index: 23, Name: "format suffix unknown", Reason: whySuffix, Header: noSuffix, Body: anyDetail},
	{Scenario: "60_routing", Index: 24, Name: "format suffix with slash", Reason: whySuffix,
		Status: 404, Header: noSuffix, Body: anyDetail},
	console(25, "admin index redirects to login"),
	console(26, "admin login page"),
	console(27, "admin login POST without csrf token"),
	console(28, "admin without slash"),
	console(29, "admin ignores bearer tokens"),
	unknownURL(30, "static"),
}

var limitDeviations = []Deviation{
	{Scenario: throttling, Index: 8, Name: "another X-Forwarded-For is another bucket (spoofable)",
		Reason: "`X-Forwarded-For` is believed only from TRUSTED_PROXIES: the same bucket",
		Status: 429, Header: map[string]string{"retry-after": "3600"},
		Body: `{"detail":"Request was throttled. Expected available in 3600 seconds."}`},
	{Scenario: throttling, Index: 15, Name: "CORS preflight is never throttled", Reason: whyPreflight, Header: morePreflight},
	{Scenario: throttling, Index: 17, Name: "404 url is not throttled", Reason: whyNoPage, Header: jsonPage, Body: anyDetail},
}
