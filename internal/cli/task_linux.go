package cli

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/graph"
	"github.com/tutti-run/tutti/internal/proc"
)

// tasks gives the jobs of a graph: which one is decided when a job slot is free for
// it, and not before.
type tasks struct {
	graph   *graph.Graph
	plan    *plan
	shell   *command.Template
	stock   *stock        // nil: tasks take a job slot each and nothing else
	changed chan struct{} // something may have become ready

	mu     sync.Mutex
	state  *graph.State
	before []int        // done by an earlier run, or have no part in this one, and not told yet
	absent map[int]bool // of these, those that have no part
	again  map[int]*job // to be tried again
}

// runTasks runs the tasks of a file.
func runTasks(p *plan) error {
	if err := p.refuseToForget(); err != nil {
		return err
	}
	handed, err := proc.TakeInherited() // before anything is opened here
	if err != nil {
		return err
	}
	shop := &workshop{plan: p, stdin: &tee{from: os.Stdin}}
	g, err := readGraph(p.tasks, shop.stdin)
	if err != nil {
		return err
	}
	if err := p.settleTasks(g); err != nil {
		return err
	}
	r := &mapRun{plan: p, screen: newScreen(p), handed: handed, early: quitEarly()}
	defer func() { r.stock.close() }() // where run does not
	if err := r.enlist(); err != nil {
		return err
	}
	if err := r.records(shop); err != nil {
		return err
	}
	if r.tasks, err = newTasks(p, g); err != nil {
		return err
	}
	if p.DryRun {
		shop.stdin.keep(nil)
		r.tasks.begin(nil, shop.done)
		return dryRun(r.tasks.ordered, p.jobs, func(*job) {}, os.Stdout)
	}
	if len(g.Tasks) == 0 {
		return nil
	}
	if err := r.open(shop); err != nil {
		return err
	}
	if err := r.begin(shop); err != nil {
		return err
	}
	r.course.Total = r.tasks.begin(shop.part, shop.done)
	r.screen.total.Store(r.course.Total)
	r.notes.total(r.course.Total)
	return r.run(nil)
}

func newTasks(p *plan, g *graph.Graph) (*tasks, error) {
	shell, err := command.ParseWith(nil, command.Options{Env: command.EnvFor(p.shell)})
	if err != nil {
		return nil, err
	}
	return &tasks{graph: g, plan: p, shell: shell, changed: make(chan struct{}, 1), again: map[int]*job{}, absent: map[int]bool{}}, nil
}

// begin begins a run, and returns how many tasks have a part in it. part tells which
// have, nil all; done which an earlier run did, nil none.
func (t *tasks) begin(part, done func(j *job, command string) bool) int64 {
	t.state, t.before = t.graph.Begin(func(i int) bool {
		j, text := &job{seq: int64(i) + 1, dir: t.graph.Tasks[i].Dir}, t.text(i)
		if part != nil && !part(j, text) {
			t.absent[i] = true
			return true
		}
		return done != nil && done(j, text)
	}, t.plan.needs)
	return int64(len(t.graph.Tasks) - len(t.absent))
}

// text is a task as a shell would read it.
func (t *tasks) text(i int) string {
	var b strings.Builder
	task := &t.graph.Tasks[i]
	if task.Dir != "" {
		b.WriteString("cd " + command.Quote(task.Dir) + " && ")
	}
	for _, kv := range task.Env {
		name, value, _ := strings.Cut(kv, "=")
		b.WriteString("export " + name + "=" + command.Quote(value) + " && ")
	}
	return b.String() + task.Command
}

// job makes the job of a task.
func (t *tasks) job(i int) *job {
	task := &t.graph.Tasks[i]
	j := &job{seq: int64(i) + 1, attempt: 1, dir: task.Dir, env: task.Env, tag: task.Name}
	if j.tag == "" {
		j.tag = fmt.Sprintf("line %d", task.Line)
	}
	j.args = []string{j.tag}
	j.rendered, j.fault = t.shell.Render(command.Job{Seq: j.seq, Args: []string{task.Command}})
	j.rendered.Display = t.text(i)
	j.mark = t.plan.markOf(j)
	return j
}

// ordered gives the tasks in the order in which they would start.
func (t *tasks) ordered(yield func(*job) bool) {
	for _, i := range t.state.Order(t.plan.jobs, t.plan.total()) {
		if !yield(t.job(i)) {
			return
		}
	}
}

// take gives the job that is to start next, with what it needs, if one may, and reports
// whether any task is left.
func (t *tasks) take() (j *job, left bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.before) > 0 {
		i := t.before[0]
		t.before = t.before[1:]
		return &job{seq: int64(i) + 1, attempt: 1, skip: true, absent: t.absent[i]}, true
	}
	i, ok := t.state.Next(t.stock.free())
	var g *grant
	if ok && t.stock != nil {
		if g, ok = t.stock.take(t.plan.needs[i]); !ok { // another run was faster
			t.state.Again(i)
		}
	}
	t.stock.keep(t.state.Wanted())
	t.stock.waits(t.state.Wanted())
	if !ok {
		return nil, t.state.Left() > 0
	}
	if j = t.again[i]; j == nil {
		j = t.job(i)
	}
	delete(t.again, i)
	j.grant = g
	return j, true
}

// repeat has a task whose job failed start once more.
func (t *tasks) repeat(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.again[int(j.seq)-1] = j
	t.state.Again(int(j.seq) - 1)
}

// ended notes the end of a task, and returns those that are not run because of it.
func (t *tasks) ended(i int, ok bool) []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() {
		select {
		case t.changed <- struct{}{}:
		default:
		}
	}()
	return t.state.Ended(i, ok)
}

// unmetNamed is how many tasks that are not run are named at most.
const unmetNamed = 8

// settle does what follows from the end of a task for others: it returns those that
// are not run, as they are to be delivered, and has f say so. Where the jobs are no
// tasks it does nothing.
func (r *mapRun) settle(j *job, f *finished) (skipped []*finished) {
	if r.tasks == nil {
		return nil
	}
	tasks := r.tasks.graph.Tasks
	all := r.tasks.ended(int(j.seq)-1, f.Result.ok())
	if len(all) == 0 {
		return nil
	}
	r.mu.Lock()
	r.course.Halt.Unmet(int64(len(all)))
	r.mu.Unlock()
	r.screen.unmet.Add(int64(len(all)))
	var names []string
	for n, i := range all {
		if n < unmetNamed {
			names = append(names, tasks[i].Title())
		}
		// It never began: its time in the job log is 0.
		skipped = append(skipped, &finished{Seq: int64(i) + 1, Key: r.tasks.text(i), Dir: tasks[i].Dir, Result: result{How: unmet, Exit: -1}})
	}
	more := ""
	if n := len(all) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	f.Unmet = fmt.Sprintf("%s failed, %s; skipped, since they wait for it: %s%s",
		tasks[j.seq-1].Title(), how(&f.Result), strings.Join(names, ", "), more)
	return skipped
}
