package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a child is told, and where its descriptors are.
const (
	childLaneEnv, childTicketEnv, childPointEnv = "SPOOL_TEST_LANE", "SPOOL_TEST_TICKET", "SPOOL_TEST_POINT"

	childStore, childFile, childLife = 3, 4, 5
)

func init() { childModes["write"] = writeForEver }

// writeForEver is a worker whose command writes much. It ends by SIGKILL, at a
// fail point of its own or when its parent likes, and in case that dies, with it.
func writeForEver() error {
	go func() {
		_, _ = os.NewFile(childLife, "life").Read(make([]byte, 1))
		os.Exit(1)
	}()
	lane, _ := strconv.Atoi(os.Getenv(childLaneEnv))
	ticket, err := strconv.ParseUint(os.Getenv(childTicketEnv), 10, 64)
	if err != nil {
		return err
	}
	s, err := Attach(childStore, os.NewFile(childFile, "file"), nil)
	if err != nil {
		return err
	}
	if point, count, ok := strings.Cut(os.Getenv(childPointEnv), ":"); ok {
		left, _ := strconv.Atoi(count)
		failpoint = func(name string) {
			if name != point {
				return
			}
			if left--; left == 0 {
				_ = unix.Kill(os.Getpid(), unix.SIGKILL)
				select {}
			}
		}
	}
	l, err := s.Lane(lane)
	if err != nil {
		return err
	}
	l.Begin(ticket, int64(ticket), time.Now())
	l.Started(os.Getpid())
	w := [streams]Writer{l.Writer(Stdout), l.Writer(Stderr)}
	rnd := rand.New(rand.NewPCG(ticket, 4))
	for w[0].total+w[1].total < 48<<20 { // in case nobody kills
		st := rnd.IntN(int(streams))
		put(&w[st], ticket*2+uint64(st), 1+rnd.IntN(1<<rnd.IntN(18)), 1+rnd.IntN(1<<17))
		if err := w[st].Err(); err != nil {
			return err
		}
	}
	select {}
}

// worker is a child that writes.
type worker struct {
	ticket uint64
	cmd    *exec.Cmd
	life   *os.File
	killAt int64 // bytes read of it at which it is killed
	killed bool
	gone   chan struct{} // closed when it is certainly gone
}

func startWorker(t *testing.T, s *Store, lane int, ticket uint64, point string, killAt int64) *worker {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(uintptr(s.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	seg := os.NewFile(uintptr(fd), "segment")
	defer seg.Close()
	r, life, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := &worker{ticket: ticket, cmd: exec.Command(exe), life: life, killAt: killAt, gone: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), childEnv+"=write", fmt.Sprintf("%s=%d", childLaneEnv, lane),
		fmt.Sprintf("%s=%d", childTicketEnv, ticket), childPointEnv+"="+point, "GOCOVERDIR="+os.TempDir())
	w.cmd.ExtraFiles = []*os.File{seg, s.file, r}
	w.cmd.Stderr = os.Stderr
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rung := make(chan struct{})
	t.Cleanup(func() { <-rung }) // before the store is closed
	go func() {
		defer close(rung)
		err := w.cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("a worker ended: %v", err)
		}
		life.Close()
		close(w.gone)
		s.Ring()
	}()
	return w
}

// points are all the fail points of a worker.
var points = []string{
	"chunk claimed", "chunk backed", "region claimed", "region placed",
	"entry unlinked", "entry linked", "bytes written", "bytes shown",
}

// TestSIGKILL kills one of several workers after the other, at every fail point and
// at random, while all that they show is read. What was shown remains to be read,
// after it nothing of the dead is in use, and the others do not notice.
func TestSIGKILL(t *testing.T) {
	t.Parallel()
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprintf("compress=%v", compress), func(t *testing.T) {
			t.Parallel()
			killEach(t, compress)
		})
	}
}

func killEach(t *testing.T, compress bool) {
	const lanes = 3
	file := unnamed(t)
	s := mapped(t, Config{Lanes: lanes, Memory: 2 * ChunkBytes, File: file, Live: true, Compress: compress})
	s.WatchAll()
	type death struct {
		point  string
		killAt int64
	}
	const most = 12 << 20 // a point may never be reached: another has the chunks
	var deaths []death
	rnd := rand.New(rand.NewPCG(7, 7))
	for i, p := range points {
		deaths = append(deaths, death{p + ":1", most}, death{fmt.Sprintf("%s:%d", p, 2+i%3), most}, death{"", rnd.Int64N(6 << 20)})
	}
	f := newFollower(s)
	var workers [lanes]*worker
	next := uint64(0)
	start := func(lane int) {
		workers[lane] = nil
		if d := deaths; len(d) > int(next) {
			// A chunk is backed but once in its life, and this may be over.
			if strings.HasPrefix(d[next].point, "chunk backed") {
				s.entries[next%2].flags.Store(0)
			}
			next++
			workers[lane] = startWorker(t, s, lane, next, d[next-1].point, d[next-1].killAt)
		}
	}
	for lane := range lanes {
		start(lane)
	}
	for workers != [lanes]*worker{} {
		bell := s.Bell()
		s.Views(func(v View) { follow(t, f, v, workers[v.Slot]) })
		for lane, w := range workers {
			if w == nil {
				continue
			}
			select {
			case <-w.gone:
				bury(t, s, f, w)
				start(lane)
				bell-- // there is more to look at
			default:
			}
		}
		if workers != [lanes]*worker{} {
			s.Await(bell)
		}
	}
	if n := s.Used(); n != 0 {
		t.Errorf("%d entries are in use at the end", n)
	}
	checkEmpty(t, file)
}

// follow reads what a worker shows, and kills it if it has shown enough.
func follow(t *testing.T, f *follower, v View, w *worker) {
	if err := f.read(v.Ticket, v.Shown); err != nil {
		t.Error(err)
	}
	tail := f.s.Tail(&v, Stdout, 100) // the begin is freed: mostly nothing
	if want := pattern(nil, v.Ticket*2, v.Shown[0].Size-int64(len(tail)), len(tail)); string(tail) != string(want) {
		t.Errorf("ticket %d: a wrong tail", v.Ticket)
	}
	if !w.killed && v.Shown[0].Size+v.Shown[1].Size >= w.killAt {
		w.killed = true
		if err := w.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	}
}

// bury reads what a dead worker has shown to the end, and takes back what is its.
func bury(t *testing.T, s *Store, f *follower, w *worker) {
	if v, ok := s.Find(w.ticket); ok {
		if err := f.read(w.ticket, v.Shown); err != nil {
			t.Errorf("after its death: %v", err)
		}
	}
	f.forget(w.ticket)
	s.Reclaim(w.ticket)
	if _, ok := s.Find(w.ticket); ok {
		t.Errorf("ticket %d runs after its end", w.ticket)
	}
	for i := range s.entries {
		if s.entries[i].owner.Load() == w.ticket {
			t.Errorf("ticket %d still has entry %d", w.ticket, i)
		}
	}
}

// checkEmpty looks whether the file has given its room back.
func checkEmpty(t *testing.T, file *os.File) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	punch := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096)
	if st.Size == 0 {
		t.Error("the file was never written to")
	}
	if punch == nil && st.Blocks > 0 {
		t.Errorf("%d bytes of the file are left when nothing is in use", st.Blocks*512)
	}
}

// TestTailWhileWritten looks at what other goroutines write and take back.
func TestTailWhileWritten(t *testing.T) {
	t.Parallel()
	s := mapped(t, Config{Lanes: 1, Memory: 2 * ChunkBytes, File: unnamed(t)})
	done := make(chan struct{})
	go func() {
		defer close(done)
		rnd := rand.New(rand.NewPCG(8, 8))
		for ticket := uint64(1); ticket <= 300; ticket++ {
			l, w := begin(t, s, 0, ticket, 1)
			put(&w[0], ticket, 1+rnd.IntN(1<<rnd.IntN(20)), 1<<15)
			l.End()
			ref, _ := w[0].End(1 << 16)
			at := ref.At(ticket)
			s.Free(&at)
		}
	}()
	for looks := 0; ; looks++ {
		select {
		case <-done:
			t.Log(looks, "looks")
			return
		default:
		}
		s.Views(func(v View) {
			tail := s.Tail(&v, Stdout, 1000)
			if want := pattern(nil, v.Ticket, v.Shown[0].Size-int64(len(tail)), len(tail)); string(tail) != string(want) {
				t.Errorf("ticket %d: a wrong tail of %d bytes", v.Ticket, len(tail))
			}
		})
		runtime.Gosched()
	}
}
