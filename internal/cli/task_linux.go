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
	changed chan struct{} // something may have become ready

	mu     sync.Mutex
	state  *graph.State
	before []int // done by an earlier run, and not told yet
}

// runTasks runs the tasks of a graph.
func runTasks(p *plan, g *graph.Graph) error {
	handed, err := proc.TakeInherited() // before anything is opened here
	if err != nil {
		return err
	}
	shop := &workshop{plan: p}
	r := &mapRun{plan: p, screen: newScreen(p), handed: handed, early: quitEarly()}
	if err := r.enlist(); err != nil {
		return err
	}
	if err := r.records(shop); err != nil {
		return err
	}
	if r.tasks, err = newTasks(p, g, shop.done); err != nil {
		return err
	}
	if p.DryRun {
		return dryRun(r.tasks.ordered, p.jobs, func(*job) {}, os.Stdout)
	}
	if len(g.Tasks) == 0 {
		return nil
	}
	r.course.total = int64(len(g.Tasks))
	r.screen.total.Store(r.course.total)
	if err := r.open(shop); err != nil {
		return err
	}
	r.foresee()
	return r.run(nil)
}

// newTasks begins a run of a graph. done tells what earlier runs did; nil nothing.
func newTasks(p *plan, g *graph.Graph, done func(j *job, command string) bool) (*tasks, error) {
	shell, err := command.ParseWith(nil, command.Options{Env: command.EnvFor(p.shell)})
	if err != nil {
		return nil, err
	}
	t := &tasks{graph: g, plan: p, shell: shell, changed: make(chan struct{}, 1)}
	var was func(int) bool
	if done != nil {
		was = func(i int) bool { return done(&job{seq: int64(i) + 1}, t.text(i)) }
	}
	t.state, t.before = g.Begin(was)
	return t, nil
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
	for _, i := range t.state.Order(t.plan.jobs) {
		if !yield(t.job(i)) {
			return
		}
	}
}

// take gives the job that is to start next, if one may, and reports whether any
// task is left.
func (t *tasks) take() (j *job, left bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.before) > 0 {
		i := t.before[0]
		t.before = t.before[1:]
		return &job{seq: int64(i) + 1, attempt: 1, skip: true}, true
	}
	if i, ok := t.state.Next(); ok {
		return t.job(i), true
	}
	return nil, t.state.Left() > 0
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
	r.course.halt.Unmet(int64(len(all)))
	r.mu.Unlock()
	r.screen.unmet.Add(int64(len(all)))
	var names []string
	for n, i := range all {
		if n < unmetNamed {
			names = append(names, tasks[i].Title())
		}
		// It never began: its time in the job log is 0.
		skipped = append(skipped, &finished{Seq: int64(i) + 1, Key: r.tasks.text(i), Result: result{How: unmet, Exit: -1}})
	}
	more := ""
	if n := len(all) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	f.Unmet = fmt.Sprintf("%s failed, %s; skipped, since they wait for it: %s%s",
		tasks[j.seq-1].Title(), how(&f.Result), strings.Join(names, ", "), more)
	return skipped
}
