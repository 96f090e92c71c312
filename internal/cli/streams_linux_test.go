package cli

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func newTestStreams(t *testing.T, n int, stdin *os.File, args ...string) *streams {
	t.Helper()
	s, err := newStreams(blockPlan(t, n, append([]string{"--pipe"}, args...)...), stdin, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := s.source.memory.inUse(); n != 0 {
			t.Errorf("%d slabs are still in use", n)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// runStreams runs s with a reader for each command that is started, and returns what
// they read, by slot.
func runStreams(s *streams, stop chan struct{}, reader func(slot int, r io.Reader) []byte) (map[int]string, error) {
	var mu sync.Mutex
	got := map[int]string{}
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			in, err := s.next(stop)
			if err != nil {
				return
			}
			readers.Go(func() {
				b := reader(in.Slot, s.files()[in.Slot-1])
				s.release(in, false)
				mu.Lock()
				defer mu.Unlock()
				got[in.Slot] = string(b)
			})
		}
	})
	err := s.run(stop)
	readers.Wait()
	return got, err
}

func readAll(_ int, r io.Reader) []byte {
	b, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return b
}

func TestStreams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, input string
		n           int
		want        map[int]string
	}{
		{"--round-robin", seq(3), 4, map[int]string{1: "1\n2\n3\n"}},
		{"--round-robin", "", 4, map[int]string{}},
		{"-k --round-robin -N1", seq(8), 3, map[int]string{1: "1\n4\n7\n", 2: "2\n5\n8\n", 3: "3\n6\n"}},
		{"-k --round-robin -N1 --header :", "h\n" + seq(3), 2, map[int]string{1: "h\n1\n3\n", 2: "h\n2\n"}},
		{"--tee", seq(3), 2, map[int]string{1: "1\n2\n3\n", 2: "1\n2\n3\n"}},
		{"--tee", "", 2, map[int]string{1: "", 2: ""}},
		{"--tee --header :", "h\n1\n", 1, map[int]string{1: "h\n1\n"}},
		{"--bin 1 --colsep ,", "1,a\n2,b\n1,c\n", 2, map[int]string{1: "1,a\n1,c\n", 2: "2,b\n"}},
		{"--bin 1", "", 2, map[int]string{1: "", 2: ""}},
		{"--bin 1 --header :", "a,b\n1,1\n", 2, map[int]string{1: "a,b\n1,1\n", 2: "a,b\n"}},
		{"--bin a", "a,b\n1,1\n", 2, map[int]string{1: "1,1\n", 2: ""}},
		{"-k --round-robin --group-by 1 -N1 --colsep ,", "1,a\n1,b\n2,c\n", 2, map[int]string{1: "1,a\n1,b\n", 2: "2,c\n"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			s := newTestStreams(t, c.n, pipeOf(t, c.input), strings.Fields(c.args)...)
			got, err := runStreams(s, nil, readAll)
			if err != nil || len(got) != len(c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
			for slot, want := range c.want {
				if got[slot] != want || s.undelivered(slot) != 0 {
					t.Errorf("slot %d: %q; want %q", slot, got[slot], want)
				}
			}
		})
	}
}

// sortedLines are the lines of all, sorted.
func sortedLines(all map[int]string) []string {
	var lines []string
	for _, text := range all {
		lines = append(lines, strings.SplitAfter(text, "\n")...)
	}
	slices.Sort(lines)
	return slices.DeleteFunc(lines, func(s string) bool { return s == "" })
}

// Every line goes to one command, also where there is more than pipes hold.
func TestStreamsLoseNothing(t *testing.T) {
	t.Parallel()
	text := seq(700_000)
	want := sortedLines(map[int]string{1: text})
	for _, args := range []string{"--round-robin", "--round-robin --block 10k", "-k --round-robin --block 100k", "--shard 1"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			s := newTestStreams(t, 3, pipeOf(t, text), strings.Fields(args)...)
			got, err := runStreams(s, nil, readAll)
			if err != nil || !slices.Equal(sortedLines(got), want) {
				t.Errorf("lines are missing or doubled: %v", err)
			}
			if len(got) != 3 {
				t.Errorf("%d commands were started", len(got))
			}
		})
	}
}

func TestStreamsTeeMuch(t *testing.T) {
	t.Parallel()
	text := seq(700_000)
	s := newTestStreams(t, 3, pipeOf(t, text), "--tee")
	got, err := runStreams(s, nil, func(slot int, r io.Reader) []byte {
		if slot == 2 { // ends early, like head
			line, _ := bufio.NewReaderSize(r, 16).ReadString('\n')
			return []byte(line)
		}
		return readAll(slot, r)
	})
	if err != nil || got[1] != text || got[2] != "1\n" || got[3] != text || s.undelivered(2) != 0 {
		t.Errorf("%d, %q, %d bytes: %v", len(got[1]), got[2], len(got[3]), err)
	}
}

// What a command that ends early was not given goes to others; what it was given
// and did not read is counted.
func TestStreamsCommandEnds(t *testing.T) {
	t.Parallel()
	text := seq(700_000)
	for _, args := range []string{"--round-robin --block 100k", "-k --round-robin --block 100k", "--shard 1"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			s := newTestStreams(t, 3, pipeOf(t, text), strings.Fields(args)...)
			got, err := runStreams(s, nil, func(slot int, r io.Reader) []byte {
				if slot == 2 {
					b := make([]byte, 100)
					n, _ := io.ReadFull(r, b)
					return b[:n]
				}
				return readAll(slot, r)
			})
			sum := s.undelivered(1) + s.undelivered(2) + s.undelivered(3)
			for _, b := range got {
				sum += int64(len(b))
			}
			if err != nil || sum != int64(len(text)) {
				t.Errorf("%d bytes of %d, %d not delivered: %v", sum, len(text), s.undelivered(2), err)
			}
			if s.undelivered(2) == 0 || s.undelivered(1) != 0 {
				t.Error("what was not read is not counted")
			}
		})
	}
}

// All commands end before their input, and it is not read on; with --tee they may.
func TestStreamsAllEnd(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]error{"--round-robin": errInputLeft, "-k --round-robin": errInputLeft, "--shard 1": errInputLeft, "--tee": nil} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe() // stays open: nobody waits for its end
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			s := newTestStreams(t, 2, r, strings.Fields(args)...)
			go func() {
				for line := []byte(seq(10000)); ; {
					if _, err := w.Write(line); err != nil {
						return
					}
				}
			}()
			if _, err := runStreams(s, nil, func(_ int, r io.Reader) []byte { return []byte{0} }); err != want {
				t.Errorf("%v; want %v", err, want)
			}
		})
	}
}

// When the run is stopped nothing more is started; what runs is fed until it is
// killed, and then a waiting read and waiting writes end.
func TestStreamsStop(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--round-robin --block 100k", "-k --round-robin", "--tee", "--shard 1"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			endless := fedPipe(t, func(w *os.File) {
				for line := bytes.Repeat([]byte("y\nz\n"), 32<<10); ; {
					if _, err := w.Write(line); err != nil {
						return
					}
				}
			})
			s := newTestStreams(t, 2, endless, strings.Fields(args)...)
			stop, end := make(chan struct{}), make(chan error)
			go func() { end <- s.run(stop) }()
			in, err := s.next(stop)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.files()[in.Slot-1].Read(make([]byte, 1000)); err != nil {
				t.Error(err)
			}
			close(stop)
			if in, err := s.next(stop); err != io.EOF {
				t.Errorf("%v was started after the stop: %v", in, err)
			}
			if _, err := s.files()[in.Slot-1].Read(make([]byte, 1000)); err != nil {
				t.Error("the command saw an end of its input")
			}
			s.release(in, false) // it was killed
			if err := <-end; err != nil {
				t.Error(err)
			}
		})
	}
}

// Once nothing more is started no block waits for a command that was not.
func TestStreamsDrain(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := newTestStreams(t, 3, r, "-k", "--round-robin", "-N1")
	drain := make(chan struct{})
	end := make(chan error)
	go func() { end <- s.run(nil) }()
	if _, err := io.WriteString(w, "1\n"); err != nil {
		t.Fatal(err)
	}
	if in, err := s.next(drain); err != nil || in.Slot != 1 {
		t.Fatal(in, err)
	}
	close(drain)
	if _, err := s.next(drain); err != io.EOF {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "2\n3\n4\n"); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if got := string(readAll(1, s.files()[0])); got != "1\n2\n3\n4\n" {
		t.Errorf("%q", got)
	}
	if err := <-end; err != nil {
		t.Error(err)
	}
}

func TestStreamsReadError(t *testing.T) {
	t.Parallel()
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	s := newTestStreams(t, 2, folder, "--tee")
	if _, err := runStreams(s, nil, readAll); err == nil {
		t.Error("no error")
	}
}

func TestStreamsRefuseRetries(t *testing.T) {
	t.Parallel()
	p := blockPlan(t, 2, "--pipe", "--tee")
	p.tries = 2
	if _, err := newStreams(p, os.Stdin, 2); err == nil || !strings.Contains(err.Error(), "--retries") {
		t.Error(err)
	}
}
