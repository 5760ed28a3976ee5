package app

// KeepHeap exposes keepHeap, which `bdash serve` calls.
func KeepHeap(environ []string) { keepHeap(environ) }

// LeastHeap is leastHeap.
const LeastHeap = leastHeap
