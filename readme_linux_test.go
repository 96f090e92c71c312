package tutti_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The program in the README is built as a stranger would, in a module of its
// own, and prints what its comment says.
func TestReadmeProgram(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no README.md")
	} else if err != nil {
		t.Fatal(err)
	}
	program := goProgram(string(readme))
	_, comment, ok := strings.Cut(program, "// Output:\n")
	if !ok {
		t.Fatal("README.md has no Go program with a comment // Output:")
	}
	want := ""
	for line := range strings.Lines(comment) {
		text, isComment := strings.CutPrefix(strings.TrimSpace(line), "//")
		if !isComment {
			break
		}
		want += strings.TrimSpace(text) + "\n"
	}
	got := runProgram(t, program)
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("the README's program prints\n%s\nwant\n%s", got, want)
	}
}

// goProgram returns the first fenced block that is a whole program.
func goProgram(text string) string {
	for _, block := range strings.Split(text, "```go\n")[1:] {
		if code, _, _ := strings.Cut(block, "```"); strings.Contains(code, "func main()") {
			return code
		}
	}
	return ""
}

// runProgram builds a program against this module, without a network, and
// returns what it prints.
func runProgram(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	mod = bytes.Replace(mod, []byte("module "+modulePath), []byte("module readme"), 1)
	mod = append(mod, "\nrequire "+modulePath+" v0.0.0\nreplace "+modulePath+" => "+root+"\n"...)
	for name, text := range map[string][]byte{"go.mod": mod, "go.sum": sum, "main.go": []byte(program)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", "program", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	run := exec.CommandContext(t.Context(), "./program")
	run.Dir = dir
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("the program: %v\n%s", err, out)
	}
	return string(out)
}
