//go:build bench && linux

package bench_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
)

const (
	// viewWidgets is how many widgets the measured view has.
	viewWidgets = 12
	// viewBar is how many times the cost of one cached widget a whole view may have.
	viewBar = 1.5
)

// widgetData is what each widget shows: a figure with its month.
const widgetData = `{"value":45231.89,"previous":37661.86,"change":7570.03,"change_percent":20.1,"unit":"$","sparkline":[` +
	`1204.5,1310.25,1402,1288.75,1500.5,1611,1702.25,1650,1733.5,1801,1899.75,1902,1999.5,2044,2101.25,` +
	`2001,1987.5,2104,2203.75,2188,2290.5,2301,2404.25,2399,2455.5,2501,2610.75,2588,2699.5,2754]}`

// addWidgets stores public widgets of an administrator, and a view of the user
// that shows them.
func (w *world) addWidgets(t testing.TB, c *caller, s setup, dir, binary string) {
	t.Helper()
	email := "admin-" + s.name + "@example.com"
	make := exec.Command(binary, "createsuperuser", "--email", email, "--password", password, "--first-name", "Bench", "--last-name", "Admin")
	make.Dir, make.Env = dir, append([]string{"HOME=" + dir}, w.env...)
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("createsuperuser: %v: %s", err, out)
	}
	admin := &caller{base: c.base}
	var login struct{ Tokens struct{ Access string } }
	decode(t, admin.call(t, http.MethodPost, "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)), &login)
	admin.token = login.Tokens.Access
	items := "["
	var first int64
	for i := range viewWidgets {
		var made struct{ ID int64 }
		decode(t, admin.call(t, http.MethodPost, "/api/widgets/", fmt.Sprintf(`{"name":"Figure %d","widget_type":"stats","is_public":true}`, i)), &made)
		admin.call(t, http.MethodPut, fmt.Sprintf("/api/widgets/%d/data/", made.ID), `{"data":`+widgetData+`,"cache_ttl":86400}`)
		if i == 0 {
			first = made.ID
		} else {
			items += ","
		}
		items += fmt.Sprintf(`{"instance_id":"item-%d","widget_id":%d,"position":{"x":0,"y":%d,"width":3,"height":1},"visible":true,"config":{}}`, i, made.ID, i)
	}
	var view struct{ ID int64 }
	decode(t, c.call(t, http.MethodPost, "/api/dashboard/views/", `{"name":"Bench","widgets_config":`+items+`]}`), &view)
	w.widgetPath, w.viewPath = fmt.Sprintf("/api/widgets/%d/data/", first), fmt.Sprintf("/api/dashboard/views/%d/data/", view.ID)
}

func decode(t testing.TB, data []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

// compareView drives bdash with the view and with one of its widgets in turns.
func (w *world) compareView(t *testing.T, bdash *process) {
	view := rawRequest(http.MethodGet, w.viewPath, w.token, "")
	one := rawRequest(http.MethodGet, w.widgetPath, w.token, "")
	for _, request := range [][]byte{view, one} {
		if _, _, err := bdash.client.drive(request, warmUp); err != nil {
			t.Fatal(err)
		}
	}
	var ratios, views, ones []float64
	for round := range rounds(t) {
		var s [2]sample
		order := [2][]byte{view, one}
		for i := range order {
			which := (round + i) % 2
			s[which] = take(t, bdash, order[which])
		}
		ratios, views, ones = append(ratios, s[0].each()/s[1].each()), append(views, s[0].each()), append(ones, s[1].each())
	}
	low, high := quartiles(ratios)
	verdict := "ok"
	if median(ratios) > viewBar {
		verdict = "MISSED"
	}
	fmt.Fprintf(os.Stdout, "%-18s ≤%4.2f  %.3f           %.1f µs, one widget %.1f µs  (quartiles %.3f to %.3f) %s\n",
		"view_of_12", viewBar, median(ratios), median(views)/1e3, median(ones)/1e3, low, high, verdict)
	if got := median(ratios); got > viewBar {
		t.Errorf("a view of %d widgets costs %.2f times one widget, want at most %.2f", viewWidgets, got, viewBar)
	}
}
