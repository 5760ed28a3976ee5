package throttle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"
)

// Rates are the throttles of a server; a zero rate is off.
type Rates struct{ Anon, User, Login, LoginAddress, Docs, Share Rate }

// Gate counts requests by who makes them. The dialects of one server share its
// keys, so that what one counted the other knows.
type Gate struct {
	Limiter Limiter
	Rates   Rates
}

// Address counts a request by nobody, for its address.
func (g Gate) Address(ctx context.Context, ip netip.Addr) (wait time.Duration, ok bool) {
	return g.count(ctx, g.Rates.Anon, func() string { return "anon:" + ClientKey(ip) })
}

// User counts a request of a user.
func (g Gate) User(ctx context.Context, id int64) (wait time.Duration, ok bool) {
	return g.count(ctx, g.Rates.User, func() string { return "user:" + strconv.FormatInt(id, 10) })
}

// Docs counts a request for the description of the API.
func (g Gate) Docs(ctx context.Context, ip netip.Addr) (wait time.Duration, ok bool) {
	return g.count(ctx, g.Rates.Docs, func() string { return "docs:" + ClientKey(ip) })
}

// SignIn counts a try to sign in: per address alone, and per address and
// account. The account's name may be as long as a body: its hash is the key.
func (g Gate) SignIn(ctx context.Context, ip netip.Addr, account string) (wait time.Duration, ok bool) {
	address := "login:" + ClientKey(ip)
	if wait, ok := g.count(ctx, g.Rates.LoginAddress, func() string { return address }); !ok {
		return wait, false
	}
	return g.count(ctx, g.Rates.Login, func() string {
		hash := sha256.Sum256([]byte(account))
		return address + ":" + hex.EncodeToString(hash[:])
	})
}

func (g Gate) count(ctx context.Context, rate Rate, key func() string) (wait time.Duration, ok bool) {
	if rate.Limit == 0 {
		return 0, true
	}
	ok, wait = g.Limiter.Allow(ctx, key(), rate)
	return wait, ok
}
