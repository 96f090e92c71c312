package core

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// rotationTrace plays what happens to a rotation and writes down what it decides. Each
// word is TIME:EVENT, in ms: +ID or +ID/PRIORITY comes, -ID ends, . passes.
// A line of the trace is the time, the moves (s for start, h for hold, g for go on), and
// when it wants to be asked again.
func rotationTrace(r *Rotation, events string) string {
	var out strings.Builder
	for word := range strings.FieldsSeq(events) {
		at, event, _ := strings.Cut(word, ":")
		var ms, id, priority int64
		fmt.Sscan(at, &ms)
		first, rest, _ := strings.Cut(event[1:], "/")
		fmt.Sscan(first, &id)
		fmt.Sscan(rest, &priority)
		switch event[0] {
		case '+':
			r.Ask(uint64(id), priority)
		case '-':
			r.Ended(uint64(id))
		}
		moves, again := r.Step(Time(ms * int64(Millisecond)))
		fmt.Fprintf(&out, "%d", ms)
		for _, m := range moves {
			fmt.Fprintf(&out, " %c%d", "shg"[m.Kind], m.ID)
		}
		if again > 0 {
			fmt.Fprintf(&out, " (%d)", again/Millisecond)
		}
		out.WriteString("; ")
	}
	return strings.TrimSuffix(out.String(), "; ")
}

func TestRotation(t *testing.T) {
	t.Parallel()
	turns := Rotation{Slots: 1, Most: 3, Quantum: 100 * Millisecond}
	for _, tt := range []struct {
		name   string
		r      Rotation
		events string
		want   string
	}{
		{"one alone keeps its slot", turns, "0:+1 500:.", "0 s1; 500"},
		{"three take turns", turns, "0:+1 10:+2 100:. 200:+3 300:. 400:. 500:.",
			"0 s1; 10 (90); 100 h1 s2 (100); 200 h2 g1 (100); 300 h1 s3 (100); 400 h3 g2 (100); 500 h2 g1 (100)"},
		{"a slot that is free is taken at once", turns, "0:+1 0:+2 30:-1 60:-2", "0 s1; 0 (100); 30 s2; 60"},
		{"no more are started than may be", Rotation{Slots: 1, Most: 2, Quantum: 100 * Millisecond}, "0:+1 0:+2 0:+3 100:. 200:. 250:-2 300:-1",
			"0 s1; 0 (100); 0 (100); 100 h1 s2 (100); 200 h2 g1 (100); 250 (50); 300 s3"},
		{"two slots", Rotation{Slots: 2, Most: 4, Quantum: 100 * Millisecond}, "0:+1 50:+2 60:+3 100:. 150:. 200:.",
			"0 s1; 50 s2; 60 (40); 100 h1 s3 (50); 150 h2 g1 (50); 200 h3 g2 (50)"},
		{"without a quantum nobody gives way", Rotation{Slots: 1, Most: 4}, "0:+1 0:+2 900:.", "0 s1; 0; 900"},
		{"who is more urgent takes a slot at once", Rotation{Slots: 1, Most: 4, Preempt: true}, "0:+1 5:+2/9 9:-2", "0 s1; 5 h1 s2; 9 g1"},
		{"and of the least urgent the one that came last", Rotation{Slots: 2, Most: 4, Preempt: true}, "0:+1 1:+2 5:+3/9 6:+4/9 7:-3 8:-4",
			"0 s1; 1 s2; 5 h2 s3; 6 h1 s4; 7 g1; 8 g2"},
		{"an equal does not", Rotation{Slots: 1, Most: 4, Preempt: true}, "0:+1/3 5:+2/3 6:-1", "0 s1; 5; 6 s2"},
		{"without Preempt it waits for the end of a quantum", turns, "0:+1 5:+2/9 100:. 300:. 310:-2", "0 s1; 5 (95); 100 h1 s2; 300; 310 g1"},
		{"who was put off keeps its place", Rotation{Slots: 1, Most: 9, Preempt: true, Quantum: 100 * Millisecond}, "0:+1 0:+2 5:+3/9 9:-3 109:.",
			"0 s1; 0 (100); 5 h1 s3; 9 g1 (100); 109 h1 s2 (100)"},
		{"a newcomer gives up", turns, "0:+1 0:+2 5:-2 100:.", "0 s1; 0 (100); 5; 100"},
	} {
		if got := rotationTrace(&tt.r, tt.events); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestRotationHolds plays what may happen, at random, and looks at what must always be:
// no more run than there are slots and no slot is left free that somebody wants, no more
// are started than may be, and of equals nobody waits longer than all others' turns.
func TestRotationHolds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		r := Rotation{Slots: 1 + rnd.IntN(4), Quantum: Span(rnd.IntN(3)) * 10 * Millisecond, Preempt: rnd.IntN(2) == 0}
		r.Most = r.Slots + rnd.IntN(5)
		equal := rnd.IntN(2) == 0
		state := map[uint64]string{} // waits, runs, held
		until := map[uint64]Time{}   // who is held has had its turn by then, if all are equal
		at := Time(0)
		for id := uint64(1); id < 200; {
			at += Time(rnd.IntN(8)) * Time(Millisecond)
			switch rnd.IntN(4) {
			case 0:
				priority := int64(0)
				if !equal {
					priority = rnd.Int64N(3)
				}
				r.Ask(id, priority)
				state[id] = "waits"
				id++
			case 1:
				if known := slices.Sorted(maps.Keys(state)); len(known) > 0 {
					some := known[rnd.IntN(len(known))]
					r.Ended(some)
					delete(state, some)
				}
			}
			moves, _ := r.Step(at)
			for _, m := range moves {
				from, to := map[MoveKind]string{MoveStart: "waits", MoveGoOn: "held", MoveHold: "runs"}[m.Kind], "runs"
				if m.Kind == MoveHold {
					to = "held"
					until[m.ID] = at + Time((len(state)/r.Slots+2)*int(r.Quantum+8*Millisecond))
				}
				if state[m.ID] != from {
					t.Fatalf("seed %d: %v of %d, which %s", seed, m.Kind, m.ID, state[m.ID])
				}
				state[m.ID] = to
			}
			count := map[string]int{}
			for id, s := range state {
				count[s]++
				if (s == "held") != r.Held(id) {
					t.Fatalf("seed %d: %d %s, held: %v", seed, id, s, r.Held(id))
				}
			}
			room := min(r.Slots, count["runs"]+count["held"]+min(count["waits"], r.Most-count["runs"]-count["held"]))
			if count["runs"] != room || count["runs"]+count["held"] > r.Most {
				t.Fatalf("seed %d: of %d slots %d are used, %d are held and %d wait, %d may be started", seed, r.Slots, count["runs"], count["held"], count["waits"], r.Most)
			}
			for id, s := range state {
				if equal && r.Quantum > 0 && s == "held" && at > until[id] {
					t.Fatalf("seed %d: %d waits for longer than the turns of all before it", seed, id)
				}
			}
		}
	}
}
