package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"
)

// The compatibility suite. Each testdata/gnu/*.txtar holds many small cases:
//
//	-- a title --
//	$ parallel -k echo {} ::: a b
//	$ echo "and a second line of the same script"
//	a
//	b
//	and a second line of the same script
//	[exit 1]
//
// The lines behind "$ " are one bash script; what follows is what it must print on
// standard output, and its exit code unless that is 0. "[no newline]" says that the
// output does not end with one. Standard error is only looked at where a script
// looks at it. A section that begins otherwise is a file that every case of the
// archive finds in its own, fresh folder.
//
// What a case wants is not our opinion: it is proven on GNU parallel. A case runs
// there too until testdata/gnu/verified has a line for it. A case that begins with
// "# differs: why" is one where we do otherwise on purpose, and is held to what it
// says only with us. To add a case, write its title and its script, and let
// -cli.update fill in the rest; then read whether that is what we want.
var (
	gnuUpdate = flag.Bool("cli.update", false, "write what GNU parallel prints into testdata/gnu, and what was proven")
	gnuAll    = flag.Bool("cli.gnu", false, "prove each case of testdata/gnu on GNU parallel again")
)

const gnuDir = "testdata/gnu"

// gnuCase is one script and what it must do.
type gnuCase struct {
	title, differs, script, stdout string
	exit                           int
}

// isGNUCase reports whether a section is a case and not a file.
func isGNUCase(data []byte) bool {
	return bytes.HasPrefix(data, []byte("$ ")) || bytes.HasPrefix(data, []byte("# differs: "))
}

// parseGNUCase reads a case.
func parseGNUCase(title, text string) (c gnuCase, err error) {
	c.title = title
	if rest, ok := strings.CutPrefix(text, "# differs: "); ok {
		c.differs, text, _ = strings.Cut(rest, "\n")
	}
	for strings.HasPrefix(text, "$ ") {
		var line string
		line, text, _ = strings.Cut(text[2:], "\n")
		c.script += line + "\n"
	}
	if c.script == "" {
		return c, errors.New("a case needs a line that begins with \"$ \"")
	}
	c.stdout = text
	if at := strings.LastIndex("\n"+text, "\n[exit "); at >= 0 && strings.HasSuffix(text, "]\n") {
		if c.exit, err = strconv.Atoi(text[at+len("[exit ") : len(text)-2]); err != nil {
			return c, err
		}
		c.stdout = text[:at]
	}
	if whole, ok := strings.CutSuffix(c.stdout, "\n[no newline]\n"); ok {
		c.stdout = whole
	}
	return c, nil
}

// format is the inverse of parseGNUCase.
func (c *gnuCase) format() string {
	var b strings.Builder
	if c.differs != "" {
		fmt.Fprintf(&b, "# differs: %s\n", c.differs)
	}
	for line := range strings.Lines(c.script) {
		b.WriteString("$ " + line)
	}
	b.WriteString(c.stdout)
	if c.stdout != "" && !strings.HasSuffix(c.stdout, "\n") {
		b.WriteString("\n[no newline]\n")
	}
	if c.exit != 0 {
		fmt.Fprintf(&b, "[exit %d]\n", c.exit)
	}
	return b.String()
}

// gnuFile is an archive of cases and the files that they share.
type gnuFile struct {
	path    string
	archive *txtar.Archive
	shared  []txtar.File
}

// proof names a case together with all that its outcome depends on.
func (f *gnuFile) proof(c *gnuCase) string {
	h := sha256.New()
	for _, s := range f.shared {
		fmt.Fprintf(h, "%q %q\n", s.Name, s.Data)
	}
	fmt.Fprintf(h, "%q %q %d\n", c.script, c.stdout, c.exit)
	return fmt.Sprintf("%.10x", h.Sum(nil))
}

func readGNUFiles(t *testing.T) []*gnuFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(gnuDir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s (%v)", gnuDir, err)
	}
	var files []*gnuFile
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := &gnuFile{path: path, archive: archive}
		for _, section := range archive.Files {
			if !isGNUCase(section.Data) {
				f.shared = append(f.shared, section)
			}
		}
		files = append(files, f)
	}
	return files
}

// doors are folders that hold nothing but a program named parallel and sem.
type doors struct {
	ours, gnu string // gnu is "" where GNU parallel is not installed
}

func openDoors(t *testing.T) doors {
	t.Helper()
	ours, err := exec.LookPath("tutti")
	if err != nil {
		t.Fatal(err)
	}
	d := doors{ours: t.TempDir()}
	for program, command := range map[string]string{"parallel": "map", "sem": "sem"} {
		if named := filepath.Join(filepath.Dir(ours), program); isFile(named) {
			err = os.Symlink(named, filepath.Join(d.ours, program))
		} else {
			// Not sh: dash drops the functions that bash exports.
			text := "#!/bin/bash\nexec " + shWord(ours) + " " + command + " \"$@\"\n"
			err = os.WriteFile(filepath.Join(d.ours, program), []byte(text), 0o777)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if gnu := findGNU(filepath.Dir(ours)); gnu != "" {
		d.gnu = t.TempDir()
		for _, program := range []string{"parallel", "sem"} {
			if err := os.Symlink(gnu, filepath.Join(d.gnu, program)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d
}

// shWord quotes one word for sh.
func shWord(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// findGNU returns the path of GNU parallel; what lies in the folder not is ours.
func findGNU(not string) string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, "parallel")
		if dir == not || !isFile(path) {
			continue
		}
		out, err := exec.Command(path, "--version").Output()
		if err == nil && bytes.HasPrefix(out, []byte("GNU parallel ")) {
			return path
		}
	}
	return ""
}

// gnuOutcome is what a script did.
type gnuOutcome struct {
	stdout, stderr string
	exit           int
	left           []string // temporary files that stayed
}

// run runs a script in a fresh folder, with the parallel that lies in door.
func (f *gnuFile) run(t *testing.T, c *gnuCase, door string) gnuOutcome {
	t.Helper()
	dir, home, tmp := t.TempDir(), t.TempDir(), t.TempDir()
	// GNU parallel's notice would stand among what is compared.
	if err := os.MkdirAll(filepath.Join(home, ".parallel"), 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, ".parallel", "will-cite"), "")
	for _, s := range f.shared {
		path := filepath.Join(dir, s.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, path, string(s.Data))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", c.script)
	cmd.Dir = dir
	space, check := freshSpace(t.Name())
	defer check()
	cmd.Env = []string{
		"PATH=" + door + ":/usr/local/bin:/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + tmp,
		"SHELL=/bin/bash", "LC_ALL=C", "USER=me", "GORACE=" + os.Getenv("GORACE"),
		spaceVariable + "=" + space,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	left, _ := filepath.Glob(filepath.Join(tmp, "*"))
	return gnuOutcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), left}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// hold fails the test where the outcome is not what the case wants.
func (c *gnuCase) hold(t *testing.T, who string, got gnuOutcome) {
	t.Helper()
	if got.stdout == c.stdout && got.exit == c.exit {
		return
	}
	have := gnuCase{script: c.script, stdout: got.stdout, exit: got.exit, differs: c.differs}
	t.Errorf("%s: %s\nstandard error: %s", who, diff.Diff("want", []byte(c.format()), who, []byte(have.format())), got.stderr)
}

// proofs are the cases that GNU parallel agreed to, by what gnuFile.proof says.
type proofs struct {
	sync.Mutex
	known map[string]bool
}

const proofsFile = gnuDir + "/verified"

func readProofs(t *testing.T) *proofs {
	t.Helper()
	text, err := os.ReadFile(proofsFile)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	p := &proofs{known: map[string]bool{}}
	for line := range strings.Lines(string(text)) {
		if proof := strings.TrimSpace(line); !strings.HasPrefix(proof, "#") {
			p.known[proof] = true
		}
	}
	return p
}

func (p *proofs) has(proof string) bool {
	p.Lock()
	defer p.Unlock()
	return p.known[proof]
}

func (p *proofs) add(proof string) {
	p.Lock()
	defer p.Unlock()
	p.known[proof] = true
}

// write keeps the proofs of the cases that there are now.
func (p *proofs) write(t *testing.T) {
	t.Helper()
	var kept []string
	for _, f := range readGNUFiles(t) {
		for _, section := range f.archive.Files {
			if !isGNUCase(section.Data) {
				continue
			}
			c, err := parseGNUCase(section.Name, string(section.Data))
			if err != nil {
				t.Fatal(err)
			}
			if proof := f.proof(&c); p.has(proof) && c.differs == "" {
				kept = append(kept, proof)
			}
		}
	}
	slices.Sort(kept)
	text := "# Cases that GNU parallel agreed to; written by go test -run TestGNU -cli.update.\n"
	write(t, proofsFile, text+strings.Join(slices.Compact(kept), "\n")+"\n")
}

// TestGNU holds us to GNU parallel's behaviour, case by case.
func TestGNU(t *testing.T) {
	open, known := openDoors(t), readProofs(t)
	if *gnuUpdate {
		if open.gnu == "" {
			t.Fatal("GNU parallel is not installed, and only it can say what it does")
		}
		updateGNU(t, open, known)
		return
	}
	for _, f := range readGNUFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(f.path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			for _, section := range f.archive.Files {
				if !isGNUCase(section.Data) {
					continue
				}
				t.Run(section.Name, func(t *testing.T) {
					t.Parallel()
					c, err := parseGNUCase(section.Name, string(section.Data))
					if err != nil {
						t.Fatal(err)
					}
					holdCase(t, f, &c, open, known)
				})
			}
		})
	}
}

// holdCase runs one case with us, and with GNU parallel unless that was done.
func holdCase(t *testing.T, f *gnuFile, c *gnuCase, open doors, known *proofs) {
	got := f.run(t, c, open.ours)
	c.hold(t, "tutti", got)
	if len(got.left) > 0 {
		t.Errorf("temporary files were left: %v", got.left)
	}
	if c.differs != "" || known.has(f.proof(c)) && !*gnuAll {
		return
	}
	if open.gnu == "" || testing.Short() {
		t.Error("what this case wants was never proven on GNU parallel; where that is installed, run go test ./internal/cli -run TestGNU -cli.update")
		return
	}
	c.hold(t, "GNU", f.run(t, c, open.gnu))
}

// updateGNU writes what GNU parallel does into the archives.
func updateGNU(t *testing.T, open doors, known *proofs) {
	t.Run("files", func(t *testing.T) {
		for _, f := range readGNUFiles(t) {
			t.Run(strings.TrimSuffix(filepath.Base(f.path), ".txtar"), func(t *testing.T) {
				t.Parallel()
				f.update(t, open, known)
				write(t, f.path, string(txtar.Format(f.archive)))
			})
		}
	})
	known.write(t)
}

// update lets GNU parallel say what each case wants that is not yet proven.
func (f *gnuFile) update(t *testing.T, open doors, known *proofs) {
	t.Helper()
	for i := range f.archive.Files {
		section := &f.archive.Files[i]
		if !isGNUCase(section.Data) {
			continue
		}
		c, err := parseGNUCase(section.Name, string(section.Data))
		if err != nil {
			t.Fatalf("%s: %v", section.Name, err)
		}
		if c.differs != "" || known.has(f.proof(&c)) && !*gnuAll {
			continue
		}
		got := f.run(t, &c, open.gnu)
		c.stdout, c.exit = got.stdout, got.exit
		if c.exit < 0 {
			t.Errorf("%s: did not end: %s", c.title, got.stderr)
			continue
		}
		if again, err := parseGNUCase(c.title, c.format()); err != nil || again != c || strings.Contains("\n"+c.stdout, "\n-- ") {
			t.Errorf("%s: its output cannot be told from the case itself: %q", c.title, c.stdout)
			continue
		}
		known.add(f.proof(&c))
		section.Data = []byte(c.format())
	}
}
