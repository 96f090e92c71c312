package core

// Trickle tells whether inputs come one at a time, each when the one before has been
// answered: then nothing is gained by doing two things at once. Its zero value has seen
// no input.
type Trickle struct{ row int }

// trickleRow is how many inputs have to come one at a time, in a row, to count.
const trickleRow = 64

// Next notes an input, and whether no other was open or waited then. It reports whether
// inputs come one at a time.
func (t *Trickle) Next(alone bool) bool {
	if !alone {
		t.row = 0
		return false
	}
	t.row = min(t.row+1, trickleRow)
	return t.row == trickleRow
}

// Pause notes that no input has come for a while: it begins anew.
func (t *Trickle) Pause() { t.row = 0 }
