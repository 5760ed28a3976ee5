package app

import (
	"net/netip"
	"slices"

	"github.com/bdash/bdash/internal/api"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/throttle"
)

// loginAddressFactor: all accounts together may be tried from one address ten
// times as often as one account.
const loginAddressFactor = 10

func rates(cfg config.Config) api.Rates {
	login := rate(cfg.ThrottleLogin)
	all := login
	all.Limit *= loginAddressFactor
	return api.Rates{
		Anon: rate(cfg.ThrottleAnon), User: rate(cfg.ThrottleUser), Docs: rate(cfg.ThrottleDocs),
		Share: rate(cfg.ThrottleShare),
		Login: login, LoginAddress: all,
	}
}

func rate(r config.Rate) throttle.Rate {
	if r.Off() {
		return throttle.Rate{}
	}
	return throttle.Rate{Limit: r.Limit, Window: r.Period}
}

func trusted(cfg config.Config) []netip.Prefix {
	out := make([]netip.Prefix, len(cfg.TrustedProxies))
	for i, p := range cfg.TrustedProxies {
		out[i] = p.Prefix
	}
	return out
}

// devOrigins are the guide's: a frontend under development. They count only
// while the frontend itself is on a loopback address.
var devOrigins = []string{"http://localhost:3000", "http://localhost:3001"}

func origins(cfg config.Config) []string {
	list := cfg.AllowedOrigins()
	if !cfg.FrontendURL.Loopback() {
		return list
	}
	for _, o := range devOrigins {
		if !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return list
}
