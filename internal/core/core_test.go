package core

import (
	"flag"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected actions in testdata")

// TestImports keeps the package pure: what it may not do it cannot import.
func TestImports(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{"cmp": true, "fmt": true, "math": true, "math/bits": true, "math/rand/v2": true, "slices": true, "strconv": true, "strings": true}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source files found: %v", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			path, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !allowed[path] {
				t.Errorf("%s imports %s: this package decides and never acts, so it must stay free of "+
					"os, time, sync, context, unsafe and whatever brings them; take time and randomness as arguments", name, path)
			}
		}
	}
}

func TestTimeAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		t    Time
		s    Span
		want Time
	}{
		{0, 0, 0}, {5, 7, 12}, {5, -7, -2}, {math.MaxInt64 - 1, 1, math.MaxInt64},
		{math.MaxInt64 - 1, 2, math.MaxInt64}, {1, math.MaxInt64, math.MaxInt64}, {-1, math.MaxInt64, math.MaxInt64 - 1},
	} {
		if got := c.t.after(c.s); got != c.want {
			t.Errorf("Time(%d).after(%d) = %d, want %d", c.t, c.s, got, c.want)
		}
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	var d deadline
	if d.reached(math.MaxInt64) {
		t.Error("reached though never armed")
	}
	d = deadline{at: 10, armed: true}
	if d.reached(9) {
		t.Error("reached too early")
	}
	if !d.reached(10) {
		t.Error("not reached in time")
	}
	if d.reached(11) {
		t.Error("reached twice")
	}
}

// checkTraces runs every trace testdata/<prefix>_*.txt. A trace is blocks with a
// blank line between them; a block is comments, commands, "----" and one line of
// actions for each command. newRun makes what runs one block's commands.
func checkTraces(t *testing.T, prefix string, newRun func() func(command string) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", prefix+"_*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces for %s: %v", prefix, err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for block := range strings.SplitSeq(strings.TrimSpace(string(want)), "\n\n") {
			commands, _, _ := strings.Cut(block, "\n----")
			run := newRun()
			var actions []string
			for line := range strings.SplitSeq(commands, "\n") {
				if !strings.HasPrefix(line, "#") {
					actions = append(actions, run(line))
				}
			}
			got = append(got, commands+"\n----\n"+strings.Join(actions, "\n"))
		}
		text := strings.Join(got, "\n\n") + "\n"
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if text != string(want) {
			t.Errorf("%s differs (-update rewrites it); got:\n%s", file, text)
		}
	}
}
