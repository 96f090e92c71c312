package cli

import (
	"strings"
	"testing"
)

// scene reads a scene: "1 has a", "2 shares a", "3 wants a", "3 reads a" for a shared
// lock that is awaited, "3 under 1 a"; in the order of coming.
func scene(text string) *lockScene {
	s := &lockScene{above: map[int][]heldAbove{}}
	for i, line := range strings.Split(text, ", ") {
		words := strings.Fields(line)
		pid, lock := int(words[0][0]-'0'), words[len(words)-1]
		use := lockUse{pid, lock, words[1] == "has" || words[1] == "wants", int64(i)}
		switch words[1] {
		case "has", "shares":
			s.holds = append(s.holds, use)
		case "wants", "reads":
			s.waits = append(s.waits, use)
		case "under":
			s.above[pid] = append(s.above[pid], heldAbove{"", int(words[2][0] - '0'), lock})
		}
	}
	return s
}

func TestLockCircle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scene  string
		self   int
		circle string // process numbers
	}{
		{"1 has a, 2 wants a", 2, ""},
		{"1 has a, 2 has b, 3 under 1 a, 4 under 2 b, 3 wants b, 4 wants a", 4, "4>1>3>2>4"},
		{"1 has a, 2 has b, 3 under 1 a, 4 under 2 b, 3 wants b", 3, ""},
		{"1 has a, 2 has b, 3 under 1 a, 3 wants b, 2 wants a", 2, "2>1>3>2"},
		{"1 shares a, 2 has b, 3 under 1 a, 3 wants b, 2 reads a", 2, ""},
		{"1 shares a, 2 has b, 3 under 1 a, 3 wants b, 2 wants a", 2, "2>1>3>2"},
		// A writer waits in between, and nobody is overtaken.
		{"1 shares a, 5 wants a, 2 has b, 3 under 1 a, 3 wants b, 2 reads a", 2, "2>5>1>3>2"},
		{"1 has a, 2 has b, 6 has c, 3 under 1 a, 4 under 2 b, 7 under 6 c, 3 wants b, 4 wants c, 7 wants a", 7, "7>1>3>2>4>6>7"},
		// It is not known to run under what is not held any more.
		{"2 has b, 3 under 1 a, 3 wants b, 2 wants a", 2, ""},
		// A circle that one waits for without being in it is another's to find.
		{"1 has a, 2 has b, 3 under 1 a, 4 under 2 b, 3 wants b, 4 wants a, 8 wants a", 8, ""},
	} {
		s := scene(c.scene)
		circle := s.circle(c.self)
		text := ""
		for i, st := range circle {
			if i == 0 {
				text = string(rune('0' + st.from))
			}
			text += ">" + string(rune('0'+st.to))
		}
		if text != c.circle {
			t.Errorf("%s: %q, want %q", c.scene, text, c.circle)
		}
		if circle != nil && (!s.kept(circle) || scene(strings.Replace(c.scene, "1 ", "9 ", 1)).kept(circle)) {
			t.Errorf("%s: whether it lasts is not seen", c.scene)
		}
	}
}

func TestRefuseOwn(t *testing.T) {
	t.Parallel()
	s := scene("1 has a, 2 shares sem:s, 3 shares sem:s")
	above := []heldAbove{{"x", 1, "a"}, {"x", 2, "sem:s"}, {"x", 3, "sem:s"}, {"x", 4, "b"}}
	for _, c := range []struct {
		space string
		need  need
		want  string
	}{
		{"x", need{Name: "a"}, `deadlock: lock "a" is held by process 1, under which this runs: it would wait for its own end; leave it out here`},
		{"y", need{Name: "a"}, ""},
		{"x", need{Name: "b"}, ""},
		{"x", need{Name: "sem:s", Most: 1}, `deadlock: semaphore "s" is held by process 2, under which this runs: it would wait for its own end; leave it out here`},
		{"x", need{Name: "sem:s", Most: 2}, `deadlock: semaphore "s" is held by process 3, under which this runs: it would wait for its own end; leave it out here`},
		{"x", need{Name: "sem:s", Most: 3}, ""},
	} {
		text := ""
		if err := s.refuseOwn(above, c.space, c.need); err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%s %+v: %s", c.space, c.need, text)
		}
	}
}

func TestHeldAbove(t *testing.T) {
	t.Parallel()
	for _, h := range []heldAbove{{"shell-0", 12, "a"}, {"/dev/shm/x y/z", 1, "a/b c%\n\x01"}} {
		got := parseHeldAbove("nothing " + h.String() + " x/y/z")
		if len(got) != 1 || got[0] != h {
			t.Errorf("%q: %+v", h.String(), got)
		}
	}
}

func TestSemObject(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	long := strings.Repeat("x", objectNameMax)
	for _, id := range []string{"", "a", "/dev/pts/1", long, long + "1", long + "2", strings.Repeat("x", objectNameMax-len(semPrefix))} {
		name := semObject(id)
		if other, ok := seen[name]; ok || len(name) > objectNameMax {
			t.Errorf("%q: %q, as %q", id, name, other)
		}
		seen[name] = id
	}
}
