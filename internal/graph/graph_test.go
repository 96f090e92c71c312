package graph

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/resource"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want Task
	}{
		{"echo a", Task{Command: "echo a"}},
		{"  a: echo   'x  y'  ", Task{Name: "a", Command: "echo   'x  y'"}},
		{"'my  prog'  x", Task{Command: "'my  prog'  x"}},
		{"b: after: a,c time: 2m make b", Task{Name: "b", After: []string{"a", "c"}, Time: 120 * core.Second, Command: "make b"}},
		{"after: a, c ./b", Task{After: []string{"a", "c"}, Command: "./b"}},
		{"time: 1.5 after: a b: c: d", Task{}}, // a second name
		{"curl http://x:80/ -H 'A: b'", Task{Command: "curl http://x:80/ -H 'A: b'"}},
		{"get: curl http://x:80/ -H 'after: b'", Task{Name: "get", Command: "curl http://x:80/ -H 'after: b'"}},
		{": > file", Task{Command: ": > file"}},
		{"t: : > file", Task{Name: "t", Command: ": > file"}},
		{"-- mail: x", Task{Command: "mail: x"}},
		{"n: -- after: x", Task{Name: "n", Command: "after: x"}},
		{"big: cpus: 2.5 resource: gpu=1, license=2 ./train", Task{Name: "big", CPUs: 2500, Resources: []resource.Request{{Name: "gpu", Units: 1}, {Name: "license", Units: 2}}, Command: "./train"}},
		{`{"cmd": "y", "cpus": 0.5, "resource": {"license": 2, "gpu": 1}}`, Task{CPUs: 500, Resources: []resource.Request{{Name: "gpu", Units: 1}, {Name: "license", Units: 2}}, Command: "y"}},
		{"scp host:file .", Task{Command: "scp host:file ."}},
		{"out/a.o: cc a.c", Task{Name: "out/a.o", Command: "cc a.c"}},
		{"{ echo a; echo b; }", Task{Command: "{ echo a; echo b; }"}},
		{`-- { "my prog"; }`, Task{Command: `{ "my prog"; }`}},
		{`echo a\\`, Task{Command: `echo a\\`}},
		{`{"cmd": "a\nb"}`, Task{Command: "a\nb"}},
		{`{ "name":"x","cmd":"y","after":["a"],"seconds":1.5,"cwd":"d","env":{"B":"2","A":"1"}}`,
			Task{Name: "x", Command: "y", After: []string{"a"}, Time: 1500 * core.Millisecond, Dir: "d", Env: []string{"A=1", "B=2"}}},
	} {
		got, err := Parse("# remark\n\n" + c.line + "\n")
		if c.want.Command == "" {
			if err == nil {
				t.Errorf("%q: no error", c.line)
			}
			continue
		}
		c.want.Line = 3
		if err != nil || !reflect.DeepEqual(got, []Task{c.want}) {
			t.Errorf("%q: %+v, %v; want %+v", c.line, got, err, c.want)
		}
	}
}

// Whatever is wrong is said with its line, and with what to do.
func TestFlaws(t *testing.T) {
	t.Parallel()
	nearest := func(name string, names []string) string { // any with the same first letter
		for _, n := range names {
			if n != "" && n[0] == name[0] {
				return n
			}
		}
		return ""
	}
	for _, c := range []struct{ text, want string }{
		{"a: echo\nb:\n", "line 2: there is no command; expected: name: after:"},
		{"after: a\n", "line 1: there is no command"},
		{"after:\n", "line 1: after: is followed by names"},
		{"a: after: b, \n", "line 1: after: is followed by names"},
		{"a: after: b,,c x\n", "line 1: after: is followed by names"},
		{"time: soon x\n", `line 1: time "soon"`},
		{"time:\n", "line 1: time: is followed by how long"},
		{"cpus: many x\n", `line 1: cpus: "many": not a number of CPUs; say one such as 4 or 0.5`},
		{"cpus:\n", "line 1: cpus: is followed by how many CPUs"},
		{"cpus: 1 cpus: 2 x\n", "line 1: a second cpus"},
		{"resource:\n", "line 1: resource: is followed by what the task needs"},
		{"resource: gpu x\n", `line 1: resource: "gpu": not a resource and its number; say NAME=N`},
		{"resource: gpu=1,gpu=2 x\n", "line 1: resource: gpu: it is there twice"},
		{"resource: gpu=0.5 x\n", `line 1: resource: gpu: "0.5" is not a number of units; say a whole number from 0 to 1024`},
		{`{"cmd": "x", "cpus": 0}`, `line 1: cpus: "0": not a number of CPUs`},
		{`{"cmd": "x", "resource": {"g-u": 1}}`, `line 1: resource: "g-u": not the name of a resource`},
		{"a: b: x\n", "line 1: a second name, b:; leave one out, or write --"},
		{"after: a after: b x\n", "line 1: a second after"},
		{"x$y: z\n", `line 1: "x$y" cannot be a name`},
		{"echo a \\\n  b\n", "line 1: it ends with a backslash"},
		{"echo a\x00\n", "line 1: it holds a NUL byte"},
		{"\n{\"cmd\": 3}\n", "line 2: not a task in JSON: cmd cannot be a number; expected: {"},
		{`{"cmd": "x", "after": "a"}`, "line 1: not a task in JSON: after cannot be a string; expected: {"},
		{`{"command": "x"}`, `line 1: not a task in JSON: unknown field "command"; expected: {`},
		{`{"cmd": "x"`, "line 1: not a task in JSON: "},
		{`{"name": "x"}`, "line 1: there is no cmd; expected: {"},
		{`{"cmd": "x"} {"cmd": "y"}`, "line 1: more follows the JSON object"},
		{`{"cmd": "x", "seconds": -1}`, "line 1: seconds: -1 is not a time; expected a number"},
		{`{"cmd": "x", "env": {"A=B": "c"}}`, `line 1: env: "A=B" cannot be the name of a variable`},
		{`{"cmd": "x", "name": "after"}`, `line 1: name: "after" cannot be a name`},
		{`{"cmd": "x", "after": [""]}`, "line 1: after: there is a name missing"},
		{"{\"cmd\": \"x\\u0000\"}", "line 1: it holds a NUL byte"},
		{"build: x\nafter: bild y\n", "line 2: the task of line 2 is to run after bild, and no task has this name; did you mean build, of line 1?"},
		{"t: after: bild y\n", "line 1: t is to run after bild, and no task has this name; give the task"},
		{"a: x\nb: y\na: z\n", "line 3: a second task is named a, the first is that of line 1"},
		{"a: after: a x\n", "line 1: a waits for itself"},
		{"x: after: b 1\na: after: c 1\n#\nb: after: a 1\nc: after: b 1\nd: 1\n",
			"line 4: 3 tasks wait for each other in a circle, and none could ever start: b (line 4) after a (line 2) after c (line 5) after b (line 4); take one of these out"},
	} {
		tasks, err := Parse(c.text)
		if err == nil {
			_, err = New(tasks, nearest)
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v; want %s", c.text, err, c.want)
		}
	}
}

// A circle of many tasks is told in a line that can be read.
func TestLongCircle(t *testing.T) {
	t.Parallel()
	const n = 1000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "t%d: after: t%d x\n", i, (i+1)%n)
	}
	_, err := New(mustParse(t, text.String()), func(string, []string) string { return "" })
	if err == nil || len(err.Error()) > 500 || !strings.Contains(err.Error(), "t10 (line 11) after … 989 more … after t0 (line 1);") {
		t.Error(err)
	}
}

func mustParse(t testing.TB, text string) []Task {
	t.Helper()
	tasks, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

func newGraph(t testing.TB, text string) *Graph {
	t.Helper()
	g, err := New(mustParse(t, text), func(string, []string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// names gives the names of tasks.
func names(g *Graph, tasks []int) string {
	var all []string
	for _, i := range tasks {
		all = append(all, g.Tasks[i].Name)
	}
	return strings.Join(all, " ")
}

const diamond = `
short: x
long: time: 10 x
mid: after: short time: 20 x
end: after: mid,long x
alone: time: 5 x
`

func TestOrder(t *testing.T) {
	t.Parallel()
	for slots, want := range map[int]string{
		1: "short mid long alone end",
		2: "short long mid alone end",
		9: "short long alone mid end",
	} {
		g := newGraph(t, diamond)
		s, _ := g.Begin(nil, nil)
		if got := names(g, s.Order(slots, nil)); got != want {
			t.Errorf("%d slots: %s; want %s", slots, got, want)
		}
	}
}

func TestFailedBranch(t *testing.T) {
	t.Parallel()
	g := newGraph(t, diamond)
	s, _ := g.Begin(nil, nil)
	if i, ok := s.Next(nil); !ok || g.Tasks[i].Name != "short" {
		t.Fatal(i, ok)
	}
	if got := names(g, s.Ended(0, false)); got != "mid end" {
		t.Errorf("unmet: %s", got)
	}
	if got := names(g, s.Order(1, nil)); got != "long alone" || s.Left() != 0 {
		t.Errorf("then %s, left %d", got, s.Left())
	}
}

// What was done counts only where all it waits for was done, and is asked only then.
func TestDoneBefore(t *testing.T) {
	t.Parallel()
	g := newGraph(t, diamond)
	var asked []int
	s, before := g.Begin(func(i int) bool {
		asked = append(asked, i)
		return g.Tasks[i].Name != "short"
	}, nil)
	if got := names(g, before); got != "long alone" {
		t.Errorf("before: %s", got)
	}
	if got := names(g, asked); got != "short long alone" {
		t.Errorf("asked: %s", got)
	}
	if got := names(g, s.Order(1, nil)); got != "short mid end" || s.Left() != 0 {
		t.Errorf("then %s, left %d", got, s.Left())
	}
}

// Each task is over once, whatever fails, and none begins before all it waits for
// has succeeded.
func TestRandomRuns(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		g := randomGraph(t, random, 1+random.IntN(40))
		s, before := g.Begin(func(int) bool { return random.IntN(4) == 0 }, nil)
		good, over := map[int]bool{}, len(before)
		for _, i := range before {
			good[i] = true
		}
		var running []int
		for {
			i, ok := s.Next(nil)
			if ok {
				running = append(running, i)
				for _, j := range g.after[i] {
					if !good[int(j)] {
						t.Fatalf("seed %d: task %d began before %d had succeeded", seed, i, j)
					}
				}
			}
			if len(running) == 0 {
				break
			}
			if !ok || random.IntN(2) == 0 {
				k := random.IntN(len(running))
				i = running[k]
				running = slices.Delete(running, k, k+1)
				good[i] = random.IntN(5) > 0
				over += 1 + len(s.Ended(i, good[i]))
			}
		}
		if over != len(g.Tasks) || s.Left() != 0 {
			t.Fatalf("seed %d: %d of %d tasks over, %d left", seed, over, len(g.Tasks), s.Left())
		}
	}
}

// randomGraph makes a graph without circles, in a file that has them in any order.
func randomGraph(t testing.TB, random *rand.Rand, n int) *Graph {
	var lines []string
	for i := range n {
		line := fmt.Sprintf("t%d: time: %d ", i, random.IntN(9))
		if i > 0 {
			for range random.IntN(4) {
				line += fmt.Sprintf("after: t%d", random.IntN(i))
				for range random.IntN(3) {
					line += fmt.Sprintf(",t%d", random.IntN(i))
				}
				line += " "
				break
			}
		}
		lines = append(lines, line+"x")
	}
	random.Shuffle(n, func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return newGraph(t, strings.Join(lines, "\n"))
}

func FuzzParse(f *testing.F) {
	f.Add(diamond)
	f.Add(`{"cmd": "a", "after": ["b"]}` + "\n-- a: b\nafter: a, b\tc\n")
	f.Fuzz(func(t *testing.T, text string) {
		tasks, err := Parse(text)
		if err != nil {
			return
		}
		for _, task := range tasks {
			if strings.TrimSpace(task.Command) == "" || task.Line < 1 {
				t.Errorf("%q: %+v", text, task)
			}
		}
		g, err := New(tasks, func(string, []string) string { return "" })
		if err != nil {
			return
		}
		s, _ := g.Begin(nil, nil)
		if n := len(s.Order(3, nil)); n != len(tasks) {
			t.Errorf("%q: %d of %d tasks ran", text, n, len(tasks))
		}
	})
}

func BenchmarkLoad100k(b *testing.B) {
	const n = 100_000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "t%d: ", i)
		if i >= 100 {
			fmt.Fprintf(&text, "after: t%d,t%d ", i-100, i-1-i%7)
		}
		fmt.Fprintf(&text, "echo %d\n", i)
	}
	for b.Loop() {
		g := newGraph(b, text.String())
		g.Begin(nil, nil)
	}
}

// A task that needs much has its turn, however many small ones are ready; what it does
// not need others use meanwhile.
func TestNeeds(t *testing.T) {
	t.Parallel()
	g := newGraph(t, "s1: time: 9 x\ns2: time: 8 x\nbig: time: 7 x\ns3: time: 6 x\ns4: time: 5 x\ngpu: time: 4 x\nnone: time: 3 x\n")
	needs := []resource.Units{{1, 0}, {1, 0}, {2, 0}, {1, 0}, {1, 0}, {0, 1}, nil}
	s, _ := g.Begin(nil, needs)
	if got, want := names(g, s.Order(9, resource.Units{2, 1})), "s1 s2 gpu none big s3 s4"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}
