package core

// Dialog is the talk with one program that answers each input with one answer, in
// order: how many inputs it may have at once, until when the next answer must be
// there, and whose fault its end is. Make one with NewDialog for each start of the
// program.
type Dialog struct {
	limit    Span // for an answer; 0: none
	alone    bool
	open     int   // inputs that it has and has not answered
	run      int   // inputs that it was given since it had none
	unseen   int   // times that it had none since Sync last said yes
	answered int64 // in all
	begun    Time  // when it came to the oldest of those that are open
	mean     Span  // between answers, the last ones counting most
}

const (
	// dialogLead is how much work a program has at hand. One that takes longer for an
	// answer is given one input at a time: the way of the next to it takes some 50 µs,
	// and what it has at hand nobody else can take.
	dialogLead = 2 * Millisecond
	// dialogMost bounds the inputs that one program has.
	dialogMost = 1024
	// dialogRun bounds the inputs in a row, after which all must be answered before the
	// next: then it is seen whether the program is in step.
	dialogRun = 8192
	// To see whether the program is in step costs some 20 µs. That is little beside an
	// answer that takes dialogSlow; for faster programs it is done every dialogUnseen
	// times that they have no input.
	dialogSlow   = Millisecond / 2
	dialogUnseen = 64
)

// NewDialog begins a talk. limit is the time for an answer, 0 for none. Alone has it
// given one input at a time: it, or one before it, has answered what nobody asked, and
// so it is found out at which input that happens.
func NewDialog(limit Span, alone bool) *Dialog { return &Dialog{limit: limit, alone: alone} }

// Room is how many inputs more the program may be given now. Until an answer shows
// how fast it is, it has one.
func (d *Dialog) Room() int {
	most := 1
	if d.answered > 0 && !d.alone {
		most = int(min(dialogLead/max(d.mean, 1), dialogMost))
	}
	if d.open > 0 {
		most = min(most, d.open+dialogRun-d.run)
	}
	return max(max(most, 1)-d.open, 0)
}

// Sync reports whether it is to be seen, with the next input, that the program has
// answered no more than it was asked. It asks for that where it is cheap.
func (d *Dialog) Sync() bool {
	if d.open > 0 {
		return false
	}
	if d.answered == 0 || d.alone || d.mean >= dialogSlow || d.unseen >= dialogUnseen || d.run > dialogMost {
		d.unseen = 0
		return true
	}
	d.unseen++
	return false
}

// Gave notes an input that the program was given.
func (d *Dialog) Gave(now Time) {
	if d.open == 0 {
		d.begun, d.run = now, 0
	}
	d.open++
	d.run++
}

// Answered notes that n answers came at once, and says how long each took; false
// where there are more than inputs. unread is how many of the open inputs the program
// has certainly not read yet: it cannot have answered those.
func (d *Dialog) Answered(now Time, n, unread int) (each Span, ok bool) {
	if n > d.open-unread {
		return 0, false
	}
	each = Span(now-d.begun) / Span(max(n, 1))
	d.mean = (d.mean + each) / 2
	if d.answered == 0 {
		d.mean = each
	}
	d.answered += int64(n)
	d.open -= n
	d.begun = now
	return each, true
}

// Open is how many inputs the program has and has not answered.
func (d *Dialog) Open() int { return d.open }

// Proven reports whether the program has answered at all.
func (d *Dialog) Proven() bool { return d.answered > 0 }

// Due is until when the next answer must be there; false where there is no limit, or
// nothing to answer.
func (d *Dialog) Due() (Time, bool) {
	if d.limit == 0 || d.open == 0 {
		return 0, false
	}
	return d.begun.after(d.limit), true
}

// DialogEnd says how a talk ended.
type DialogEnd uint8

// The ends of a talk.
const (
	// DialogDied: the program ended by itself, or its worker did.
	DialogDied DialogEnd = iota
	// DialogTimedOut: it was ended, as an answer took too long.
	DialogTimedOut
	// DialogBroke: it was ended, as it answered what nobody had asked.
	DialogBroke
	// DialogStopped: it was ended with the run.
	DialogStopped
)

// Ended says whether the oldest of the open inputs is charged with the end: it is
// what the program was at. The others go back unpunished. An answer too many may be
// that of any input before: with several open none is charged, and they are to be
// given alone. proven says that the program has answered in another talk of the run,
// so that it does start.
func (d *Dialog) Ended(how DialogEnd, proven bool) (charged bool, kind DeathKind) {
	switch {
	case how == DialogStopped:
		return false, AskedDeath
	case how == DialogTimedOut:
		return d.open > 0, AskedDeath
	case how == DialogBroke && d.open > 1:
		return false, OwnDeath
	case d.answered > 0 && d.open > 0:
		return true, TaskDeath
	case d.answered > 0 || proven:
		return d.open > 0, OwnDeath
	}
	return d.open > 0, StartDeath
}
