package cli

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// inletTest is an inlet with a pipe.
type inletTest struct {
	*inlet
	t    *testing.T
	to   *os.File
	line chan string // that was read
}

func newInletTest(t *testing.T) *inletTest {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = to.Close()
		_ = from.Close()
	})
	return &inletTest{newInlet(from), t, to, make(chan string)}
}

// begin has a reader read once, and got checks what it has read.
func (in *inletTest) begin() {
	go func() {
		var b [64]byte
		n, err := in.Read(b[:])
		if err != nil {
			in.t.Error(err)
		}
		in.line <- string(b[:n])
	}()
}

func (in *inletTest) got(want string) {
	in.t.Helper()
	if got := <-in.line; got != want {
		in.t.Errorf("read %q, want %q", got, want)
	}
}

// write has a line come.
func (in *inletTest) write(line string) {
	in.t.Helper()
	if _, err := in.to.WriteString(line); err != nil {
		in.t.Fatal(err)
	}
}

func (in *inletTest) slot() *dialog {
	in.t.Helper()
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		in.t.Fatal(err)
	}
	d := &dialog{bell: bell}
	in.t.Cleanup(func() { _ = unix.Close(bell) })
	return d
}

// looksOut has a slot look out as soon as the reader waits, for which it is rung if it
// comes first.
func (in *inletTest) looksOut(d *dialog) {
	for in.watch(d) < 0 {
		awaitAny([]unix.PollFd{{Fd: int32(d.bell), Events: unix.POLLIN}}, -1)
		d.heard()
		in.watched(d, false)
	}
}

func TestInlet(t *testing.T) {
	t.Parallel()
	in := newInletTest(t)
	in.begin()
	in.write("nobody looks out")
	in.got("nobody looks out")
	first, second := in.slot(), in.slot()
	in.join(first)
	in.join(second)
	for range 100 {
		in.begin()
		in.looksOut(first)
		if in.watch(second) >= 0 {
			t.Fatal("two look out")
		}
		in.watched(second, true) // whatever it was that it saw
		in.write("seen by the first")
		in.watched(first, true)
		in.got("seen by the first")
	}
	in.write("there before")
	in.begin()
	in.got("there before")

	in.begin()
	in.looksOut(first)
	in.watched(first, false)
	in.leave(first)
	in.looksOut(second)
	in.write("seen by the second")
	in.watched(second, true)
	in.got("seen by the second")

	in.begin()
	in.looksOut(second)
	in.holdUp(func() {
		in.write("while all are held up")
		in.got("while all are held up")
	})
	in.begin()
	in.looksOut(second)
	in.leave(second)
	in.write("nobody looks out any more")
	in.got("nobody looks out any more")
}

// A file on a disk is read without anybody who looks out.
func TestInletOfFile(t *testing.T) {
	t.Parallel()
	name := t.TempDir() + "/file"
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := newInlet(f)
	in.join(&dialog{bell: -1})
	var b [64]byte
	if n, err := in.Read(b[:]); string(b[:n]) != "text" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
	if n, err := in.Read(b[:]); n != 0 || err == nil {
		t.Errorf("%d bytes at the end, %v", n, err)
	}
}
