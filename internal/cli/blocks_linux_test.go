package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/options"
)

// blockPlan is the plan of a command line, its words and sources apart.
func blockPlan(t *testing.T, jobs int, args ...string) *plan {
	t.Helper()
	m := new(options.Map)
	fs := pflag.NewFlagSet("map", pflag.ContinueOnError)
	options.Define(fs, m)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	p := &plan{Map: m, jobs: jobs, tries: 1, tmpDir: t.TempDir()}
	return p
}

// fedPipe is a pipe into which feed writes until it is done, or nobody reads.
func fedPipe(t *testing.T, feed func(w *os.File)) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		feed(w)
		_ = w.Close()
	}()
	t.Cleanup(func() {
		_ = r.Close()
		_ = w.Close()
		<-done
	})
	return r
}

func pipeOf(t *testing.T, text string) *os.File {
	return fedPipe(t, func(w *os.File) { _, _ = io.WriteString(w, text) })
}

func newTestSource(t *testing.T, p *plan, stdin *os.File) *blockSource {
	t.Helper()
	b, err := newBlockSource(p, stdin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// content is what a command with this intake reads.
func content(t *testing.T, b *blockSource, in *intake) string {
	t.Helper()
	text := bytes.Clone(in.Head)
	for _, p := range in.Pieces {
		if p.File == 0 {
			block, unmap, err := mapBlock(b.file(), p)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, block...)
			if err := unmap(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		f, err := os.Open(b.names()[p.File-1])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		part := make([]byte, p.Len)
		if _, err := f.ReadAt(part, p.Off); err != nil {
			t.Fatal(err)
		}
		text = append(text, part...)
	}
	return string(text)
}

// drain gives what jobs read; a job that is not started reads "(none)".
func drain(t *testing.T, b *blockSource) (all []string, err error) {
	t.Helper()
	for {
		in, err := b.next(nil)
		switch {
		case err == io.EOF:
			return all, nil
		case err != nil:
			return all, err
		case in == nil:
			all = append(all, "(none)")
		default:
			all = append(all, content(t, b, in))
			b.release(in, len(all)%3 == 0)
		}
	}
}

func seq(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i+1)
	}
	return b.String()
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, input string
		want        []string
	}{
		{"--pipe", "", nil},
		{"--pipe", "a", []string{"a"}},
		{"--pipe", "1\n2\n", []string{"1\n2\n"}},
		{"--pipe -N2", seq(5), []string{"1\n2\n", "3\n4\n", "5\n"}},
		{"--pipe -n2", seq(5), []string{"1\n2\n", "3\n4\n", "5\n"}},
		{"--pipe --block 6", seq(6), []string{"1\n2\n3\n", "4\n5\n6\n"}},
		{"--pipe --block 1E", seq(300_000), []string{seq(300_000)}},
		{"--pipe --skip-first-line -N2", seq(5), []string{"2\n3\n", "4\n5\n"}},
		{"--pipe --skip-first-line", "1", nil},
		{"--pipe --header : -N1", "h\n1\n2\n", []string{"h\n1\n", "h\n2\n"}},
		{"--pipe --header : --skip-first-line -N2", seq(5), []string{"2\n3\n4\n", "2\n5\n"}},
		{"--pipe --header :", "h\n", nil},
		{"--pipe --rrs --recend ; -N1", ";;a;", []string{"(none)", "(none)", "a"}},
		{"--pipe -r -N1", "a\n \n\nb\n", []string{"a\n", "b\n"}},
		{"--pipe -r", " \n\n", nil},
		{"--group-by 1 --colsep , -N1", "1,a\n1,b\n2,c\n", []string{"1,a\n1,b\n", "2,c\n"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			b := newTestSource(t, blockPlan(t, 2, strings.Fields(c.args)...), pipeOf(t, c.input))
			got, err := drain(t, b)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
			if n := b.memory.inUse(); n != 0 {
				t.Errorf("%d slabs are still in use", n)
			}
		})
	}
}

// Whatever the size of records, blocks and reads: what comes out is what went in,
// cut behind newlines, and all memory comes back.
func TestBlocksLoseNothing(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--block 1k", "--block 300k", "--block 7", "-N1000", "-N70000", "--block 1M", "-L3", "--block 10k -r"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(1, uint64(len(args))))
			var text bytes.Buffer
			for text.Len() < 3<<20 {
				n := rnd.IntN(60)
				if rnd.IntN(10000) == 0 {
					n = rnd.IntN(1 << 20)
				}
				text.WriteString(strings.Repeat(string(rune('a'+rnd.IntN(26))), n) + "x\n")
			}
			all := text.Bytes()
			pipe := fedPipe(t, func(w *os.File) {
				rnd := rand.New(rand.NewPCG(2, uint64(len(args))))
				for rest := all; len(rest) > 0; {
					n := min(1+rnd.IntN(100_000), len(rest))
					if _, err := w.Write(rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
			})
			b := newTestSource(t, blockPlan(t, 3, append([]string{"--pipe"}, strings.Fields(args)...)...), pipe)
			var got []byte
			var out []*intake
			var blocks []string
			for {
				in, err := b.next(nil)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				text := content(t, b, in)
				if !strings.HasSuffix(text, "\n") {
					t.Fatal("a block does not end with a whole line")
				}
				got, out, blocks = append(got, text...), append(out, in), append(blocks, text)
				for len(out) > 3 { // jobs end in any order; what is out does not change
					i := rnd.IntN(len(out))
					if content(t, b, out[i]) != blocks[i] {
						t.Fatal("a block has changed while its job ran")
					}
					b.release(out[i], rnd.IntN(2) == 0)
					out, blocks = slices.Delete(out, i, i+1), slices.Delete(blocks, i, i+1)
				}
			}
			for _, in := range out {
				b.release(in, false)
			}
			if !bytes.Equal(got, all) {
				t.Errorf("%d bytes came out of %d, or others", len(got), len(all))
			}
			if n := b.memory.inUse(); n != 0 {
				t.Errorf("%d slabs are still in use", n)
			}
		})
	}
}

// Pages that lie in a pipe when their job has ended stay as they are if it left
// processes behind.
func TestBlocksOfStrays(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("old\n", 64<<10)
	b := newTestSource(t, blockPlan(t, 1, "--pipe", "--block", "256k"), pipeOf(t, text+strings.Repeat("new\n", 256<<10)))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in, err := b.next(nil)
	if err != nil {
		t.Fatal(err)
	}
	off := in.Pieces[0].Off
	n, err := unix.Splice(int(b.file().Fd()), &off, int(w.Fd()), nil, 16<<10, 0)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	b.release(in, true)
	if _, err := drain(t, b); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != text[:n] {
		t.Errorf("%d bytes of %d, or others: %v", len(got), n, err)
	}
}

// One that is called when all memory is out waits until a job ends, or the run.
func TestBlocksWait(t *testing.T) {
	t.Parallel()
	endless := fedPipe(t, func(w *os.File) {
		for line := []byte(strings.Repeat("y\n", 32<<10)); ; {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	b := newTestSource(t, blockPlan(t, 2, "--pipe", "--block", "1M"), endless)
	stop := make(chan struct{})
	limit := slabsFor(2, 1<<20)
	given := make(chan *intake)
	end := make(chan error)
	go func() {
		for {
			in, err := b.next(stop)
			if err != nil {
				end <- err
				return
			}
			given <- in
		}
	}()
	var out []*intake
	for range limit {
		out = append(out, <-given)
	}
	select {
	case <-given:
		t.Fatal("more blocks than the limit")
	default:
	}
	b.release(out[0], false)
	out = append(out[1:], <-given)
	close(stop)
	if err := <-end; err != io.EOF {
		t.Error(err)
	}
	for _, in := range out {
		b.release(in, false)
	}
}

// A read that waits ends with the run.
func TestBlocksStop(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	b := newTestSource(t, blockPlan(t, 2, "--pipe"), r)
	stop := make(chan struct{})
	end := make(chan error)
	go func() {
		_, err := b.next(stop)
		end <- err
	}()
	close(stop)
	if err := <-end; err != io.EOF {
		t.Error(err)
	}
}

// TestBlocksGivenBackLate gives blocks back when the run has ended already, as who drops
// what was read in vain may.
func TestBlocksGivenBackLate(t *testing.T) {
	t.Parallel()
	b, err := newBlockSource(blockPlan(t, 2, "--block", "1"), pipeOf(t, "a\nb\n"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*intake
	for range 2 {
		in, err := b.next(nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, in)
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	b.release(out[0], false)
	b.release(out[1], true)
}

func TestBlocksTimeout(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	b := newTestSource(t, blockPlan(t, 2, "--pipe", "--block-timeout", "0.01"), r)
	for _, c := range []struct{ write, want string }{{"a\nb", "a\n"}, {"c\n", "bc\n"}, {"d\n", "d\n"}} {
		if _, err := io.WriteString(w, c.write); err != nil {
			t.Fatal(err)
		}
		in, err := b.next(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := content(t, b, in); got != c.want {
			t.Errorf("%q; want %q", got, c.want)
		}
		b.release(in, false)
	}
}

func TestBlocksReadError(t *testing.T) {
	t.Parallel()
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	b := newTestSource(t, blockPlan(t, 2, "--pipe"), folder)
	if _, err := b.next(nil); !errors.Is(err, unix.EISDIR) {
		t.Error(err)
	}
}

func TestBlockNames(t *testing.T) {
	t.Parallel()
	p := blockPlan(t, 2, "--fifo", "-N1")
	b := newTestSource(t, p, pipeOf(t, seq(2)))
	seen := map[string]bool{}
	for range 2 {
		in, err := b.next(nil)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(in.Path) != p.tmpDir || seen[in.Path] || !in.Fifo {
			t.Errorf("%+v", in)
		}
		seen[in.Path] = true
		if err := os.WriteFile(in.Path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		b.release(in, false)
		if _, err := os.Stat(in.Path); !os.IsNotExist(err) {
			t.Errorf("%s was left: %v", in.Path, err)
		}
	}
}

func BenchmarkBlocks(b *testing.B) {
	for _, args := range []string{"--pipe", "--pipe --block 20M", "--pipe --block 10k", "--pipe -N1"} {
		b.Run(args, func(b *testing.B) {
			line := bytes.Repeat([]byte(strings.Repeat("x", 79)+"\n"), 800)
			r, w, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			go func() {
				defer w.Close()
				for left := b.N; left > 0; left -= len(line) {
					_, _ = w.Write(line)
				}
			}()
			m := new(options.Map)
			fs := pflag.NewFlagSet("map", pflag.ContinueOnError)
			options.Define(fs, m)
			if err := errors.Join(fs.Parse(strings.Fields(args)), m.Check()); err != nil {
				b.Fatal(err)
			}
			source, err := newBlockSource(&plan{Map: m, jobs: 2}, r)
			if err != nil {
				b.Fatal(err)
			}
			defer source.close()
			b.SetBytes(1) // an operation is a byte
			for {
				in, err := source.next(nil)
				if err != nil {
					break
				}
				source.release(in, false)
			}
		})
	}
}
