package oracle_test

import (
	"testing"

	"github.com/bdash/bdash/internal/oracle"
)

// startServer stands for the test's own way to import a seed and start bdash on a free port.
var startServer func(t *testing.T, seed []byte, env map[string]string) (baseURL string)

// The replay as the tests of the whole server call it: once against a server without throttles, once against a second
// one with them.
func ExampleRun() {
	testReplay := func(t *testing.T) {
		seed, err := oracle.RecordSeed()
		if err != nil {
			t.Fatal(err)
		}
		env := map[string]string{
			"SECRET_KEY": oracle.SecretKey, "FRONTEND_URL": "http://localhost:3000",
			"THROTTLE_ANON": "", "THROTTLE_USER": "", "THROTTLE_LOGIN": "",
		}
		oracle.Run(t, startServer(t, seed, env), oracle.Options{})

		env["THROTTLE_ANON"], env["THROTTLE_USER"] = "100/hour", "1000/hour"
		oracle.Run(t, startServer(t, seed, env), oracle.Options{Throttles: true})
	}
	_ = testReplay
}
