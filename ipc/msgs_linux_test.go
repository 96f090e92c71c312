package ipc

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const childSpace = "IPC_TEST_SPACE"

func init() {
	childModes["receive"] = func() error { return benchReceive(1) }
	childModes["receive-many"] = func() error { return benchReceive(64) }
	childModes["echo"] = benchEcho
	childModes["read"] = benchRead
	childModes["answer"] = benchAnswer
}

// testSpace makes a space with a name, for children to open.
func testSpace(tb testing.TB, size int64) (*Space, string) {
	tb.Helper()
	name := fmt.Sprintf("test-%d-%s", os.Getpid(), strings.ReplaceAll(tb.Name(), "/", "-"))
	s, err := Open(name, size)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
		if err := Remove(name, Options{}); err != nil {
			tb.Error(err)
		}
	})
	return s, name
}

// startChild starts this test as another process, which opens the space.
func startChild(tb testing.TB, mode, space string, env ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), append(env, childEnv+"="+mode, childSpace+"="+space)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	return cmd
}

func childOpen() (*Space, error) { return Open(os.Getenv(childSpace), 0) }

func benchReceive(batch int) error {
	s, err := childOpen()
	if err != nil {
		return err
	}
	c, err := OpenChan[uint64](s, "c", 0)
	if err != nil {
		return err
	}
	ctx := context.Background()
	into := make([]uint64, batch)
	for {
		ok := false
		if batch == 1 {
			_, ok, err = c.Receive(ctx)
		} else {
			_, ok, err = c.ReceiveMany(ctx, into)
		}
		if err != nil {
			return err
		}
		if !ok {
			return s.Close()
		}
	}
}

func benchEcho() error {
	s, err := childOpen()
	if err != nil {
		return err
	}
	there, err := OpenChan[[8]uint64](s, "there", 0)
	if err != nil {
		return err
	}
	back, err := OpenChan[[8]uint64](s, "back", 0)
	if err != nil {
		return err
	}
	for v, err := range there.All(context.Background()) {
		if err != nil {
			return err
		}
		if err := back.Send(context.Background(), v); err != nil {
			return err
		}
	}
	return s.Close()
}

// BenchmarkChan sends from this process to another.
func BenchmarkChan(b *testing.B) {
	for mode, batch := range map[string]int{"receive": 1, "receive-many": 64} {
		b.Run(mode, func(b *testing.B) {
			s, name := testSpace(b, 1<<20)
			c := must(OpenChan[uint64](s, "c", 1024))
			cmd := startChild(b, mode, name)
			ctx := context.Background()
			vs := make([]uint64, batch)
			b.ResetTimer()
			for i := 0; i < b.N; i += batch {
				var err error
				if batch == 1 {
					err = c.Send(ctx, uint64(i))
				} else {
					_, err = c.SendMany(ctx, vs)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			if err := c.Close(); err != nil {
				b.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkChanRoundTrip sends 64 bytes to another process and back.
func BenchmarkChanRoundTrip(b *testing.B) {
	s, name := testSpace(b, 1<<20)
	there, back := must(OpenChan[[8]uint64](s, "there", 16)), must(OpenChan[[8]uint64](s, "back", 16))
	cmd := startChild(b, "echo", name)
	ctx := context.Background()
	for i := 0; b.Loop(); i++ {
		if err := there.Send(ctx, [8]uint64{uint64(i)}); err != nil {
			b.Fatal(err)
		}
		if _, _, err := back.Receive(ctx); err != nil {
			b.Fatal(err)
		}
	}
	if err := there.Close(); err != nil {
		b.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
}

func benchRead() error {
	s, err := childOpen()
	if err != nil {
		return err
	}
	st, err := s.Stream("s", 0)
	if err != nil {
		return err
	}
	ctx := context.Background()
	r, err := st.Reader(ctx)
	if err != nil {
		return err
	}
	into := make([]byte, 1<<20)
	for {
		b, err := r.Peek(ctx, len(into))
		if err == io.EOF {
			return s.Close()
		}
		if err != nil {
			return err
		}
		copy(into, b)
		if err := r.Release(len(b)); err != nil {
			return err
		}
	}
}

func benchAnswer() error {
	s, err := childOpen()
	if err != nil {
		return err
	}
	server, err := OpenServer[uint64, uint64](s, "s", 0)
	if err != nil {
		return err
	}
	if err := server.Serve(context.Background(), func(_ context.Context, in uint64) (uint64, error) { return in, nil }); err != nil {
		return err
	}
	return s.Close()
}

// BenchmarkChanMany has two goroutines here send to two other processes.
func BenchmarkChanMany(b *testing.B) {
	s, name := testSpace(b, 1<<20)
	c := must(OpenChan[uint64](s, "c", 1024))
	cmds := []*exec.Cmd{startChild(b, "receive", name), startChild(b, "receive", name)}
	var senders sync.WaitGroup
	b.ResetTimer()
	for range len(cmds) {
		own := must(OpenChan[uint64](s, "c", 1024))
		senders.Go(func() {
			for i := range b.N / len(cmds) {
				if err := own.Send(context.Background(), uint64(i)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	senders.Wait()
	if err := c.Close(); err != nil {
		b.Error(err)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkStream writes messages of 1 MiB to another process, which copies them out;
// BenchmarkCopy is a bare copy of as much.
func BenchmarkStream(b *testing.B) {
	s, name := testSpace(b, 16<<20)
	w := must(must(s.Stream("s", 4<<20)).Writer(context.Background()))
	cmd := startChild(b, "read", name)
	p := make([]byte, 1<<20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := w.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		b.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
}

func BenchmarkCopy(b *testing.B) {
	from, to := make([]byte, 1<<20), make([]byte, 1<<20)
	b.SetBytes(int64(len(from)))
	for b.Loop() {
		copy(to, from)
	}
}

// BenchmarkCall asks another process.
func BenchmarkCall(b *testing.B) {
	s, name := testSpace(b, 1<<20)
	c := must(OpenClient[uint64, uint64](s, "s", 16))
	cmd := startChild(b, "answer", name)
	for i := 0; b.Loop(); i++ {
		if out, err := c.Call(context.Background(), uint64(i)); err != nil || out != uint64(i) {
			b.Fatal(out, err)
		}
	}
	if err := must(OpenServer[uint64, uint64](s, "s", 0)).Close(); err != nil {
		b.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
}

// BenchmarkTopic publishes to nobody.
func BenchmarkTopic(b *testing.B) {
	s, _ := testSpace(b, 1<<20)
	topic := must(OpenTopic[uint64](s, "t", 1024))
	for i := 0; b.Loop(); i++ {
		if err := topic.Publish(context.Background(), uint64(i)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChanAlone sends and receives in one goroutine, and so counts the work alone.
func BenchmarkChanAlone(b *testing.B) {
	s, _ := testSpace(b, 1<<20)
	c := must(OpenChan[uint64](s, "c", 1024))
	ctx := context.Background()
	for i := 0; b.Loop(); i++ {
		if err := c.Send(ctx, uint64(i)); err != nil {
			b.Fatal(err)
		}
		if _, _, err := c.Receive(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGoChan is Go's own channel between two goroutines, for comparison.
func BenchmarkGoChan(b *testing.B) {
	c, done := make(chan uint64, 1024), make(chan bool)
	go func() {
		for range c {
		}
		close(done)
	}()
	for i := 0; b.Loop(); i++ {
		c <- uint64(i)
	}
	close(c)
	<-done
}
