package throttle_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/throttle"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]throttle.Rate{
		"":               {},
		"  ":             {},
		"100/hour":       {Limit: 100, Window: time.Hour},
		"10000/hour":     {Limit: 10000, Window: time.Hour},
		"10/min":         {Limit: 10, Window: time.Minute},
		"10/m":           {Limit: 10, Window: time.Minute},
		"10/minute":      {Limit: 10, Window: time.Minute},
		"5/s":            {Limit: 5, Window: time.Second},
		"5/sec":          {Limit: 5, Window: time.Second},
		"5/seconds":      {Limit: 5, Window: time.Second},
		"3/day":          {Limit: 3, Window: 24 * time.Hour},
		"3/d":            {Limit: 3, Window: 24 * time.Hour},
		" 3 / Day ":      {Limit: 3, Window: 24 * time.Hour},
		"1/H":            {Limit: 1, Window: time.Hour},
		"1000000000/day": {Limit: 1_000_000_000, Window: 24 * time.Hour},
	} {
		got, err := throttle.ParseRate(s)
		if err != nil || got != want {
			t.Errorf("ParseRate(%q) = %+v, %v, want %+v, nil", s, got, err, want)
		}
		if off := got.Off(); off != (want.Limit == 0) {
			t.Errorf("ParseRate(%q).Off() = %t, want %t", s, off, !off)
		}
		again, err := throttle.ParseRate(got.String())
		if err != nil || again != got {
			t.Errorf("ParseRate(%q) = %+v, %v, want %+v, nil", got.String(), again, err, got)
		}
	}
}

func TestParseRateRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"100", "/", "/hour", "100/", "hour", "100/hour/day", "0/hour", "-1/hour", "+1/hour", "1.5/hour", "1e3/hour",
		"1000000001/day", "99999999999999999999/day", "ten/min", "10/month", "10/fortnight", "10/week", "10/15m",
		"10 per hour", "10/hourly", "1_000/hour", "0x10/hour", "١٠/min", "off", "none",
	} {
		if got, err := throttle.ParseRate(s); err == nil {
			t.Errorf("ParseRate(%q) = %+v, nil, want an error", s, got)
		}
	}
}

func TestClientKey(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.7":                              "192.0.2.7",
		"::ffff:192.0.2.7":                       "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":                   "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff:ffff:ffff:ffff":       "2001:db8:1:2::/64",
		"2001:db8:1:3::":                         "2001:db8:1:3::/64",
		"::1":                                    "::/64",
		"fe80::1%eth0":                           "fe80::/64",
		"fe80::2%an-endless-zone-somebody-typed": "fe80::/64",
	} {
		if got := throttle.ClientKey(netip.MustParseAddr(addr)); got != want {
			t.Errorf("ClientKey(%s) = %q, want %q", addr, got, want)
		}
	}
	if got := throttle.ClientKey(netip.Addr{}); got != "unknown" {
		t.Errorf("ClientKey(invalid) = %q, want %q", got, "unknown")
	}
}
