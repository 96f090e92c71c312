package cli

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// GNU parallel's list for judging tools of its kind, parallel_alternatives(7),
// "testing other tools", by its own names. -cli.long takes the sizes given there;
// without it they are as large as shows the fault in seconds.
var long = flag.Bool("cli.long", false, "run the acceptance tests in their full sizes")

// sized is a size of the list, or one for every day.
func sized(full, daily int) int {
	if *long {
		return full
	}
	return daily
}

// shellRun is a bash script that runs in a folder of its own.
type shellRun struct {
	dir, tmp string // tmp is TMPDIR
	cmd      *exec.Cmd
	stderr   bytes.Buffer
}

// shell prepares a script; values are set as variables in its environment.
func shell(t *testing.T, script string, values ...string) *shellRun {
	t.Helper()
	r := &shellRun{dir: t.TempDir(), tmp: t.TempDir()}
	r.cmd = exec.CommandContext(t.Context(), "bash", "-c", script)
	r.cmd.Dir = r.dir
	r.cmd.Env = append(os.Environ(), "TMPDIR="+r.tmp, "SHELL=/bin/bash", "LC_ALL=C")
	r.cmd.Env = append(r.cmd.Env, values...)
	r.cmd.Stderr = &r.stderr
	return r
}

// to runs the script and writes what it prints to w. It returns the exit code.
func (r *shellRun) to(t *testing.T, w io.Writer) int {
	t.Helper()
	r.cmd.Stdout = w
	err := r.cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("%v: %s", err, r.stderr.String())
	}
	if left := r.left(); len(left) > 0 {
		t.Errorf("temporary files were left: %v", left)
	}
	return r.cmd.ProcessState.ExitCode()
}

// output is what a script prints that must succeed.
func (r *shellRun) output(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if code := r.to(t, &out); code != 0 {
		t.Fatalf("exit code %d: %s", code, r.stderr.String())
	}
	return out.String()
}

// left are the temporary files that are there.
func (r *shellRun) left() []string {
	names, _ := filepath.Glob(filepath.Join(r.tmp, "*"))
	return names
}

// counter counts bytes and lines, and knows whether the bytes were all the same.
type counter struct{ bytes, lines, other int64 }

func (c *counter) Write(p []byte) (int, error) {
	lines := bytes.Count(p, []byte("\n"))
	c.bytes += int64(len(p))
	c.lines += int64(lines)
	c.other += int64(len(p) - lines - bytes.Count(p, []byte("a")))
	return len(p), nil
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMix: the output of jobs does not mix, not even in the middle of long lines.
func TestMix(t *testing.T) {
	t.Parallel()
	const job = `for letter in a b c d e f; do
	case $letter in b|d|f) exec 3>&2;; *) exec 3>&1;; esac
	head -c $SIZE /dev/zero | tr '\0' $letter >&3
	printf ' ' >&3
done
echo; echo >&2`
	jobs, size := sized(30, 10), sized(3_000_000, 300_000)
	for _, how := range []string{"--group", "-k", "--line-buffer", "-k --line-buffer", "--compress"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := shell(t, `set -o pipefail
{ seq $JOBS | tutti map -j0 `+how+` 'bash job' 2>&3 | tr -s abcdef > out; } 3>&1 | tr -s abcdef > errors; code=$?
cat out errors; exit $code`, "JOBS="+strconv.Itoa(jobs), "SIZE="+strconv.Itoa(size))
			write(t, filepath.Join(r.dir, "job"), job)
			got := r.output(t)
			if out, errs := strings.Count(got, "a c e \n"), strings.Count(got, "b d f \n"); out != jobs || errs != jobs || len(got) != 14*jobs {
				t.Errorf("%d jobs: %d whole on standard output, %d on standard error: %.300q", jobs, out, errs, got)
			}
		})
	}
}

// TestStderrMerge: standard error is not merged into standard output.
func TestStderrMerge(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"", "-k", "-u", "--line-buffer", "--tagstring t"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := shell(t, `tutti map -j1 `+how+` 'echo stdout; echo stderr >&2; echo stdout; echo stderr >&2; true' ::: a 2> errors; cat errors`)
			got := strings.ReplaceAll(r.output(t), "t\ts", "s")
			wantText(t, got, "stdout\nstdout\nstderr\nstderr\n")
		})
	}
}

// TestRAM: output is not kept in memory, neither of the job whose turn it is nor
// of those that wait for it.
func TestRAM(t *testing.T) {
	t.Parallel()
	jobs, mib := sized(20, 3), sized(1024, 160)
	for _, how := range []string{"-j2", "-j3 -k", "-j2 --tag", "-j2 --line-buffer", "-j3 -k --line-buffer"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			// With -k the first waits for the others, so that these are to be kept.
			peakPath := filepath.Join(t.TempDir(), "peak")
			r := shell(t, `mkfifo done; seq $JOBS | tutti map `+how+` 'head -c ${MIB}M /dev/zero | tr "\0" a
case "{} '`+how+`'" in "1 "*-k*) cat done;; "2 "*-k*) : > done;; esac; true'`,
				"JOBS="+strconv.Itoa(jobs), "MIB="+strconv.Itoa(mib), peakFile+"="+peakPath)
			var c counter
			code := r.to(t, &c)
			if want := int64(jobs) * int64(mib) << 20; code != 0 || c.bytes < want || c.bytes > want+16 {
				t.Errorf("exit code %d, %d bytes, want %d: %s", code, c.bytes, want, r.stderr.String())
			}
			if peak := readPeak(t, peakPath); peak > int64(mib)<<10*3/4 {
				t.Errorf("%d KB of memory for %d MiB of output", peak, jobs*mib)
			}
		})
	}
}

// TestDiskFull: when the temporary folder runs full, output is whole or an error
// says which is not.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if !mayMount() {
		t.Skip("a full disk cannot be had: a small file system may not be mounted here")
	}
	for _, how := range []string{"", "-k", "--line-buffer -k", "--compress", "--files", "--results out"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			small := t.TempDir()
			if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=4m"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
			// The disk is full while much is printed, and has room again later.
			r := shell(t, `cd $SMALL; export TMPDIR=$SMALL
seq 4 | tutti map -j1 `+how+` 'head -c 100M /dev/zero > fill 2>&-; head -c 3000000 /dev/urandom | tr "\n\r" xx
echo; echo This part; rm fill; echo Final {}'`, "SMALL="+small)
			var out bytes.Buffer
			code := r.to(t, &out)
			whole := strings.Count(out.String(), "\nThis part\nFinal ") == 4 && out.Len() > 12_000_000
			named := strings.Contains(r.stderr.String(), "not whole") || strings.Contains(r.stderr.String(), "no space left")
			if !whole && (code == 0 || !named) {
				t.Errorf("exit code %d, %d bytes of output; standard error: %s", code, out.Len(), r.stderr.String())
			}
		})
	}
}

// TestCleanup: nothing is left when tutti is killed and can do nothing about it, once
// its workers have ended, which are between it and the commands.
func TestCleanup(t *testing.T) {
	t.Parallel()
	const job = `head -c 4000000 /dev/zero; head -c 4000000 /dev/zero >&2
echo $PARALLEL_PID > master
p=$$; until test $p = $PARALLEL_PID; do echo $p >> pids; p=$(sed -n 's/^PPid:\t//p' /proc/$p/status); done
echo begun > begun; exec sleep 1000`
	for name, run := range map[string]string{
		"grouped":       `tutti map -j2 -k 'bash job #' ::: 1 2`,
		"line buffered": `tutti map -j2 -k --line-buffer 'bash job #' ::: 1 2`,
		"compressed":    `tutti map -j2 --compress 'bash job #' ::: 1 2`,
		"pipe":          `yes | head -c 4000000 | tutti map -j2 --pipe --block 2M 'bash job #'`,
		"cat":           `yes | head -c 4000000 | tutti map -j2 --pipe --cat --block 2M 'bash job # {}'`,
		"fifo":          `yes | head -c 4000000 | tutti map -j2 --pipe --fifo --block 2M 'bash job < {}'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := shell(t, `mkfifo begun; exec 5<>begun
{ `+run+` ; echo ended > begun; } > /dev/null 2> errors &
for i in 1 2; do read -u5 word; test $word = begun || { cat errors >&2; exit 1; }; done
kill -9 $(cat master); cat pids`)
			write(t, filepath.Join(r.dir, "job"), job)
			r.cmd.Stdout = new(bytes.Buffer)
			if err := r.cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, r.stderr.String())
			}
			for _, pid := range strings.Fields(r.cmd.Stdout.(*bytes.Buffer).String()) {
				awaitEnd(t, pid)
			}
			if left := r.left(); len(left) > 0 {
				t.Errorf("temporary files were left: %v", left)
			}
		})
	}
}

// awaitEnd waits for the end of a process.
func awaitEnd(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(n, 0)
	if err == unix.ESRCH {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if n, err := pollAgain([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, patience); n != 1 || err != nil {
		t.Errorf("process %s is still there (%v)", pid, err)
	}
}

// TestSpcChar: names hold every byte that a name can hold, and are only names.
func TestSpcChar(t *testing.T) {
	t.Parallel()
	r := shell(t, `find . -type f -print0 | sort -z > ../names
for how in 'cat {}' 'cat {};' 'cat {} | cat' 'cat {//}/{/}' 'cat < {}' 'x={}; cat "$x"'; do
	tutti map -0 -k "$how" < ../names | md5sum
done | uniq | wc -l
xargs -0 cat < ../names | md5sum
tutti map -0 -k cat {} < ../names | md5sum
tutti map -0 -k --dry-run printf '%s\\0' {} < ../names | bash | cmp - ../names
tutti map -0 -X -j1 printf '%s\\0' < ../names | cmp - ../names
tutti map -0 -k -q printf '%s\0' < ../names | cmp - ../names`)
	dir := filepath.Join(r.dir, "names here")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	r.cmd.Dir = dir
	names := []string{`My brother's 12" *** record  (costs $$$).jpg`, "-rf", "--", "~", "$HOME", "{}", "{1}", "{.}", "\nb", " b", "#b", "=b", "!b"}
	for b := 1; b < 256; b++ {
		if b != '/' {
			names = append(names, "x"+string([]byte{byte(b)}))
		}
	}
	for _, name := range names {
		write(t, filepath.Join(dir, name), "this is "+name)
	}
	lines := strings.Split(r.output(t), "\n")
	if len(lines) != 4 || lines[0] != "1" || lines[1] != lines[2] {
		t.Errorf("got %q; standard error: %s", lines, r.stderr.String())
	}
	if r.stderr.Len() > 0 {
		t.Errorf("standard error: %s", r.stderr.String())
	}
}

// TestComposed: composed commands work as they are.
func TestComposed(t *testing.T) {
	t.Parallel()
	wantText(t, shell(t, `echo bar | tutti map echo foo';' echo {}`).output(t), "foo\nbar\n")
	wantText(t, shell(t, `echo bar | tutti map 'for i in 1 2; do echo $i {}; done | tac && echo end'`).output(t), "2 bar\n1 bar\nend\n")
}

// TestOneRep: a replacement string may stand in a command more than once.
func TestOneRep(t *testing.T) {
	t.Parallel()
	wantText(t, shell(t, `echo bar | tutti map echo {} foo {}`).output(t), "bar foo bar\n")
	wantText(t, shell(t, `echo a/b.c | tutti map echo {} {.} {/} {//} {/.} {} {.}`).output(t), "a/b.c a/b b.c a b a/b.c a/b\n")
}

// TestInputSize: a line of input is not limited but by the system, where it goes
// into a command; and then the limit is said.
func TestInputSize(t *testing.T) {
	t.Parallel()
	size := sized(100_000_000, 10_000_000)
	long := fmt.Sprintf(`{ printf foo.; head -c %d /dev/zero | tr '\0' x; }`, size)
	wantText(t, shell(t, long+` | tutti map echo {.}`).output(t), "foo\n")
	wantText(t, shell(t, `head -c 131000 /dev/zero | tr '\0' x | tutti map echo {} | wc -c`).output(t), "131001\n")
	wantText(t, shell(t, `head -c 131000 /dev/zero | tr '\0' x | tutti map 'echo {}' | wc -c`).output(t), "131001\n")

	r := shell(t, long+` | cat - <(echo; echo b) | tutti map -j1 echo {}`)
	var out bytes.Buffer
	if code := r.to(t, &out); code == 0 || !strings.Contains(r.stderr.String(), "too long") || r.stderr.Len() > 2000 {
		t.Errorf("exit code %d; standard error: %.2000s", code, r.stderr.String())
	}
}

// TestNumWords: many words, in the output and in the input, cost no more than few.
func TestNumWords(t *testing.T) {
	t.Parallel()
	jobs, size := sized(30, 8), sized(10<<20, 2<<20)
	values := []string{"JOBS=" + strconv.Itoa(jobs), "SIZE=" + strconv.Itoa(size)}
	for _, how := range []string{"", "-k", "--tag", "--line-buffer"} { // with -n0 the tag is empty
		r := shell(t, `seq $JOBS | tutti map -j0 -n0 `+how+` 'yes "$(seq -s " " 1000)" | head -c $SIZE; echo' | wc -w`, values...)
		once := shell(t, `yes "$(seq -s " " 1000)" | head -c $SIZE | wc -w`, values...)
		got, err := strconv.Atoi(strings.TrimSpace(r.output(t)))
		words, err2 := strconv.Atoi(strings.TrimSpace(once.output(t)))
		if err := errors.Join(err, err2); err != nil || got != jobs*words {
			t.Errorf("%s: %d words (%v), want %d", how, got, err, jobs*words)
		}
	}
	// More words than one command line can hold.
	wantText(t, shell(t, `seq 500000 | tutti map -X echo | wc -w`).output(t), "500000\n")
	wantText(t, shell(t, `seq 500000 | tutti map -m -j1 -k echo | tr ' ' '\n' | cmp - <(seq 500000) && echo same`).output(t), "same\n")
}

// Test4GB: a line longer than 4 GiB comes out whole. Every day it is shorter, so
// what is shown then is that a line may be longer than any buffer.
func Test4GB(t *testing.T) {
	t.Parallel()
	size := int64(sized(5_000_000_000, 150_000_000))
	for _, how := range []string{"", "-k", "--tagstring a", "--line-buffer"} {
		begin := time.Now()
		r := shell(t, `seq 1 | tutti map -j0 --joblog log -n0 `+how+` 'head -c $SIZE /dev/zero | tr "\0" a; echo' && tail -n 1 log | cut -f6 >&2`, "SIZE="+strconv.FormatInt(size, 10))
		var c counter
		code := r.to(t, &c)
		tag := int64(0)
		if strings.Contains(how, "tag") {
			tag = int64(len("a\t"))
		}
		if code != 0 || c.bytes != size+1+tag || c.lines != 1 || c.other != tag/2 {
			t.Errorf("%q: exit code %d, %+v: %s", how, code, c, r.stderr.String())
		}
		wantText(t, r.stderr.String(), strconv.FormatInt(size+1, 10)+"\n")
		t.Logf("%q: %d MB in %v", how, size/1_000_000, time.Since(begin).Round(time.Millisecond))
	}
}

// TestMillion: a million inputs, in order, each once.
func TestMillion(t *testing.T) {
	t.Parallel()
	for _, run := range []string{
		`tutti map -k --dry-run ''`,
		`tutti map -k --dry-run {}`,
		`tutti map -j2 -k -X echo | tr ' ' '\n'`,
		`tutti map -j2 -k --pipe --block 500k cat`,
		`tutti map -j1 -k -n 20000 echo | tr ' ' '\n'`,
	} {
		t.Run(run, func(t *testing.T) {
			t.Parallel()
			r := shell(t, `seq 1000000 | `+run+` | sed 's/^ //' | cmp - <(seq 1000000) && echo same`)
			wantText(t, r.output(t), "same\n")
		})
	}
}
