package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// problem is an answer that is no success.
type problem struct {
	status        int
	code, message string
	// details are messages by field.
	details map[string][]string
	// retryAfter goes out as a header; 0 is unknown.
	retryAfter time.Duration
}

// Error implements error.
func (p problem) Error() string { return p.code + ": " + p.message }

// The two shapes of errors. Under /api/themes "error" is a string, for that
// caller puts it into an Error as it is; elsewhere it is an object.
type (
	themeProblem struct {
		Success bool                `json:"success"`
		Error   string              `json:"error"`
		Message string              `json:"message"`
		Code    string              `json:"code"`
		Details map[string][]string `json:"details,omitempty"`
	}
	objectProblem struct {
		Success bool        `json:"success"`
		Message string      `json:"message"`
		Error   problemBody `json:"error"`
	}
	problemBody struct {
		Code    string              `json:"code"`
		Message string              `json:"message"`
		Details map[string][]string `json:"details,omitempty"`
	}
)

func writeProblem(w http.ResponseWriter, r *http.Request, p problem) {
	h := w.Header()
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.retryAfter+time.Second-1)/time.Second), 10))
	}
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="api"`)
	}
	var body any = objectProblem{Message: p.message, Error: problemBody{p.code, p.message, p.details}}
	if isThemes(r.URL.Path) {
		body = themeProblem{Error: p.message, Message: p.message, Code: p.code, Details: p.details}
	}
	writeJSON(w, p.status, body)
}

// writeJSON encodes before the status is written, so that what cannot be
// encoded is still a 500.
func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"success":false,"message":"A server error occurred.","error":"A server error occurred.","code":"INTERNAL"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, r, problem{status: http.StatusNotFound, code: "NOT_FOUND", message: "Not found."})
}
