// Package bench measures what bdash adds to a request: `make bench` runs it.
//
// The real binary and its twin run side by side on loopback. A twin is what
// somebody would write by hand for one request: net/http with the same server
// settings, the same check of the token, the same statements through the same
// drivers, the same bytes and headers in the answer, and nothing else: no
// request log, no throttle, no negotiation. Both are driven in turns, some
// tenths of a second each, by a client that costs little, and what counts is
// the ratio between neighbours in time.
//
// Machines are shared and noisy, so the figure that decides is processor time
// per request, taken from the kernel's clock of each process. Requests per
// second are shown beside it. Nothing here is part of the ordinary tests: the
// files carry the build tag bench.
package bench
