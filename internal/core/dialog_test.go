package core

import "testing"

const µs = Millisecond / 1000

// A program that always takes so long is given so many inputs at once.
func TestDialogRoom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		each  Span
		alone bool
		most  int
	}{
		{Hour, false, 1}, {10 * Millisecond, false, 1}, {2 * Millisecond, false, 1}, {Millisecond, false, 2}, {100 * µs, false, 20},
		{1, false, dialogMost}, {0, false, dialogMost}, {1, true, 1}, {Millisecond, true, 1},
	} {
		d := NewDialog(0, c.alone)
		now := Time(0)
		if d.Room() != 1 {
			t.Errorf("before the first answer there is room for %d", d.Room())
		}
		for range 64 {
			for d.Room() > 0 {
				d.Gave(now)
			}
			n := d.Open()
			now += Time(Span(n) * c.each)
			if each, ok := d.Answered(now, n, 0); !ok || each != c.each {
				t.Fatalf("%d answers: %d %v, want %d each", n, each, ok, c.each)
			}
		}
		if d.Room() != c.most {
			t.Errorf("%d ns an answer, alone %v: room for %d, want %d", c.each, c.alone, d.Room(), c.most)
		}
	}
}

// A slow start is forgotten, and a program that gets slow gets less.
func TestDialogAdapts(t *testing.T) {
	t.Parallel()
	d := NewDialog(0, false)
	now := Time(0)
	step := func(each Span) {
		d.Gave(now)
		now += Time(each)
		if _, ok := d.Answered(now, 1, 0); !ok {
			t.Fatal("not taken")
		}
	}
	step(10 * Second)
	for range 40 {
		step(µs)
	}
	if d.Room() < 500 {
		t.Errorf("after a slow start room for %d", d.Room())
	}
	step(Second)
	if d.Room() != 1 {
		t.Errorf("when it got slow room for %d", d.Room())
	}
}

func TestDialogCounts(t *testing.T) {
	t.Parallel()
	d := NewDialog(0, false)
	for n, unread := range map[int]int{1: 0, 2: 0} {
		if _, ok := d.Answered(0, n, unread); ok {
			t.Errorf("%d answers to nothing were taken", n)
		}
	}
	d.Gave(0)
	if _, ok := d.Answered(1, 1, 1); ok {
		t.Error("an answer to an input that was not read was taken")
	}
	if _, ok := d.Answered(1, 2, 0); ok {
		t.Error("two answers to one input were taken")
	}
	if d.Open() != 1 {
		t.Errorf("%d are open, want 1", d.Open())
	}
	if _, ok := d.Answered(1, 1, 0); !ok || d.Open() != 0 {
		t.Error("the answer was not taken")
	}
}

// The limit is for an answer, from when the program came to its input.
func TestDialogDue(t *testing.T) {
	t.Parallel()
	d := NewDialog(Second, false)
	if _, ok := d.Due(); ok {
		t.Error("nothing to answer, and an answer is due")
	}
	d.Gave(5)
	d.Gave(7)
	if at, ok := d.Due(); !ok || at != 5+Time(Second) {
		t.Errorf("due at %d %v", at, ok)
	}
	d.Answered(100, 1, 0)
	if at, ok := d.Due(); !ok || at != 100+Time(Second) {
		t.Errorf("the second is due at %d %v", at, ok)
	}
	d.Answered(200, 1, 0)
	if _, ok := d.Due(); ok {
		t.Error("all is answered, and an answer is due")
	}
	none := NewDialog(0, false)
	none.Gave(0)
	if _, ok := none.Due(); ok {
		t.Error("without a limit an answer is due")
	}
}

func TestDialogEnded(t *testing.T) {
	t.Parallel()
	type end struct {
		charged bool
		kind    DeathKind
	}
	for _, c := range []struct {
		name           string
		answered, open int
		how            DialogEnd
		proven         bool
		want           end
	}{
		{"at start", 0, 1, DialogDied, false, end{true, StartDeath}},
		{"at its first input, but others answer", 0, 1, DialogDied, true, end{true, OwnDeath}},
		{"at an input", 1, 3, DialogDied, true, end{true, TaskDeath}},
		{"idle", 1, 0, DialogDied, true, end{false, OwnDeath}},
		{"hung", 1, 3, DialogTimedOut, true, end{true, AskedDeath}},
		{"hung at start", 0, 1, DialogTimedOut, false, end{true, AskedDeath}},
		{"answered too much, one open", 1, 1, DialogBroke, true, end{true, TaskDeath}},
		{"answered too much at once", 0, 1, DialogBroke, false, end{true, StartDeath}},
		{"answered too much, several open", 1, 3, DialogBroke, true, end{false, OwnDeath}},
		{"answered too much, none open", 1, 0, DialogBroke, true, end{false, OwnDeath}},
		{"stopped", 1, 3, DialogStopped, true, end{false, AskedDeath}},
	} {
		d := NewDialog(0, false)
		for range c.answered {
			d.Gave(0)
			d.Answered(0, 1, 0)
		}
		for range c.open {
			d.Gave(0)
		}
		charged, kind := d.Ended(c.how, c.proven)
		if got := (end{charged, kind}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whether the program is in step is looked at with each input where that is cheap, and
// now and then where it is not; and never while others are open.
func TestDialogSync(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		each  Span
		alone bool
		want  int // times of 650
	}{
		{Second, false, 650}, {dialogSlow, false, 650}, {µs, true, 650}, {µs, false, 1 + 649/(dialogUnseen+1)},
	} {
		d := NewDialog(0, c.alone)
		now, synced := Time(0), 0
		for range 650 {
			if d.Sync() {
				synced++
			}
			d.Gave(now)
			if d.Sync() {
				t.Fatal("with an input open it was to be looked at")
			}
			now += Time(c.each)
			d.Answered(now, 1, 0)
		}
		if synced != c.want {
			t.Errorf("%d ns an answer, alone %v: looked at %d times, want %d", c.each, c.alone, synced, c.want)
		}
	}
}

// A program that always has inputs has none at last, and then it is looked at.
func TestDialogRun(t *testing.T) {
	t.Parallel()
	d := NewDialog(0, false)
	now := Time(0)
	given, run := 0, 0
	for range 100_000 {
		if d.Open() == 0 {
			if given > 100 && run > dialogMost && !d.Sync() {
				t.Fatalf("after %d inputs in a row it was not looked at", run)
			}
			run = 0
		}
		for d.Room() > 0 {
			d.Gave(now)
			given++
			run++
		}
		if run > dialogRun {
			t.Fatalf("%d inputs in a row", run)
		}
		now++
		d.Answered(now, 1, 0)
	}
}
