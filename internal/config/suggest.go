package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// families are beginnings that no setting of another program is likely to have.
var families = []string{"DB_", "EMAIL_", "THROTTLE_", "JWT_"}

// injected are names that container platforms set by themselves for a service
// called db, such as DB_SERVICE_HOST and DB_PORT_5432_TCP.
var injected = regexp.MustCompile(`_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP)`)

// misspellings warns about names that look as if one of ours was meant.
func misspellings(process map[string]string, file dotenv) []Warning {
	names := make(map[string]string, len(process)+len(file.values))
	for n := range file.values {
		names[n] = file.name
	}
	for n := range process {
		names[n] = "the environment"
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)

	var warnings []Warning
	for _, n := range sorted {
		if known(n) || secretFileName(n) || injected.MatchString(n) {
			continue
		}
		if near := nearest(n); near != "" {
			warnings = append(warnings, Warning{n, fmt.Sprintf("%s in %s is not a setting: is %s meant?", n, names[n], near)})
		} else if slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(n, f) }) {
			warnings = append(warnings, Warning{n, fmt.Sprintf("%s in %s is not a setting and is ignored.", n, names[n])})
		}
	}
	return warnings
}

func known(name string) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return f.name == name })
}

// nearest is the setting that name is a slip of, or empty. Two slips are
// allowed, one in names of five letters or fewer: Go's own GODEBUG is two
// letters away from DEBUG.
func nearest(name string) string {
	upper := strings.ToUpper(name)
	best, least := "", 3
	for _, f := range fields {
		most := 2
		if len(f.name) <= 5 {
			most = 1
		}
		if d := distance(upper, f.name); d <= most && d < least {
			best, least = f.name, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with their
// neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	if diff := len(a) - len(b); diff > 2 || diff < -2 {
		return 3 // further than anybody asks
	}
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
