package jobserver

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pool makes a pool with these tokens, and a client of it.
func pool(t *testing.T, tokens string, jobs int) (read, write *os.File, c *Client) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	read, write = os.NewFile(uintptr(ends[0]), "read"), os.NewFile(uintptr(ends[1]), "write")
	if _, err := write.WriteString(tokens); err != nil {
		t.Fatal(err)
	}
	c, err := Open(Auth{Read: ends[0], Write: ends[1], Jobs: jobs}, len(tokens))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close(); _ = c.Close() })
	return read, write, c
}

func take(t *testing.T, c *Client) {
	t.Helper()
	if ok, err := c.Take(nil, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
}

func count(t *testing.T, c *Client, held, free int) {
	t.Helper()
	h, err := c.Held()
	f, err2 := c.Free()
	if h != held || f != free || err != nil || err2 != nil {
		t.Errorf("%d held, %d free, %v, %v; want %d and %d", h, f, err, err2, held, free)
	}
}

// Tokens come back as they were, and the strangers' open file stays blocking.
func TestTokensAreBytes(t *testing.T) {
	t.Parallel()
	read, write, c := pool(t, "a\x00\xff+", 5)
	for range 4 {
		take(t, c)
	}
	count(t, c, 4, 0)
	for range 4 {
		if err := c.Give(); err != nil {
			t.Fatal(err)
		}
	}
	count(t, c, 0, 4)
	for _, f := range []*os.File{read, write} {
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("flags %#x, %v", flags, err)
		}
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(read, got); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(got); string(got) != "\x00+a\xff" {
		t.Errorf("%q", got)
	}
}

// Who waits gets what comes, and waits no longer when told so.
func TestTakeWaits(t *testing.T) {
	t.Parallel()
	_, write, c := pool(t, "", 2)
	stop := make(chan struct{})
	taken := make(chan bool)
	for range 2 {
		go func() {
			ok, err := c.Take(stop, nil)
			if err != nil {
				t.Error(err)
			}
			taken <- ok
		}()
		select {
		case <-taken:
			t.Fatal("there was no token")
		default:
		}
		if _, err := write.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		if !<-taken {
			t.Fatal("the token was not taken")
		}
	}
	go func() {
		ok, _ := c.Take(nil, stop)
		taken <- ok
	}()
	close(stop)
	if <-taken {
		t.Error("taken after the stop")
	}
	take2 := make(chan struct{}) // a wait that was ended ends no other
	go func() {
		defer close(take2)
		take(t, c)
	}()
	_, _ = write.WriteString("y")
	<-take2
}

// A pool with more tokens than a pipe has slots has room for all of them, one by one.
func TestRoom(t *testing.T) {
	t.Parallel()
	const n = 100
	read, write, c := pool(t, strings.Repeat("+", n), n+1)
	for range 3 {
		for range n {
			take(t, c)
		}
		count(t, c, n, 0)
		for range n {
			if err := c.Give(); err != nil {
				t.Fatal(err)
			}
		}
		count(t, c, 0, n)
	}
	// And a make that gives one back then does not wait.
	var one [1]byte
	if _, err := read.Read(one[:]); err != nil {
		t.Fatal(err)
	}
	fds := []unix.PollFd{{Fd: int32(write.Fd()), Events: unix.POLLOUT}}
	if ready, err := unix.Poll(fds, 0); ready != 1 || err != nil {
		t.Errorf("the pool is full: %d, %v", ready, err)
	}
}

// Whoever has the heir's files puts back what is held, though the holder's are closed.
func TestReturn(t *testing.T) {
	t.Parallel()
	read, _, c := pool(t, "abc", 4)
	take(t, c)
	take(t, c)
	var files []*os.File
	for _, f := range c.Heir() {
		fd, err := unix.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, os.NewFile(uintptr(fd), "heir"))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	Return(files[0], files[1])
	got := make([]byte, 3)
	if _, err := io.ReadFull(read, got); err != nil || string(got) != "cab" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	r1, w1, _ := os.Pipe()
	r2, w2, _ := os.Pipe()
	defer func() { r1.Close(); w1.Close(); r2.Close(); w2.Close() }()
	plain := t.TempDir() + "/plain"
	if err := os.WriteFile(plain, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		auth Auth
		want string
	}{
		{Auth{Read: int(r1.Fd()), Write: int(w2.Fd())}, "its descriptors were not handed to this process"},
		{Auth{Read: 1 << 20, Write: 1<<20 + 1}, "its descriptors were not handed to this process"},
		{Auth{Read: 0, Write: 1 << 20}, "its descriptors were not handed to this process"},
		{Auth{Fifo: plain}, plain + " is no fifo"},
		{Auth{Fifo: plain + "-not"}, "no such file"},
		{Auth{Read: int(r1.Fd()), Write: int(w1.Fd()), Jobs: 1 << 30}, "raise the sysctl fs.pipe-max-size"},
	} {
		client, err := Open(c.auth, 1)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %s", c.auth, err, c.want)
		}
		if client != nil {
			t.Errorf("%+v: a client", c.auth)
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	read, write, err := Serve(40)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { read.Close(); write.Close() }()
	c, err := Open(Auth{Read: int(read.Fd()), Write: int(write.Fd()), Jobs: 40}, 39)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	count(t, c, 0, 39)
	var lost [2]byte
	if _, err := io.ReadFull(read, lost[:]); err != nil || string(lost[:]) != "++" {
		t.Fatal(lost, err)
	}
	if err := c.Refill(2); err != nil {
		t.Fatal(err)
	}
	count(t, c, 0, 39)
}
