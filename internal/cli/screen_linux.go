package cli

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/internal/progress"
	"github.com/tutti-run/tutti/internal/spool"
)

// showing is what a person sees of a run while it goes on.
type showing int

const (
	showNothing showing = iota
	showLine            // one line at the foot of the terminal
	showTable           // what runs, a line each
	showBar             // GNU parallel's bar
	showZenity          // the same for a program that draws bars
	showPlain           // a line every so often, for a log
)

// screen is what a person sees beside the commands' own output: how the run goes,
// and a summary at its end. Its counters, say, announce, clear and turn may be used from any
// goroutine, the rest from the one that prints.
type screen struct {
	plan     *plan
	person   bool // standard error is a terminal
	how      showing
	color    bool
	shared   func() bool // another program shows our output on the same terminal
	mu       sync.Mutex  // over the painter and what follows
	painter  progress.Painter
	free     *sync.Cond // the question was answered
	question question   // stands on the terminal
	away     bool       // this process is stopped, or about to be
	pace     progress.Pace
	left     func(*progress.State) progress.Estimate // nil: nothing is known
	begin    time.Time
	store    *spool.Store            // nil: none yet
	titles   func() map[uint64]title // of what runs
	waiting  func() int              // jobs that are to be tried again
	reason   atomic.Pointer[string]  // why nothing is started; nil: not so
	hidden   atomic.Bool             // SIGUSR2 took it away, or brought it
	jobs     atomic.Int64            // ended
	failed   atomic.Int64
	skipped  atomic.Int64
	unmet    atomic.Int64
	total    atomic.Int64 // -1 while unknown

	failures []progress.Failure
	newest   newest // guarded by mu
	stepped  int64  // jobs that the bar for zenity has made a step for
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// isPipe reports whether f is a pipe.
func isPipe(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

func newScreen(p *plan) *screen {
	s := &screen{plan: p, begin: time.Now(), person: isTerminal(os.Stderr), how: showNothing}
	s.color = s.person && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	s.painter.W = os.Stderr
	s.free = sync.NewCond(&s.mu)
	switch {
	case p.Bar && s.person:
		s.how = showBar
	case p.Bar:
		s.how = showZenity
	case p.Ungroup: // what commands write themselves would run through the lines
	case (p.Progress || p.LatestLine) && s.person:
		s.how = showTable
	case s.person:
		s.how = showLine
	}
	if (p.Progress || p.ETA) && !s.person {
		s.how = showPlain
	}
	s.shared = sync.OnceValue(func() bool {
		asked := p.Progress || p.Bar || p.ETA
		return s.person && !asked && isPipe(os.Stdout) && proc.ShownElsewhere(os.Stderr)
	})
	s.total.Store(-1)
	return s
}

// progressEvery is how often what is shown is drawn: often enough to look alive.
const progressEvery = 200 * time.Millisecond

// ticks gives the times at which it is to be drawn.
func (s *screen) ticks() (<-chan time.Time, func()) {
	if s.how == showNothing {
		return nil, func() {}
	}
	t := time.NewTicker(progressEvery)
	return t.C, t.Stop
}

// holds notes why nothing is started; "" when something is.
func (s *screen) holds(reason string) {
	if reason == "" {
		s.reason.Store(nil)
		return
	}
	s.reason.Store(&reason)
}

// view is the terminal as it is now.
func (s *screen) view() progress.View {
	v := progress.View{Color: s.color, ASCII: !utf8Locale()}
	if width, height, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		v.Width, v.Height = width, height
	}
	return v
}

// utf8Locale reports whether the terminal is said to show more than ASCII.
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToUpper(v)
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return false
}

// lastLineBytes is how much of a job's output is looked at for its last line.
const lastLineBytes = 1 << 10

// state is the run as it is now; with its running jobs where they are wanted.
func (s *screen) state(withJobs bool) progress.State {
	st := progress.State{
		Begin: s.begin, Now: time.Now(), Done: s.jobs.Load(), Failed: s.failed.Load(), Skipped: s.skipped.Load(), Unmet: s.unmet.Load(),
		Total: s.total.Load(), Slots: s.plan.slots(),
	}
	if r := s.reason.Load(); r != nil {
		st.Reason = *r
	}
	if s.store == nil {
		return st
	}
	st.Waiting = int64(s.waiting())
	var titles map[uint64]title
	if withJobs {
		titles = s.titles()
	}
	latest := newest{}
	s.store.Views(func(v spool.View) {
		st.Running++
		j := progress.Job{Seq: v.Seq, Since: v.Start, PID: v.PID, Command: command.FillSlot(titles[v.Ticket].command, v.Slot+1)}
		if t := titles[v.Ticket]; t.seq > 0 {
			j.Seq, j.Since = t.seq, t.since
		}
		if withJobs {
			for _, stream := range []spool.Stream{spool.Stderr, spool.Stdout} {
				if tail := s.store.Tail(&v, stream, lastLineBytes); v.Runs() && len(tail) > 0 {
					j.Last = lastLine(tail)
				}
			}
		}
		if v.Seq > latest.seq && withJobs {
			latest = newest{v.Seq, titles[v.Ticket].args}
		}
		st.Jobs = append(st.Jobs, j)
	})
	st.Newest = s.began(latest)
	sortJobs(st.Jobs)
	if s.left != nil {
		st.Left = s.left(&st)
	}
	return st
}

// draw draws what is shown as it is now.
func (s *screen) draw() {
	if s.hidden.Load() != s.shared() { // SIGUSR2 turns either round
		s.clear()
		return
	}
	v := s.view()
	st := s.state(s.how != showLine)
	switch s.how {
	case showLine:
		s.paint([]string{v.Line(st)}, v)
	case showTable:
		s.paint(v.Table(st), v)
	case showBar:
		s.paint([]string{v.Bar(st)}, v)
	case showZenity:
		st.Done = s.stepped // one after the other
		_, _ = os.Stderr.WriteString(v.Zenity(st))
	case showPlain:
		if s.pace.Due(st) {
			complain("%s", v.Plain(st))
		}
	}
}

// newest is the argument of the job that began last, of those that were seen.
type newest struct {
	seq  int64
	args string
}

// began notes a job that was seen, and gives the argument of the newest.
func (s *screen) began(n newest) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.seq > s.newest.seq {
		s.newest = n
	}
	return s.newest.args
}

// step draws the bar for zenity at the end of a job.
func (s *screen) step(f *finished) {
	if s.how != showZenity || f.Skip || f.Again || f.Result.How == unmet {
		return
	}
	s.stepped = f.Done
	s.began(newest{f.Seq, strings.Join(f.Args, " ")})
	s.draw()
}

func (s *screen) paint(lines []string, v progress.View) {
	width := v.Width
	if width == 0 {
		width = 80
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away || s.question.text != "" {
		return
	}
	_ = s.painter.Draw(lines, width) // a terminal that is gone shows nothing
}

// clear makes room for output; the next tick draws again.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.painter.Clear()
}

// turn has p written to the terminal, where nothing else stands.
func (s *screen) turn(p []byte, write func()) {
	s.own()
	defer s.mu.Unlock()
	_ = s.painter.Clear()
	write()
	s.painter.Wrote(p)
}

// pass writes what a program wrote to standard error that belongs to no job. Any
// goroutine may call it.
func (s *screen) pass(text []byte) {
	if len(text) == 0 {
		return
	}
	s.own()
	defer s.mu.Unlock()
	_ = s.painter.Clear()
	_, _ = os.Stderr.Write(text)
	s.painter.Wrote(text)
}

// announce says which command starts. Any goroutine may call it.
func (s *screen) announce(command string) {
	s.own()
	defer s.mu.Unlock()
	_ = s.painter.Clear()
	line := []byte(command + "\n")
	_, _ = os.Stderr.Write(line)
	s.painter.Wrote(line)
}

// say complains without running into what is drawn.
func (s *screen) say(format string, args ...any) {
	s.own()
	defer s.mu.Unlock()
	_ = s.painter.Clear()
	complain(format, args...)
	s.painter.Wrote([]byte("\n"))
}

// how says in words how a command failed.
func how(r *result) string {
	switch {
	case r.How == timedOut:
		return "ended at its --timeout"
	case r.How == evicted:
		return "ended to free memory"
	case r.Fault != "":
		return r.Fault
	case r.Signal != 0:
		return fmt.Sprintf("killed by signal %d (%v)", r.Signal, syscall.Signal(r.Signal))
	}
	return fmt.Sprintf("exit status %d", r.Exit)
}

// explain says what a job's own output does not: that it was ended, lost, or left
// something behind.
func (s *screen) explain(f *finished) {
	r := &f.Result
	switch {
	case r.How == timedOut:
		s.say("job %d was ended at its --timeout: %s", f.Seq, f.Key)
	case r.How == evicted:
		s.say("job %d was ended to free memory; with --retries, or --retry-on oom, it would be run again: %s", f.Seq, f.Key)
	case r.Fault != "":
		s.say("job %d: %s: %s", f.Seq, r.Fault, f.Key)
	}
	if f.Unmet != "" {
		s.say("%s", f.Unmet)
	}
	if !r.ok() && len(s.failures) < progress.FailuresNamed {
		s.failures = append(s.failures, progress.Failure{Seq: f.Seq, How: how(r), Command: f.Key})
	}
	if len(r.Strays) > 0 {
		var names []string
		for _, p := range r.Strays {
			names = append(names, fmt.Sprintf("%s (%d)", p.Comm, p.PID))
		}
		s.say("job %d left running: %s; --strays kill would end them", f.Seq, strings.Join(names, ", "))
	}
}

// summary tells a person how the run went, and anybody what ended it early.
func (s *screen) summary(o progress.Outcome) {
	s.clear()
	if s.how == showZenity {
		s.draw()
		_, _ = os.Stderr.WriteString("\n")
	}
	switch {
	case s.person && s.shared() && o.Failed == 0 && o.Why == "": // a pager's screen stays whole
	case s.person || s.how == showPlain:
		for _, line := range s.view().Summary(o) {
			_, _ = os.Stderr.WriteString(line + "\n")
		}
	case o.Why != "":
		complain("%s", s.view().Early(o))
	}
}
