package password

// NewCheapHasher returns a Hasher whose own computations and whose limits are so small that tests can run thousands.
func NewCheapHasher(opts Options) *Hasher {
	h := NewHasher(opts)
	h.params = argonParams{memory: 64, time: 1, threads: 1}
	h.limits = limits{memory: 1 << 10, argonWork: 1 << 11, pbkdf2Rounds: 1000, bcryptCost: 4, scryptWork: 1 << 14}
	return h
}

// Occupy takes n of h's slots, as computations that do not end would, and returns what frees them.
func (h *Hasher) Occupy(n int64) (release func()) {
	if !h.slots.TryAcquire(n) {
		panic("the slots are taken")
	}
	return func() { h.slots.Release(n) }
}

// QuickRatio exposes quickRatio, whose exact value Check reduces to yes or no.
func QuickRatio(a, b string) float64 { return quickRatio([]rune(a), []rune(b)) }
