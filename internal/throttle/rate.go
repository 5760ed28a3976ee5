package throttle

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxLimit keeps limits, and what is added to them, within exact numbers of
// every engine; nobody needs more.
const maxLimit = 1_000_000_000

// Rate is a number of requests per window. The zero value is off.
type Rate struct {
	// Limit is the number of requests in one window.
	Limit int
	// Window is the length of a window.
	Window time.Duration
}

// Off reports whether the rate limits nothing.
func (r Rate) Off() bool { return r.Limit <= 0 || r.Window <= 0 }

// String is the rate as ParseRate reads it, "" when it is off.
func (r Rate) String() string {
	if r.Off() {
		return ""
	}
	for _, p := range periods {
		if p.window == r.Window {
			return strconv.Itoa(r.Limit) + "/" + p.names[0]
		}
	}
	return strconv.Itoa(r.Limit) + "/" + r.Window.String()
}

var periods = []struct {
	window time.Duration
	names  []string
}{
	{time.Second, []string{"s", "sec", "secs", "second", "seconds"}},
	{time.Minute, []string{"min", "m", "mins", "minute", "minutes"}},
	{time.Hour, []string{"hour", "h", "hours", "hr"}},
	{24 * time.Hour, []string{"day", "d", "days"}},
}

// ParseRate reads "100/hour", "10/min", "5/s", "3/day" in the syntax of Django
// REST framework; empty is off. DRF looks at the first letter of the period
// only and so takes "10/month" for ten a minute: here that is an error, like
// everything else that is not a rate. The error is fit for the operator.
func ParseRate(s string) (Rate, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Rate{}, nil
	}
	number, period, found := strings.Cut(s, "/")
	if !found {
		return Rate{}, fmt.Errorf("rate %q: want a number, a slash and a period, as in 100/hour", s)
	}
	number, period = strings.TrimSpace(number), strings.ToLower(strings.TrimSpace(period))
	limit, err := strconv.ParseUint(number, 10, 64)
	if err != nil || limit < 1 || limit > maxLimit {
		return Rate{}, fmt.Errorf("rate %q: want a whole number from 1 to %d before the slash; leave the rate empty to switch it off", s, maxLimit)
	}
	for _, p := range periods {
		for _, name := range p.names {
			if period == name {
				return Rate{Limit: int(limit), Window: p.window}, nil
			}
		}
	}
	return Rate{}, fmt.Errorf("rate %q: want s, min, hour or day after the slash", s)
}
