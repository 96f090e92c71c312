package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Every console block in the docs is run: each line behind "$ " is a command, which
// goes on in lines behind "> ", and what follows is what it prints.
func TestDocs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	blocks := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(text), "```console\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			name := fmt.Sprintf("%s-%d.txtar", strings.TrimSuffix(filepath.Base(page), ".md"), i+1)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script(block)), 0o666); err != nil {
				t.Fatal(err)
			}
			blocks++
		}
	}
	if blocks == 0 {
		t.Fatal("no console block was found")
	}
	testscript.Run(t, testscript.Params{Dir: dir, Setup: func(e *testscript.Env) error {
		e.Setenv("SHELL", "/bin/bash")
		e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
		ownSpace(e)
		return nil
	}})
}

// script makes a test script of a console block.
func script(block string) string {
	var run, files strings.Builder
	n := 0
	for part := range strings.SplitSeq("\n"+block, "\n$ ") {
		command, output, _ := strings.Cut(part, "\n")
		if command == "" {
			continue
		}
		for strings.HasPrefix(output, "> ") {
			var more string
			more, output, _ = strings.Cut(output[2:], "\n")
			command += "\n" + more
		}
		n++
		fmt.Fprintf(&run, "exec bash command%d.sh\ncmp stdout output%d\n", n, n)
		if output != "" && !strings.HasSuffix(output, "\n") {
			output += "\n"
		}
		fmt.Fprintf(&files, "-- command%d.sh --\nexec 2>&1\n%s\nexit 0 # what it printed counts\n-- output%d --\n%s", n, command, n, output)
	}
	return run.String() + files.String()
}
