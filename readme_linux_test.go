package tutti_test

import (
	"bytes"
	"errors"
	"fmt"
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

// The two programs of docs/ipc.md share a lock and a channel, whichever begins first.
func TestProgramsShare(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("docs/ipc.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := goPrograms(string(guide))
	if len(programs) != 2 {
		t.Fatalf("docs/ipc.md has %d programs, want 2", len(programs))
	}
	for i := range programs {
		programs[i] = buildProgram(t, strings.ReplaceAll(programs[i], `"squares"`, fmt.Sprintf(`"test-squares-%d"`, os.Getpid())))
	}
	receiver := exec.CommandContext(t.Context(), programs[1])
	var received strings.Builder
	receiver.Stdout, receiver.Stderr = &received, os.Stderr
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	sent, err := exec.CommandContext(t.Context(), programs[0]).CombinedOutput()
	if err != nil || string(sent) != "sent, and alone with the ledger\n" {
		t.Errorf("the one that sends: %v, %s", err, sent)
	}
	if err := receiver.Wait(); err != nil || received.String() != "0 squared is 0\n1 squared is 1\n2 squared is 4\n" {
		t.Errorf("the one that receives: %v, %s", err, received.String())
	}
}

// goProgram returns the first fenced block that is a whole program.
func goProgram(text string) string {
	if all := goPrograms(text); len(all) > 0 {
		return all[0]
	}
	return ""
}

// goPrograms returns the fenced blocks that are whole programs.
func goPrograms(text string) (all []string) {
	for _, block := range strings.Split(text, "```go\n")[1:] {
		if code, _, _ := strings.Cut(block, "```"); strings.Contains(code, "func main()") {
			all = append(all, code)
		}
	}
	return all
}

// runProgram builds a program and returns what it prints.
func runProgram(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), buildProgram(t, program)).CombinedOutput()
	if err != nil {
		t.Fatalf("the program: %v\n%s", err, out)
	}
	return string(out)
}

// buildProgram builds a program against this module, without a network, and returns
// where it is.
func buildProgram(t *testing.T, program string) string {
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
	return filepath.Join(dir, "program")
}
