package oracle

const (
	whyWidgets  = "widgets can be made, changed and deleted here; the request would change data"
	whyProvider = "usage is what the provider reports (10 + 5 tokens), not a count of words; the cost comes from a price table"
	whyNumber   = "a number that is none is a field error, not a server error"
	whyPython   = "a field error in the usual words instead of the text of a Python exception"
	whyNoConv   = "a conversation id that is none finds no conversation; it is not a server error"

	conversationNotFound = `{"error":"Conversation not found"}`
	usage                = `{"tokens_used":15}`
)

var resourceDeviations = []Deviation{
	{Scenario: "16_options_head_405", Index: 22, Name: "DELETE /api/widgets/1/", Reason: whyWidgets, NotSent: true},
	{Scenario: "30_widgets", Index: 16, Name: "create is not there", Reason: whyWidgets, NotSent: true},
	{Scenario: "30_widgets", Index: 17, Name: "delete is not there", Reason: whyWidgets, NotSent: true},

	{Scenario: "21_user_preferences", Index: 33, Name: "with id", Reason: whyNoPage, Header: jsonPage, Body: anyDetail},

	{Scenario: "80_all_response_headers", Index: 4, Name: "500 (duplicate view name)", Reason: whyTaken,
		Status: 400, Header: asAPI(listMethods), Body: `{"name":["dashboard view with this name already exists."]}`},
}

var agentDeviations = []Deviation{
	{Scenario: "40_ai_agents", Index: 15, Name: "temperature 'nan'", Reason: whyNumber,
		Status: 400, Header: asAPI(listMethods), Body: `{"temperature":["A valid number is required."]}`},
	{Scenario: "40_ai_agents", Index: 16, Name: "temperature 'inf'", Reason: whyNumber,
		Status: 400, Header: asAPI(listMethods), Body: `{"temperature":["A valid number is required."]}`},

	{Scenario: "41_ai_chat", Index: 1, Name: "new conversation", Reason: whyProvider, Merge: usage},
	{Scenario: "41_ai_chat", Index: 2, Name: "continue it", Reason: whyProvider, Merge: usage},
	{Scenario: "41_ai_chat", Index: 3, Name: "conversations", Reason: whyProvider,
		Rows: []Row{{ID: 2, Merge: `{"total_tokens_used":30,"total_cost":"‹cost›"}`}}},
	{Scenario: "41_ai_chat", Index: 6, Name: "space message is sent", Reason: whyProvider, Merge: usage},
	{Scenario: "41_ai_chat", Index: 7, Name: "object message", Reason: whyPython, Body: `{"message":["Not a valid string."]}`},
	{Scenario: "41_ai_chat", Index: 10, Name: "conversation_id not a number", Reason: whyNoConv,
		Status: 404, Body: conversationNotFound},
	{Scenario: "41_ai_chat", Index: 11, Name: "conversation_id object", Reason: whyNoConv,
		Status: 404, Body: conversationNotFound},
	{Scenario: "41_ai_chat", Index: 12, Name: "conversation_id 0 starts a new one", Reason: whyProvider, Merge: usage},
	{Scenario: "41_ai_chat", Index: 15, Name: "provider fails",
		Reason: "a provider's failure is not the client's mistake; nothing is left behind",
		Status: 502, Body: `{"error":"‹text›","response":null}`},
	{Scenario: "41_ai_chat", Index: 16, Name: "form-encoded", Reason: whyProvider, Merge: usage},
	{Scenario: "41_ai_chat", Index: 22, Name: "json list instead of object", Reason: whyPython,
		Status: 400, Header: asAPI("POST, OPTIONS"),
		Body: `{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}`},
	{Scenario: "41_ai_chat", Index: 23, Name: "json string instead of object", Reason: whyPython,
		Status: 400, Header: asAPI("POST, OPTIONS"),
		Body: `{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}`},

	{Scenario: "42_ai_conversations", Index: 1, Name: "all of the user, newest update first, NOT paginated",
		Reason: whyProvider + "; a failed call leaves no empty conversation",
		Rows: []Row{
			{ID: 8, Merge: `{"total_tokens_used":15,"total_cost":"‹cost›"}`},
			{ID: 6, Merge: `{"total_tokens_used":15,"total_cost":"‹cost›"}`},
			{ID: 3, Merge: `{"total_tokens_used":15,"total_cost":"‹cost›"}`},
			{ID: 2, Merge: `{"total_tokens_used":30,"total_cost":"‹cost›"}`},
		}},
	{Scenario: "42_ai_conversations", Index: 5, Name: "no per-conversation route", Reason: whyNoPage,
		Header: jsonPage, Body: anyDetail},
}
