package proc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRunExit(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"exit 0":                    "exit status 0",
		"exit 7":                    "exit status 7",
		"kill -TERM $$":             "signal 15 (terminated)",
		"kill -KILL $$":             "signal 9 (killed)",
		"ulimit -c 0; kill -BUS $$": "signal 7 (bus error)",
		"exec >&- 2>&-; exit 2":     "exit status 2", // streams end before the command
	} {
		res := capture(t.Context(), Command{Argv: shell(script)})
		if got := res.Status.String(); got != want || res.StartErr != nil || res.Stopped != "" || res.Strays != nil {
			t.Errorf("%s: %+v", script, res)
		}
		if res.Start.IsZero() || res.Runtime <= 0 {
			t.Errorf("%s: began %v, took %v", script, res.Start, res.Runtime)
		}
	}
}

func TestRunStreams(t *testing.T) {
	t.Parallel()
	in, w := pipe(t)
	w.WriteString("from stdin")
	w.Close()
	res := capture(t.Context(), Command{
		Argv: shell(`cat; echo bad >&2; pwd >&2; echo "$V" >&2`), Stdin: in, Dir: "/usr", Env: []string{"V=x", "PATH=/bin:/usr/bin"},
	})
	if string(res.Stdout.Head) != "from stdin" || string(res.Stderr.Head) != "bad\n/usr\nx\n" {
		t.Errorf("%q %q", res.Stdout.Head, res.Stderr.Head)
	}
	// No input is an empty one, and not ours.
	if res = capture(t.Context(), Command{Argv: []string{"cat"}}); len(res.Stdout.Head) != 0 || res.Status.Exit != 0 {
		t.Errorf("%+v", res)
	}
}

func TestRunDirect(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	res := capture(t.Context(), Command{Argv: shell("echo out; echo err >&2"), Stdout: w})
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil || string(text) != "out\n" || res.Stdout.Head != nil || res.Status.Exit != 0 {
		t.Errorf("%q %+v", text, res)
	}
}

func TestRunStartErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "echo no", 0o644)
	interpreter := write("interpreter", "#!/nonexistent\n", 0o755)
	write("noshebang", "echo ran by sh; exit 3", 0o755)
	path := []string{"PATH=" + dir}
	for _, c := range []struct {
		command Command
		exit    int
		err     error
	}{
		{Command{}, 127, ErrNotFound},
		{Command{Argv: []string{""}}, 127, ErrNotFound},
		{Command{Argv: []string{"no-such-command"}}, 127, ErrNotFound},
		{Command{Argv: []string{"/no/such"}}, 127, ErrNotFound},
		{Command{Argv: []string{plain + "/below"}}, 127, ErrNotFound},
		{Command{Argv: []string{interpreter}}, 127, ErrNotFound},
		{Command{Argv: []string{"true"}, Env: path}, 127, ErrNotFound},
		{Command{Argv: []string{plain}}, 126, ErrNotExecutable},
		{Command{Argv: []string{"plain"}, Env: path}, 126, ErrNotExecutable},
		{Command{Argv: []string{"/"}}, 126, ErrNotExecutable},
		{Command{Argv: []string{"true", strings.Repeat("x", 1<<20)}}, 126, ErrNotExecutable},
		{Command{Argv: []string{"true"}, Dir: "/no/such"}, 126, os.ErrNotExist},
		{Command{Argv: []string{"true"}, Dir: plain}, 126, syscall.ENOTDIR},
		{Command{Argv: []string{"true"}, Cgroup: dir + "/no/such"}, 126, os.ErrNotExist},
		{Command{Argv: []string{"noshebang"}, Env: path}, 3, nil},
		{Command{Argv: []string{"noshebang"}, Env: []string{"PATH=:"}, Dir: dir}, 3, nil},
		{Command{Argv: []string{"./noshebang"}, Dir: dir}, 3, nil},
		{Command{Argv: []string{"true"}, Env: []string{}}, 0, nil},
	} {
		res := Run(t.Context(), c.command)
		if res.Status.Exit != c.exit || !errors.Is(res.StartErr, c.err) {
			t.Errorf("%.60q: exit %d, error %v; want %d, %v", c.command.Argv, res.Status.Exit, res.StartErr, c.exit, c.err)
		}
		if errors.Is(res.StartErr, ErrNotFound) != (c.exit == 127) {
			t.Errorf("%.60q: %v", c.command.Argv, res.StartErr)
		}
	}
}

func TestRunMark(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env    []string
		prefix string
	}{
		{[]string{"A=1"}, markPrefix()},
		{[]string{MarkVariable + "=outer", "A=1"}, "outer/" + markPrefix()},
	} {
		res := capture(t.Context(), Command{Argv: []string{"/usr/bin/env"}, Env: c.env})
		text := string(res.Stdout.Head)
		if !strings.HasPrefix(text, "A=1\n"+MarkVariable+"="+c.prefix) || strings.Count(text, "\n") != 2 {
			t.Errorf("%q", text)
		}
	}
}

func TestRunBigOutput(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	dir := t.TempDir()
	want := map[string][32]byte{}
	source := rand.NewChaCha8([32]byte{1})
	for _, name := range []string{"out", "err"} {
		data := make([]byte, size)
		source.Read(data)
		want[name] = sha256.Sum256(data)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, room := range []int{1000, 4096, 256 << 10} {
		out, errs := &memory{room: room}, &memory{room: room}
		capture(t.Context(), Command{Argv: shell("cat out & cat err >&2; wait"), Dir: dir, Out: out, Err: errs})
		for name, m := range map[string]*memory{"out": out, "err": errs} {
			if sha256.Sum256(m.data) != want[name] {
				t.Errorf("room %d: %s is not what was written", room, name)
			}
		}
	}
}

func TestRunNice(t *testing.T) {
	t.Parallel()
	nice := 19
	res := capture(t.Context(), Command{Argv: shell("ps -o ni= -p $$"), Nice: &nice})
	if strings.TrimSpace(string(res.Stdout.Head)) != "19" {
		t.Errorf("%q: %+v", res.Stdout.Head, res)
	}
}

// give is an Input of so many bytes, in pieces, that fails with err in place of
// its end.
type give struct {
	left, piece int
	err         error
}

func (g *give) Feed(fd int) error {
	for g.left > 0 {
		n, err := unix.Write(fd, make([]byte, min(g.piece, g.left)))
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return err
		}
		g.left -= n
	}
	if g.err != nil {
		return g.err
	}
	return io.EOF
}

func TestRunInput(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	for _, c := range []struct {
		script string
		input  give
		want   string
		err    error
	}{
		{"wc -c", give{left: 1_000_000, piece: 100_000}, "1000000\n", nil},
		{"wc -c", give{}, "0\n", nil},
		{"head -c 1 | wc -c; exec sleep 0", give{left: 10 << 20, piece: 1 << 20}, "1\n", nil},
		{"exec <&-; echo done", give{left: 10 << 20, piece: 1 << 20}, "done\n", nil},
		{"wc -c", give{left: 10, piece: 10, err: lost}, "10\n", lost},
		{"head -c 200000 /dev/zero >&2; wc -c", give{left: 300_000, piece: 70_000}, "300000\n", nil},
	} {
		res := capture(t.Context(), Command{Argv: shell(c.script), Input: &c.input})
		if string(res.Stdout.Head) != c.want || res.InputErr != c.err || res.Status.Exit != 0 {
			t.Errorf("%s: %q, %v, %v", c.script, res.Stdout.Head, res.InputErr, res.Status)
		}
	}
}

// What was written before the end is whole although the pipe has another holder.
func TestRunBackgroundHoldsPipe(t *testing.T) {
	ready := newFIFO(t)
	res := capture(t.Context(), Command{Argv: shell(`
		sh -c 'echo $$ > "$0"; while :; do sleep 1000; done' "$1" &
		head -c 60000 /dev/zero; read pid < "$1"; echo $pid >&2`, ready.path)})
	if len(res.Stdout.Head) != 60000 || res.Status.Exit != 0 || res.Stopped != "" {
		t.Errorf("%d bytes, %v", len(res.Stdout.Head), res.Status)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(res.Stderr.Head)))
	if err != nil || len(res.Strays) == 0 || res.Strays[0] != (Stray{pid, "sh"}) {
		t.Fatalf("strays %v, want %d (%v)", res.Strays, pid, err)
	}
	mustEndTree(t, pid)
}

func TestRunStopped(t *testing.T) {
	t.Parallel()
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if res := Run(late, Command{Argv: []string{"true"}}); res.Stopped != "timeout" || res.StartErr == nil || res.Status.Exit != -1 {
		t.Errorf("%+v", res)
	}
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if res := Run(soon, Command{Argv: []string{"sleep", "1000"}}); res.Stopped != "timeout" {
		t.Errorf("%+v", res)
	}
}

// stopWhenReady runs a script until it has written a line to the fifo $1, and
// then cancels it. After the line "stops PID" it waits for PID to be stopped.
func stopWhenReady(t *testing.T, script string, term []TermStep) (captured, string) {
	t.Helper()
	ready := newFIFO(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := begin(ctx, Command{Argv: shell(script, ready.path), Term: term})
	line := ready.line(t)
	if pid, found := strings.CutPrefix(line, "stops "); found {
		id, _ := strconv.Atoi(pid)
		var info exitInfo
		if err := waitid(unix.P_PID, id, unix.WSTOPPED, &info, nil); err != nil {
			t.Error(err)
		}
	}
	cancel()
	res := <-done
	if res.Stopped != "cancelled" || res.StartErr != nil || len(res.Strays) != 0 {
		t.Errorf("%+v", res)
	}
	return res, line
}

func TestRunTermSequence(t *testing.T) {
	t.Parallel()
	patient := []TermStep{{syscall.SIGTERM, time.Hour}}
	for _, c := range []struct {
		name, script string
		term         []TermStep
		want, output string
	}{
		{"kill at once", `trap 'echo no' TERM; echo > "$1"; while :; do sleep 1000; done`, nil, "signal 9 (killed)", ""},
		{"obeys", `echo > "$1"; while :; do sleep 1000; done`, patient, "signal 15 (terminated)", ""},
		{"cleans up", `trap 'echo bye; exit 7' TERM; sh -c 'echo > "$0"; exec sleep 1000' "$1" & wait`, patient, "exit status 7", "bye\n"},
		{"stopped", `trap 'echo bye; exit 7' TERM; echo stops $$ > "$1"; kill -STOP $$; echo no`, patient, "exit status 7", "bye\n"},
		{"ignores", `trap '' TERM; echo > "$1"; while :; do sleep 1000; done`, []TermStep{
			{syscall.SIGTERM, time.Millisecond}, {syscall.SIGTERM, time.Millisecond}, {syscall.SIGKILL, time.Hour}}, "signal 9 (killed)", ""},
		{"child ignores", `(trap '' TERM; echo > "$1"; while :; do sleep 1000; done) & wait`, []TermStep{{syscall.SIGTERM, 10 * time.Millisecond}}, "signal 15 (terminated)", ""},
		{"escapes", daemon + `; while :; do sleep 1000; done`, patient, "signal 15 (terminated)", ""},
		{"next step", `trap '' TERM; trap 'exit 8' INT; echo > "$1"; sleep 1000 & wait; wait`, []TermStep{
			{syscall.SIGTERM, time.Millisecond}, {syscall.SIGINT, time.Millisecond}, {syscall.SIGHUP, 0}}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res, line := stopWhenReady(t, c.script, c.term)
			if got := res.Status.String(); c.want != "" && got != c.want || string(res.Stdout.Head) != c.output {
				t.Errorf("%s, output %q", got, res.Stdout.Head)
			}
			if pid, err := strconv.Atoi(line); err == nil {
				mustBeGone(t, pid)
			}
		})
	}
}

func TestRunConcurrently(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 25 {
				want := strconv.Itoa(i*100 + j)
				res := capture(ctx, Command{Argv: shell("echo " + want + "; exit 3")})
				if string(res.Stdout.Head) != want+"\n" || res.Status.Exit != 3 || res.Strays != nil {
					t.Errorf("%+v", res)
				}
			}
		})
	}
	wg.Wait()
}

func TestRunLeaksNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := openFDs()
	for i := range 200 {
		argv := [][]string{{"/bin/true"}, {"/no/such"}, shell("exit 1"), shell("true & exit 0")}[i%4]
		res := capture(ctx, Command{Argv: argv})
		if res.Stopped != "" {
			t.Errorf("%+v", res)
		}
		for _, s := range res.Strays { // true may still be about to end
			if err := KillTree(s.PID); err != nil {
				t.Error(err)
			}
		}
	}
	if hasChildren() {
		t.Error("children are left")
	}
	if after := openFDs(); len(after) != len(before) {
		t.Errorf("descriptors before %v, after %v", before, after)
	}
}

// A command has what is handed to it under the numbers that are said, also where
// they cross.
func TestRunHanded(t *testing.T) {
	t.Parallel()
	r1, w1 := pipe(t)
	r2, w2 := pipe(t)
	_, _ = w1.WriteString("one\nagain\n")
	_, _ = w2.WriteString("two\n")
	a, b := int(r1.Fd()), int(r2.Fd())
	script := fmt.Sprintf("read x <&%d; read y <&%d; read z <&120; echo $x $y $z", b, a)
	res := capture(t.Context(), Command{Argv: []string{"bash", "-c", script}, Handed: []Handed{{a, b}, {b, a}, {a, 120}}})
	if string(res.Stdout.Head) != "one two again\n" {
		t.Errorf("%+v %q %q", res.Result, res.Stdout.Head, res.Stderr.Head)
	}
}

func TestPlaced(t *testing.T) {
	t.Parallel()
	none := ^uintptr(0)
	for _, c := range []struct {
		handed []Handed
		want   []uintptr
	}{
		{nil, []uintptr{0, 1, 2}},
		{[]Handed{{12, 3}}, []uintptr{0, 1, 2, 12}},
		{[]Handed{{12, 7}, {13, 5}}, []uintptr{0, 1, 2, none, none, 13, none, 12}},
	} {
		if got := placed([]uintptr{0, 1, 2}, c.handed); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.handed, got, c.want)
		}
	}
}
