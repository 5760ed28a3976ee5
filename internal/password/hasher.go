// Package password keeps, checks and judges passwords.
//
// Keeping: a [Hasher] turns a password into an argon2id hash at OWASP's floor, written as Django writes it, and verifies
// such hashes as well as those a Django deployment brings along (pbkdf2_sha256, pbkdf2_sha1, argon2, bcrypt_sha256,
// scrypt). A verified foreign hash is reported as due for an upgrade, so that the caller can store one of ours while it
// still has the password in hand.
//
// Guessing is expensive on purpose, and that expense must not become a weapon. The number of computations at once is
// bounded, so is the queue before them, and a stored hash that asks for an absurd amount of work is refused unread.
// Whatever cannot be verified (an unknown user, an unusable or a damaged hash) costs as much time as a wrong password,
// because a quicker answer would tell a stranger which accounts exist (CVE-2024-39329 was that mistake in Django).
//
// Judging: [Check] applies Django's four password validators and answers with Django's texts.
//
// The package imports nothing of this project and knows neither users nor storage.
package password

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// ErrBusy says that so many computations wait already that another would only make everybody late. Nothing was
// computed; the same call may succeed a second later. [Hasher.Hash], [Hasher.Verify] and [Hasher.VerifyDummy] return it.
var ErrBusy = errors.New("too many password computations are waiting")

// waitingPerSlot is the default length of the queue before each slot. One of our computations takes some 20 to 30 ms
// of one processor, so the last in the queue waits about one second.
const waitingPerSlot = 32

// Options bounds what password computations may take from the process. The zero value is right for most servers.
type Options struct {
	// MaxConcurrent is the number of computations of our own kind that may run at once, each on one processor with
	// 19 MiB of memory. Zero or less stands for runtime.GOMAXPROCS(0): the number of processors, or the container's
	// share of them.
	MaxConcurrent int

	// MaxWaiting is the number of callers that may wait for their turn; those beyond get ErrBusy. Zero stands for 32
	// for each concurrent computation; below zero nobody waits.
	MaxWaiting int
}

// Hasher computes and verifies password hashes within fixed bounds. It is safe for concurrent use; one serves the whole
// process, because two would double the bounds. Create it with [NewHasher]: the zero value is unusable.
type Hasher struct {
	slots      *semaphore.Weighted // first come, first served
	maxSlots   int64
	waiting    atomic.Int64
	maxWaiting int64
	params     argonParams
	limits     limits
}

// NewHasher returns a Hasher that works within the bounds of opts.
func NewHasher(opts Options) *Hasher {
	slots := int64(opts.MaxConcurrent)
	if slots <= 0 {
		slots = int64(runtime.GOMAXPROCS(0))
	}
	waiting := int64(opts.MaxWaiting)
	switch {
	case waiting == 0:
		waiting = waitingPerSlot * slots
	case waiting < 0:
		waiting = 0
	}
	return &Hasher{
		slots:      semaphore.NewWeighted(slots),
		maxSlots:   slots,
		maxWaiting: waiting,
		params:     currentParams,
		limits:     defaultLimits,
	}
}

// Hash returns the encoded argon2id hash of password with a fresh salt, 103 bytes of ASCII, as in
//
//	argon2$argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>
//
// with salt and key in base64 without padding. The password may be of any length and content; judging it is [Check]'s
// part. The error is ErrBusy, or that of ctx when it ends while the caller waits; a computation once begun is finished.
func (h *Hasher) Hash(ctx context.Context, password string) (encoded string, err error) {
	release, err := h.acquire(ctx, h.params.memory)
	if err != nil {
		return "", err
	}
	defer release()
	return h.params.encode(password, newSalt()), nil
}

// Verify reports whether encoded, a hash made by [Hasher.Hash] or by Django, is that of password. If it is, upgrade
// says whether encoded falls short of what Hash makes today, so that the caller should store Hash's answer instead.
//
// Anything else that may stand in the place of a hash is never the hash of any password, and no error either: an
// unusable password ("!…"), an empty or damaged text, an algorithm that Django's default settings refuse, too (bare
// bcrypt, sha1, md5), parameters beyond the package's limits. Such a text costs what a wrong password costs.
//
// A foreign hash costs its own price, mostly more than ours, until it is upgraded. One that needs more memory than ours
// takes the place of several computations. The error is ErrBusy, or that of ctx when it ends while the caller waits.
func (h *Hasher) Verify(ctx context.Context, password, encoded string) (ok, upgrade bool, err error) {
	hash, readable := parse(encoded, h.limits)
	if !readable {
		return false, false, h.VerifyDummy(ctx, password)
	}
	release, err := h.acquire(ctx, hash.memory)
	if err != nil {
		return false, false, err
	}
	defer release()
	ok = hash.matches(password)
	return ok, ok && hash.outdated(h.params), nil
}

// VerifyDummy takes as long as [Hasher.Verify] takes with a hash of our own, and answers nothing. Call it where there is
// no user to verify a password for, or the quick answer betrays that. Errors are those of Verify.
func (h *Hasher) VerifyDummy(ctx context.Context, password string) error {
	release, err := h.acquire(ctx, h.params.memory)
	if err != nil {
		return err
	}
	defer release()
	h.params.key(password, make([]byte, saltLength), keyLength)
	return nil
}

// Waiting is the number of callers that wait for their turn at this moment.
func (h *Hasher) Waiting() int { return int(h.waiting.Load()) }

// acquire waits for as many slots as a computation with memory (KiB) stands for, and returns what gives them back.
func (h *Hasher) acquire(ctx context.Context, memory uint32) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for a password computation: %w", err)
	}
	n := h.slotsFor(memory)
	release = func() { h.slots.Release(n) }
	if h.slots.TryAcquire(n) { // refused while others wait, so nobody jumps the queue
		return release, nil
	}
	if h.waiting.Add(1) > h.maxWaiting {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	if err := h.slots.Acquire(ctx, n); err != nil {
		return nil, fmt.Errorf("wait for a password computation: %w", err)
	}
	return release, nil
}

// slotsFor translates memory (KiB) into slots of our own computation's size. Django's argon2 takes 100 MiB: without
// this, a flood at the accounts of an imported deployment would take five times the memory that Options speaks of.
func (h *Hasher) slotsFor(memory uint32) int64 {
	own := int64(h.params.memory)
	return max(1, min((int64(memory)+own-1)/own, h.maxSlots))
}
