package oracle

// Reasons that several rows share.
const (
	whyOneAnswer = "telling an unknown address from a wrong password lets anybody list the users; " +
		"a user who is not active gets no tokens"
	whyEmailCase   = "people do not keep to one spelling of their address: compared without case at sign-in"
	whyPassword    = "Django's four password validators run at registration, with Django's texts"
	whyRotation    = "refresh tokens rotate; the same one again within 10 s gets the same successor"
	whyNoUser      = "a refresh token of an unknown or inactive user is worth nothing"
	whyLogout      = "logout ends the session: its tokens stop at once"
	whyTokenAsJunk = "a token whose claims make no sense is an invalid token, not a server error"
)

const (
	loginRefused  = `{"non_field_errors":["Unable to log in with provided credentials."]}`
	tooCommon     = `{"password":["This password is too common."]}`
	commonNumeric = `{"password":["This password is too common.","This password is entirely numeric."]}`
	tokenNotValid = `{"detail":"Given token not valid for any token type","code":"token_not_valid",` +
		`"messages":[{"token_class":"AccessToken","token_type":"access","message":"‹text›"}]}`
	refreshNotValid = `{"detail":"Token is invalid or expired","code":"token_not_valid"}`
)

// challenge is what every 401 carries.
var challenge = map[string]string{"www-authenticate": `Bearer realm="api"`}

// asAPI turns the headers of an HTML page into those of an API answer that allows the given methods.
func asAPI(allow string, more ...map[string]string) map[string]string {
	h := map[string]string{"content-type": "application/json", "vary": "Accept, Origin", "allow": allow}
	for _, m := range more {
		for name, value := range m {
			h[name] = value
		}
	}
	return h
}

var authDeviations = []Deviation{
	{Scenario: "01_auth_login", Index: 7, Name: "inactive (is_active=false) user still gets tokens",
		Reason: whyOneAnswer, Status: 400, Body: loginRefused},
	{Scenario: "01_auth_login", Index: 8, Name: "wrong password", Reason: whyOneAnswer, Body: loginRefused},
	{Scenario: "01_auth_login", Index: 9, Name: "unusable password", Reason: whyOneAnswer, Body: loginRefused},
	{Scenario: "01_auth_login", Index: 10, Name: "email is case-sensitive", Reason: whyEmailCase, Status: 200, BodyOf: 2},
	{Scenario: "01_auth_login", Index: 11, Name: "email domain is case-sensitive at login",
		Reason: whyEmailCase, Status: 200, BodyOf: 2},
	{Scenario: "01_auth_login", Index: 21, Name: "login with a valid bearer token", Reason: whyOneAnswer, Body: loginRefused},

	{Scenario: "02_auth_register", Index: 3, Name: "minimal", Reason: whyPassword, Status: 400, Body: commonNumeric},
	{Scenario: "02_auth_register", Index: 5, Name: "email domain is lower-cased, local part kept",
		Reason: whyPassword, Status: 400, Body: commonNumeric},
	{Scenario: "02_auth_register", Index: 6, Name: "same local part in another case is another account",
		Reason: whyPassword, Status: 400, Body: commonNumeric},
	{Scenario: "02_auth_register", Index: 7, Name: "privileged and unknown fields are ignored",
		Reason: whyPassword, Status: 400, Body: commonNumeric},
	{Scenario: "02_auth_register", Index: 9, Name: "common password is accepted (validators are not run)",
		Reason: whyPassword, Status: 400, Body: tooCommon},
	{Scenario: "02_auth_register", Index: 11, Name: "numeric json password",
		Reason: whyPassword, Status: 400, Body: commonNumeric},
	{Scenario: "02_auth_register", Index: 16, Name: "blank first_name", Reason: whyPassword, Status: 400, Body: commonNumeric},
	{Scenario: "02_auth_register", Index: 18, Name: "form-encoded", Reason: whyPassword, Status: 400, Body: commonNumeric},

	{Scenario: "03_auth_token", Index: 3, Name: "email key instead of username",
		Reason: "the guide's frontend knows e-mail addresses, not user names: `email` is accepted for `username`",
		Status: 200, BodyOf: 1},

	{Scenario: "04_auth_refresh", Index: 1, Name: "happy path (refresh from login: no custom claims)",
		Reason: whyRotation, Merge: `{"refresh":"‹token refresh user_id=2›"}`,
		Captures: map[string]string{"alice_successor": "refresh"}},
	{Scenario: "04_auth_refresh", Index: 2, Name: "happy path (refresh from token/: email/role/status are copied)",
		Reason: whyRotation,
		Merge:  `{"refresh":"‹token refresh user_id=2 email=alice@example.com role=editor status=active›"}`},
	{Scenario: "04_auth_refresh", Index: 3, Name: "the same refresh token again (no rotation, no blacklist)",
		Reason: whyRotation, Merge: `{"refresh":"{{alice_successor}}"}`},
	{Scenario: "04_auth_refresh", Index: 7, Name: "user does not exist: still 200",
		Reason: whyNoUser, Status: 401, Header: challenge, Body: refreshNotValid},
	{Scenario: "04_auth_refresh", Index: 8, Name: "inactive user: still 200",
		Reason: whyNoUser, Status: 401, Header: challenge, Body: refreshNotValid},
	{Scenario: "04_auth_refresh", Index: 14, Name: "invalid bearer header is ignored",
		Reason: whyRotation, Merge: `{"refresh":"{{alice_successor}}"}`},

	{Scenario: "05_auth_me_and_token_errors", Index: 21, Name: "token: no_exp", Reason: whyTokenAsJunk,
		Status: 401, Header: asAPI("GET, HEAD, OPTIONS", challenge), Body: tokenNotValid},
	{Scenario: "05_auth_me_and_token_errors", Index: 28, Name: "token: user_id_garbage", Reason: whyTokenAsJunk,
		Status: 401, Header: asAPI("GET, HEAD, OPTIONS", challenge), Body: tokenNotValid},

	{Scenario: "06_auth_logout", Index: 5, Name: "token still works afterwards", Reason: whyLogout,
		Status: 401, Header: challenge, Body: tokenNotValid},
}

// freshSignIns lists the exchanges whose recorded token was logged out by an earlier one of the same scenario. The
// named user signs in again just before them; their answers are then as recorded.
var freshSignIns = map[place]string{
	{"06_auth_logout", 2}: "alice",
	{"06_auth_logout", 3}: "alice",
	{"06_auth_logout", 4}: "alice",
	{"06_auth_logout", 6}: "alice",
	{"06_auth_logout", 7}: "alice",
}
