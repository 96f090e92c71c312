package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// job is what the tools of a row do for each input, and how many at once.
type job struct {
	name    string // names the files that are made for it
	workers int
	words   []string // for tools that know no template: the input is appended
	text    string   // for the others; {} is the input
	dir     string   // where the tools run; "" for here
}

// jobTrue is a command that does nothing and is executed as it is.
func jobTrue(workers int) job {
	return job{name: "true", workers: workers, words: []string{trueProgram}, text: trueProgram + " {}"}
}

// jobShell is a command that does nothing and needs a shell to do it.
func jobShell(workers int) job {
	return job{name: "shell", workers: workers, words: []string{"/bin/sh", "-c", `: "$0"; true`}, text: ": {}; true"}
}

// jobOn is program with the input as its only argument.
func jobOn(program string, workers int) job {
	return job{name: filepath.Base(program), workers: workers, words: []string{program}, text: program + " {}"}
}

func (j job) flag(letter string) string { return letter + strconv.Itoa(j.workers) }

// inputs is a list of inputs as the tools want it: as a file of lines, as a makefile
// beside it whose targets they are, and as arguments.
type inputs struct {
	list  string
	lines []string
}

// makefile is where the makefile of j stands.
func (in inputs) makefile(j job) string { return in.list + "." + j.name + ".mk" }

// tool starts a command for each of many inputs.
type tool struct {
	name    string
	kind    kind
	ready   func(context.Context) (version string, err error)
	command func(in inputs) program
	// check looks, outside of the time, at what a run left behind; nil: nothing.
	check func(in inputs) error
}

// named is the name of a tool with its options.
func named(parts ...string) string {
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

func xargsFor(j job) tool {
	return tool{
		name: named("xargs", j.flag("-P"), "-n1"), kind: peer,
		ready: installed("xargs", "GNU findutils", "not installed; apt-get install -y findutils"),
		command: func(in inputs) program {
			return program{path: "xargs", args: append([]string{j.flag("-P"), "-n1"}, j.words...), input: in.list, dir: j.dir}
		},
	}
}

func gnuParallelFor(j job, flags ...string) tool {
	return tool{
		name: named("GNU parallel", j.flag("-j"), strings.Join(flags, " ")), kind: peer,
		ready: gnuParallelReady,
		command: func(in inputs) program {
			return program{path: "parallel", args: append(append([]string{j.flag("-j")}, flags...), j.text), input: in.list, dir: j.dir}
		},
	}
}

var gnuParallelReady = installed("parallel", "GNU parallel", "not installed; apt-get install -y parallel")

func makeFor(j job, flags ...string) tool {
	return tool{
		name: named("make", j.flag("-j"), strings.Join(flags, " ")), kind: peer,
		ready: installed("make", "GNU Make", "not installed; apt-get install -y make"),
		command: func(in inputs) program {
			args := append([]string{"-s", j.flag("-j"), "-f", in.makefile(j)}, flags...)
			return program{path: "make", args: args, dir: j.dir}
		},
	}
}

func rushFor(j job, flags ...string) tool {
	return tool{
		name: named("rush", j.flag("-j"), strings.Join(flags, " ")), kind: peer,
		ready: installed("rush", "rush v", "not installed; go install github.com/shenwei356/rush@latest (Debian's rush is another program)"),
		command: func(in inputs) program {
			return program{path: "rush", args: append(append([]string{j.flag("-j")}, flags...), j.text), input: in.list, dir: j.dir}
		},
	}
}

// moreutilsFor is called parallel.moreutils where GNU parallel took the name.
func moreutilsFor(j job) tool {
	return tool{
		name: named("moreutils parallel", j.flag("-j")), kind: peer,
		ready: func(context.Context) (string, error) {
			_, err := moreutilsPath()
			return "", err
		},
		command: func(in inputs) program {
			path, _ := moreutilsPath() // ready has found it
			args := append(append([]string{j.flag("-j")}, j.words...), "--")
			return program{path: path, args: append(args, in.lines...), dir: j.dir}
		},
	}
}

// moreutilsPath tells the two programs called parallel apart by their usage, since
// this one knows no --version.
func moreutilsPath() (string, error) {
	for _, name := range []string{"parallel.moreutils", "parallel"} {
		said, _ := exec.Command(name, "--help").CombinedOutput() // it knows no --help either: exit 1
		if strings.Contains(string(said), "parallel [OPTIONS] command -- arguments") {
			return exec.LookPath(name)
		}
	}
	return "", errors.New("not installed; apt-get install -y moreutils (beside GNU parallel it is parallel.moreutils)")
}

// oursFor is the command door.
func (w *workshop) oursFor(j job, flags ...string) tool {
	return tool{
		name: named("tutti map", j.flag("-j"), strings.Join(flags, " ")), kind: ours,
		ready: w.oursReady(append(append([]string{}, flags...), "true", ":::", "x")...),
		command: func(in inputs) program {
			path, _ := w.tutti() // ready has built it
			args := append([]string{"map", j.flag("-j")}, flags...)
			return program{path: path, args: append(args, j.text), input: in.list, dir: j.dir}
		},
	}
}

// oursReady builds tutti, and has it do something small, so that an option which it
// does not know yet is an absence and no failure.
func (w *workshop) oursReady(args ...string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		path, err := w.tutti()
		if err != nil {
			return "", err
		}
		if _, _, err := (program{path: path, args: append([]string{"map"}, args...)}).run(ctx); err != nil {
			return "", fmt.Errorf("not available: %w", err)
		}
		return "", nil
	}
}

// oursLogged is the command door with a job log, which is checked and removed.
func (w *workshop) oursLogged(j job) tool {
	t := w.oursFor(j)
	t.name = named("tutti map", j.flag("-j"), "--joblog")
	t.command = func(in inputs) program {
		path, _ := w.tutti() // ready has built it
		return program{path: path, args: []string{"map", j.flag("-j"), "--joblog", in.list + ".log", j.text}, input: in.list, dir: j.dir}
	}
	t.check = func(in inputs) error { return checkJobLog(in.list, int64(len(in.lines))) }
	return t
}

// makefile writes what makes each of in once by j's command.
func (w *workshop) makefile(in inputs, j job) error {
	path := in.makefile(j)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	targets := " " + strings.Join(in.lines, " ")
	recipe := strings.ReplaceAll(j.text, "{}", "$@")
	text := fmt.Sprintf("all:%[1]s\n.PHONY: all%[1]s\n%[1]s:\n\t@%[2]s\n", targets, recipe)
	return os.WriteFile(path, []byte(text), 0o644)
}

// list writes inputs to a file of that name, unless it is there.
func (w *workshop) list(name string, lines []string) (inputs, error) {
	in := inputs{filepath.Join(w.dir, name), lines}
	if _, err := os.Stat(in.list); err == nil {
		return in, nil
	}
	return in, os.WriteFile(in.list, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// numbers is the list of 0 to n-1.
func (w *workshop) numbers(n int64) (inputs, error) {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = strconv.Itoa(i)
	}
	return w.list(fmt.Sprintf("numbers-%d", n), lines)
}
