package progress

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the expected screens in testdata")

// encode is a run as somebody might see it, 90 seconds after its begin.
func encode() State {
	s := State{
		Begin: start, Now: start.Add(90 * time.Second), Done: 120, Failed: 3, Running: 4,
		Total: 400, Slots: 4, Newest: "holiday/IMG_0124.MOV",
		Left: Estimate{Left: 210 * time.Second, Known: true},
	}
	for i, j := range []Job{
		{Command: "ffmpeg -i holiday/IMG_0098.MOV -c:v libx265 -crf 28 holiday/IMG_0098.mp4", CPU: 80 * time.Second, Memory: 412 << 20,
			Last: "frame=  100 fps= 30\rframe= 1203 fps= 31 q=28.0 size=   10240kB time=00:00:40.10\r"},
		{Command: "ffmpeg -i 'holiday/Größe 日本.MOV' -c:v libx265 -crf 28 'holiday/Größe 日本.mp4'", CPU: 30 * time.Second,
			Memory: 98 << 20, Last: "\x1b[1;33mwarning:\x1b[0m deprecated pixel format used"},
		{Command: "gzip -9 a.log", CPU: 2 * time.Second, Memory: 900 << 10},
		{Command: "sleep 1000; echo 'two\nlines'", Memory: 1 << 20, Last: "waiting for \x1b]0;title\athe other side"},
	} {
		j.Seq, j.PID, j.Since = int64(17+i*i*35), 4000+i, s.Now.Add(-time.Duration(85-i*27)*time.Second)
		s.Jobs = append(s.Jobs, j)
	}
	return s
}

// many is a run with more jobs than rows.
func many() State {
	s := encode()
	s.Total, s.Left, s.Slots, s.Running = -1, Estimate{}, 64, 64
	s.Jobs = nil
	for i := range 64 {
		s.Jobs = append(s.Jobs, Job{Seq: int64(121 + i), Command: fmt.Sprintf("./simulate --seed %d", i),
			Since: s.Now.Add(-time.Duration(64-i) * 700 * time.Millisecond)})
	}
	return s
}

// sheet draws everything that there is, each under its name, as a terminal shows it.
func sheet(t *testing.T) string {
	var b strings.Builder
	show := func(name string, width, height int, lines ...string) {
		m := newTerminal(t, width, height)
		p := &Painter{W: m}
		fmt.Fprint(m, "output of a job\n")
		p.Wrote([]byte("\n"))
		if err := p.Draw(lines, width); err != nil {
			t.Fatal(err)
		}
		if len(m.gone) > 0 && len(lines) < height {
			t.Errorf("%s: scrolled although it had room", name)
		}
		fmt.Fprintf(&b, "== %s, %d x %d\n%s\n", name, width, height, m.screen())
	}
	write := func(name string, lines ...string) {
		fmt.Fprintf(&b, "== %s\n%s\n\n", name, strings.Join(lines, "\n"))
	}
	run, end := encode(), encode()
	end.Left, end.Skipped, end.Done = Estimate{}, 100, 296
	held := encode()
	held.Running, held.Jobs, held.Reason = 1, held.Jobs[:1], "waiting for memory: 1.2 GB free of 4 GB"
	begin := State{Begin: start, Now: start.Add(30 * time.Millisecond), Total: -1, Slots: 4, Running: 4}
	for _, width := range []int{120, 80, 50, 30, 12} {
		show("line", width, 3, View{Width: width, Height: 3}.Line(run))
	}
	show("line, at the begin", 80, 3, View{Width: 80}.Line(begin))
	show("line, only late jobs are left", 80, 3, View{Width: 80}.Line(end))
	show("line, held back", 120, 3, View{Width: 120}.Line(held))
	for _, size := range [][2]int{{120, 24}, {80, 24}, {50, 24}, {20, 12}, {80, 4}, {80, 2}} {
		v := View{Width: size[0], Height: size[1], Color: true}
		show("table", size[0], size[1], v.Table(run)...)
	}
	show("table, ASCII", 80, 24, View{Width: 80, Height: 24, ASCII: true}.Table(run)...)
	show("table, held back", 120, 24, View{Width: 120, Height: 24}.Table(held)...)
	short := encode()
	for i := range short.Jobs {
		short.Jobs[i].Command = fmt.Sprintf("job %d", i)
	}
	show("table, short commands", 80, 24, View{Width: 80, Height: 24}.Table(short)...)
	show("table, many jobs", 80, 24, View{Width: 80, Height: 24}.Table(many())...)
	show("bar, colours", 80, 3, View{Width: 80, Color: true}.Bar(run))
	show("bar, none", 80, 3, View{Width: 80}.Bar(run))
	write("bar, bytes", fmt.Sprintf("%q", View{Width: 40, Color: true}.Bar(run)))
	write("zenity, bytes", fmt.Sprintf("%q", View{Width: 60}.Zenity(run)))
	write("zenity, at the begin", fmt.Sprintf("%q", View{Width: 60}.Zenity(begin)))
	write("plain", View{}.Plain(begin), View{}.Plain(run), View{Color: true}.Plain(held), View{}.Plain(many()), View{}.Plain(end))
	write("running", View{Color: true}.Running(run)...)
	o := Outcome{Done: 400, Failed: 3, Elapsed: 9100 * time.Millisecond, CPU: 17563 * time.Millisecond, CPUs: 2, Program: "tutti map", Again: "--retry-failed",
		Failures: []Failure{{17, "exit status 3", "convert a.png a.jpg"}, {23, "killed by signal 9 (killed)", "convert 'b\x1b[2J.png'"},
			{360, "timed out", "convert c.png"}}}
	write("summary", View{}.Summary(o)...)
	o.JobLog, o.Program, o.Failed, o.NotStarted, o.Skipped = "my log.tsv", "parallel", 30, 7, 1
	for len(o.Failures) < 20 {
		o.Failures = append(o.Failures, o.Failures[0])
	}
	write("summary, many failed, a job log", View{}.Summary(o)...)
	write("summary, nothing failed", View{}.Summary(Outcome{Done: 1, Elapsed: 81 * time.Minute, NotStarted: -1})...)
	write("summary, ended early", View{}.Summary(Outcome{Done: 3, Elapsed: time.Second, Why: "SIGINT", Cut: 2, CutBy: "SIGINT", NotStarted: 1})...)
	early := Outcome{Done: 1, Failed: 1, Why: "--halt now,fail=1", Cut: 1, CutBy: "--halt now,fail=1", NotStarted: -1, Last: Failure{1, "exit status 1", "false 1"}, Again: "--retry-failed"}
	unmet := end
	unmet.Unmet, unmet.Failed = 4, 1
	write("unmet", View{Width: 80}.Line(unmet))
	write("summary, unmet", View{}.Summary(Outcome{Done: 3, Failed: 1, Unmet: 2, Elapsed: time.Second, Program: "tutti run", JobLog: "log", Again: "--resume"})...)
	write("summary, ended by a rule", View{}.Summary(early)...)
	write("early", View{Color: true}.Early(early), View{}.Early(Outcome{Why: "SIGHUP", NotStarted: 4, Cut: 1, CutBy: "SIGTERM"}), View{}.Early(Outcome{Why: "SIGQUIT", Cut: 2}))
	return b.String()
}

func TestScreens(t *testing.T) {
	t.Parallel()
	const file = "testdata/screens.txt"
	got := sheet(t)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the screens differ from %s; run with -update and look at what changed:\n%s", file, got)
	}
}

// Whatever the size of the terminal, nothing is wider or higher than it.
func TestFits(t *testing.T) {
	t.Parallel()
	for width := 1; width < 140; width++ {
		for height := 1; height < 30; height += 3 {
			for _, s := range []State{encode(), many(), {Begin: start, Now: start}} {
				for _, v := range []View{{Width: width, Height: height}, {Width: width, Height: height, Color: true, ASCII: true}} {
					table := v.Table(s)
					if len(table) >= height && len(table) > 1 {
						t.Errorf("%d x %d: %d lines", width, height, len(table))
					}
					for _, line := range append(table, v.Line(s), v.Bar(s)) {
						if n := cells(line); n > width-1 {
							t.Errorf("%d x %d: a line of %d: %q", width, height, n, line)
						}
					}
				}
			}
		}
	}
}
