package app

import (
	"github.com/bdash/bdash/internal/api"
	"github.com/bdash/bdash/internal/drf"
)

// Document is the OpenAPI document of this version; nothing needs to run.
func Document(version string) *drf.Document {
	s := &api.Server{Options: api.Options{Version: version}}
	return s.OpenAPI()
}
