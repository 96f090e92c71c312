package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tutti-run/tutti/internal/command"
)

// fixture is a file that is made for one job, of --template.
type fixture struct{ path, text string }

// pattern is what fixtures are made of.
type pattern struct{ path, text *command.Text }

// patterns reads the files of --template.
func (p *plan) patterns(o command.Options) (all []pattern, err error) {
	for _, t := range p.Templates {
		file, name, _ := strings.Cut(t, "=")
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--template: %w", err)
		}
		var x pattern
		if x.path, err = command.ParseText(name, o); err != nil {
			return nil, fmt.Errorf("--template %s: %w", t, err)
		}
		if x.text, err = command.ParseText(string(text), o); err != nil {
			return nil, fmt.Errorf("--template %s: %w", t, err)
		}
		all = append(all, x)
	}
	return all, nil
}

// fill makes fixtures of patterns.
func fill(all []pattern, in command.Job) (made []fixture, err error) {
	for _, x := range all {
		path, err := x.path.Expand(in, 0)
		if err != nil {
			return nil, err
		}
		text, err := x.text.Expand(in, 0)
		if err != nil {
			return nil, err
		}
		made = append(made, fixture{path, text})
	}
	return made, nil
}

// ownFolder is what --wd ... stands for: a new folder for each job.
const ownFolder = "..."

// folder is where a job runs: for ... a new one of its own, and a relative one
// lies in the current one.
func (p *plan) folder(j *job) (string, error) {
	if j.dir != ownFolder {
		return filepath.Abs(j.dir)
	}
	base := p.tmpDir
	if base == "" {
		base = os.TempDir()
	}
	return filepath.Join(base, "tutti-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatInt(j.seq, 10)), nil
}

// setUp makes what a job needs before it starts, in the slot that it has.
func (j *job) setUp() error {
	if j.dir != "" {
		if err := os.MkdirAll(command.FillSlot(j.dir, j.slot), 0o777); err != nil {
			return err
		}
	}
	for _, f := range j.fixtures {
		if err := os.WriteFile(command.FillSlot(f.path, j.slot), []byte(command.FillSlot(f.text, j.slot)), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// tearDown takes away what was set up: a folder that is the job's own, and, of
// --cleanup, what was made of --template.
func (j *job) tearDown(p *plan) {
	if p.Cleanup {
		for _, f := range j.fixtures {
			_ = os.Remove(command.FillSlot(f.path, j.slot))
		}
	}
	if p.WorkDir == ownFolder && j.dir != "" {
		_ = os.RemoveAll(j.dir)
	}
}
