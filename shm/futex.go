package shm

// WaitWord is one word that [WaitAny] waits on: it returns when the word is
// woken, or at once when the word does not hold Val.
type WaitWord struct {
	// Addr is the word, in a segment or on the heap but not on a stack.
	Addr *uint32
	// Val is the value at which to sleep.
	Val uint32
}

// MaxWaitWords is the greatest number of words for one [WaitAny].
const MaxWaitWords = 128
