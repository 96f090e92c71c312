package tutti_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The house rules that a machine can check. A rule that is broken for a reason
// gets an entry in an exception list; the lists only shrink.

// layers says which packages of this module a package may import.
var layers = map[string][]string{
	"topo":               {},
	"shm":                {},
	"sched":              {"internal/nearest"},
	"sim":                {"internal/core", "sched"},
	"ipc":                {"internal/codec", "internal/waitfor", "shm"},
	"internal/chart":     {},
	"internal/codec":     {},
	"internal/core":      {},
	"internal/proc":      {},
	"internal/command":   {},
	"internal/journal":   {},
	"internal/record":    {},
	"internal/results":   {},
	"internal/progress":  {},
	"internal/waitfor":   {},
	"internal/tune":      {"internal/core", "internal/usl"},
	"internal/nearest":   {},
	"internal/usl":       {},
	"internal/workload":  {"internal/journal", "internal/nearest", "sim"},
	"internal/whatif":    {"internal/usl", "internal/workload", "sched", "sim"},
	"internal/jobserver": {},
	"internal/resource":  {},
	"internal/history":   {},
	"internal/graph":     {"internal/core", "internal/resource"},
	"internal/spool":     {"shm"},
	"internal/options":   {"internal/command", "internal/nearest", "internal/record"},
	"internal/engine":    {"internal/core", "internal/proc", "sched", "shm", "topo"},
	".":                  {"internal/codec", "internal/core", "internal/engine", "ipc", "sched", "shm", "topo"},
	"internal/cli": {".", "internal/chart", "internal/codec", "internal/command", "internal/core", "internal/graph", "internal/history", "internal/jobserver", "internal/journal", "internal/nearest", "internal/options", "internal/proc",
		"internal/progress", "internal/record", "internal/resource", "internal/results", "internal/spool", "internal/tune", "internal/usl", "internal/whatif", "internal/workload", "ipc", "sched", "shm", "sim", "topo"},
	"cmd/tutti": {".", "internal/cli"},
}

// pure packages decide and never act.
var pure = []string{"sched", "internal/core", "internal/graph", "internal/history", "internal/nearest", "internal/resource", "internal/tune", "internal/usl", "internal/waitfor", "internal/whatif", "sim"}

var actors = []string{"os", "time", "sync", "sync/atomic", "context", "unsafe", "syscall", "net"}

const (
	fileLinesMax = 500
	funcLinesMax = 70
)

const modulePath = "github.com/tutti-run/tutti"

// eachFile parses every Go file of the module and calls f with its folder.
func eachFile(t *testing.T, f func(path, dir string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		f(path, filepath.ToSlash(filepath.Dir(path)), set, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	eachFile(t, func(path, dir string, _ *token.FileSet, file *ast.File) {
		allowed, known := layers[dir]
		if strings.HasSuffix(path, "_test.go") || !known {
			return
		}
		for _, imp := range file.Imports {
			name := strings.Trim(imp.Path.Value, `"`)
			if name != modulePath && !strings.HasPrefix(name, modulePath+"/") {
				continue
			}
			to := strings.TrimPrefix(strings.TrimPrefix(name, modulePath), "/")
			if to == "" {
				to = "."
			}
			if !contains(allowed, to) {
				t.Errorf("%s imports %s: imports point down the layers only, see docs/ARCHITECTURE.md", path, to)
			}
		}
	})
}

func TestPurePackages(t *testing.T) {
	t.Parallel()
	eachFile(t, func(path, dir string, _ *token.FileSet, file *ast.File) {
		if !contains(pure, dir) || strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, imp := range file.Imports {
			if name := strings.Trim(imp.Path.Value, `"`); contains(actors, name) {
				t.Errorf("%s imports %s: %s decides and never acts, so that the simulator runs the same code", path, name, dir)
			}
		}
	})
}

func TestOnlyProcStartsProcesses(t *testing.T) {
	t.Parallel()
	eachFile(t, func(path, dir string, _ *token.FileSet, file *ast.File) {
		if dir == "internal/proc" || strings.HasPrefix(dir, "bench") || strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, imp := range file.Imports {
			if strings.Trim(imp.Path.Value, `"`) == "os/exec" {
				t.Errorf("%s imports os/exec: only internal/proc starts processes, since only it knows how to end their trees", path)
			}
		}
	})
}

func TestSizes(t *testing.T) {
	t.Parallel()
	eachFile(t, func(path, _ string, set *token.FileSet, file *ast.File) {
		if lines := set.File(file.Pos()).LineCount(); lines > fileLinesMax && !strings.HasSuffix(path, "_test.go") {
			t.Errorf("%s has %d lines, at most %d: a room that wants dividing", path, lines, fileLinesMax)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil || strings.HasSuffix(path, "_test.go") {
				continue
			}
			if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > funcLinesMax {
				t.Errorf("%s: %s has %d lines, at most %d: it does not fit a screen", path, f.Name.Name, n, funcLinesMax)
			}
		}
	})
}

// Every shared ordering is named at both ends.
func TestOrderingsHavePairs(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	files, err := filepath.Glob("internal/engine/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "// SYNC ")[1:] {
			name := strings.FieldsFunc(part, func(r rune) bool { return r == ':' || r == ' ' || r == '\n' })[0]
			count[name]++
		}
	}
	for name, n := range count {
		if n < 2 {
			t.Errorf("the ordering %q is named at one end only", name)
		}
	}
	if len(count) == 0 {
		t.Error("no ordering is named at all")
	}
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
