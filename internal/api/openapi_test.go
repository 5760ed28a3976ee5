package api_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/bdash/bdash/internal/api"
)

var update = flag.Bool("update", false, "write docs/openapi.yaml anew")

// documentFile is the committed description.
const documentFile = "../../docs/openapi.yaml"

func TestOpenAPIIsFresh(t *testing.T) {
	t.Parallel()
	doc := (&api.Server{}).OpenAPI()
	if err := doc.Err(); err != nil {
		t.Error(err)
	}
	got := doc.YAML()
	if *update {
		if err := os.WriteFile(documentFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the routes say: run go test ./internal/api -run OpenAPI -update", documentFile)
	}
}
