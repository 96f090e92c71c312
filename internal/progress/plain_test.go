package progress

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		total int64
		done  func(now time.Duration) int64
		until time.Duration
		want  string
	}{
		{"nothing ends", -1, func(time.Duration) int64 { return 0 }, 4 * time.Minute, "1s 5s 10s 30s 1m0s 2m0s 3m0s 4m0s"},
		{"hours", -1, func(time.Duration) int64 { return 0 }, 90 * time.Minute, "1h0m0s 1h10m0s 1h20m0s 1h30m0s"},
		{"tenths", 100, func(now time.Duration) int64 { return int64(now / (700 * time.Millisecond)) }, 30 * time.Second,
			"1s 5s 7s 10s 14s 21s 28s 30s"},
		{"many tenths at once", 10, func(now time.Duration) int64 { return int64(now / (200 * time.Millisecond)) }, 2 * time.Second, "1s 2s"},
	} {
		var p Pace
		var at []string
		for now := time.Duration(0); now <= c.until; now += 100 * time.Millisecond {
			s := State{Begin: start, Now: start.Add(now), Total: c.total, Done: c.done(now)}
			if p.Due(s) {
				at = append(at, now.String())
			}
		}
		if got := strings.Join(at, " "); !strings.HasSuffix(got, c.want) || c.name != "hours" && got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ done, skipped, total, want int64 }{
		{0, 0, 4, 0}, {1, 0, 3, 33}, {999, 0, 1000, 99}, {4, 0, 4, 100}, {2, 2, 4, 100},
		{0, 0, 0, 100}, {5, 0, 4, 100}, {5, 0, -1, -1},
	} {
		s := State{Done: c.done, Skipped: c.skipped, Total: c.total}
		if got := s.percent(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// What scripts do with GNU parallel's --bar: lines of carriage returns, of which
// zenity reads the numbers and what follows a #.
func TestZenityAsScriptsReadIt(t *testing.T) {
	t.Parallel()
	s := encode()
	var percents, texts []string
	for s.Done = 0; s.Done <= s.Total; s.Done += 200 {
		for _, line := range strings.Split(View{}.Zenity(s), "\r") {
			var n int
			if strings.HasPrefix(line, "#") {
				texts = append(texts, line)
			} else if got, _ := fmt.Sscanf(line, "%d", &n); got == 1 {
				percents = append(percents, line)
			}
		}
	}
	if got := strings.Join(percents, " "); got != "0 50 100" {
		t.Errorf("percentages: %s", got)
	}
	s = State{Done: 1, Total: 3}
	if got := (View{}).Zenity(s); !strings.Contains(got, "\r33.3333333333333\r") { // a step for each job, as there
		t.Errorf("a third: %q", got)
	}
	if len(texts) != 3 || texts[0] != "#   210 sec holiday/IMG_0124.MOV" {
		t.Errorf("texts: %q", texts)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", time.Hour: "1h00m00s",
		26*time.Hour + 3*time.Minute + 4*time.Second: "1d02h03m04s", 1500 * time.Millisecond: "2s", -time.Second: "0s",
	} {
		if got := units(d); got != want {
			t.Errorf("units(%v) = %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "0 ms", 12 * time.Millisecond: "12 ms", 9100 * time.Millisecond: "9.1 s", 59940 * time.Millisecond: "59.9 s",
		59960 * time.Millisecond: "1m0s", 200 * time.Second: "3m20s",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		9900 * time.Millisecond: "9.9 s", 58900 * time.Millisecond: "58 s", 85 * time.Second: "1m25s", 25 * time.Hour: "25h00m",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 KB", 10 << 20: "10 MB", 1<<30 - 1: "1.0 GB", 1 << 62: "4.0 EB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"log.tsv": "log.tsv", "": "''", "my log": "'my log'", "it's": `'it'\''s'`, "a\x1bb'": `$'a\x1bb\''`, "~/x": "'~/x'",
	} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestColor(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for seq := int64(1); seq <= 200; seq++ {
		on, off := Color(seq)
		if seen[on] || off != Off {
			t.Errorf("job %d: %q %q, seen before: %v", seq, on, off, seen[on])
		}
		seen[on] = true
		var background, foreground int64
		if _, err := fmt.Sscanf(on, "\x1b[48;5;%d;38;5;%dm\x1b[K", &background, &foreground); err != nil {
			t.Fatalf("job %d: %q: %v", seq, on, err)
		}
		a, b := brightness(background), brightness(foreground)
		if contrast := (max(a, b) + 0.05) / (min(a, b) + 0.05); contrast < 4.5 {
			t.Errorf("job %d: %d upon %d cannot be read: contrast %.1f", seq, foreground, background, contrast)
		}
	}
}
