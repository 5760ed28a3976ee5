package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
)

// leastHeap is how large the heap may grow, in bytes, before the garbage
// collector looks at it. By default that is twice of what lives, 4 MB at
// least; bdash lives on a few megabytes, so that under load the collector would
// run a hundred times a second, and take more of the processor than the answers
// themselves. A larger heap gets the default.
const leastHeap = 16 << 20

const defaultGCPercent = 100

// keepHeap applies leastHeap from now on, unless the operator has tuned the
// collector by GOGC or GOMEMLIMIT.
func keepHeap(environ []string) {
	tuned := slices.ContainsFunc(environ, func(v string) bool {
		return strings.HasPrefix(v, "GOGC=") || strings.HasPrefix(v, "GOMEMLIMIT=")
	})
	if !tuned {
		(&heapKeeper{percent: defaultGCPercent}).next()
	}
}

// heapKeeper sets the collector's percentage after each collection.
type heapKeeper struct {
	percent int
	live    [1]metrics.Sample
}

// cycle becomes garbage at once: its finalizer runs after the collection that
// finds it, once per collection.
type cycle struct{ keeper *heapKeeper }

func (k *heapKeeper) next() {
	k.tune()
	runtime.SetFinalizer(&cycle{k}, func(c *cycle) { c.keeper.next() })
}

func (k *heapKeeper) tune() {
	k.live[0].Name = "/gc/heap/live:bytes"
	metrics.Read(k.live[:])
	if k.live[0].Value.Kind() != metrics.KindUint64 {
		return
	}
	live := max(int64(k.live[0].Value.Uint64()), 1<<20)
	percent := int(max((leastHeap-live)*100/live, defaultGCPercent))
	// Setting it stops everything for a moment: not for every small change.
	if percent*10 < k.percent*9 || percent*9 > k.percent*10 {
		k.percent = percent
		debug.SetGCPercent(percent)
	}
}
