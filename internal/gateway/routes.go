package gateway

import "net/http"

// api is every path of the frontend's dialect.
func (s *Server) api() http.Handler { return http.HandlerFunc(notFound) }
