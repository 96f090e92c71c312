package cli

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBlocksRefused(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	keep, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	for _, c := range []struct{ args, want string }{
		{"--pipe --block x", "--block"},
		{"--pipe --block-timeout x", "--block-timeout"},
		{"--pipe --block-timeout 0", "--block-timeout"},
		{"--pipe-part", "none is given"},
		{"--pipe-part -a /nowhere", "no such file"},
		{"--pipe-part -a /dev/null", "neither a file nor a disk"},
		{"--pipe-part -a /proc/cpuinfo", "does not tell its size"},
		{"--pipe-part --shard 1 -a /etc/passwd", "--shard"},
		{"--pipe-part -a " + fifo, "neither a file nor a disk"},
	} {
		if b, err := newBlockSource(blockPlan(t, 2, strings.Fields(c.args)...), os.Stdin); err == nil {
			_ = b.close()
			t.Errorf("%s: no error", c.args)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.args, err, c.want)
		}
	}
}

func TestBlockParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ten, three, semis, empty := file("ten", seq(10)), file("three", seq(3)), file("semis", "a;b;c;d;"), file("empty", "")
	open, err := os.Open(ten)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, c := range []struct {
		args string
		want []string
	}{
		{fmt.Sprintf("--block 1k -a /proc/self/fd/%d", open.Fd()), []string{seq(10)}}, // as /dev/stdin is
		{"--block 1k -a " + ten, []string{seq(10)}},
		{"--block 1k -a " + empty, nil},
		{"--block 6 -a " + ten, []string{"1\n2\n3\n4\n", "5\n6\n7\n8\n", "9\n10\n"}},
		{"--block 8 --skip-first-line --header : -a " + ten + " -a " + three, []string{"2\n3\n4\n5\n6\n7\n", "2\n8\n9\n10\n", "2\n3\n"}},
		{"--block -1 -a " + semis + " --recend ;", []string{"a;b;c;", "d;"}},
		{"--block 3 --rrs -a " + semis + " --recend ;", []string{"ab", "cd"}},
		{"--block 1k -r -a " + file("blank", " \n\n"), nil},
		{"--round-robin -a " + semis + " --recend ;", []string{"a;b;c;", "d;"}},
	} {
		b := newTestSource(t, blockPlan(t, 2, append([]string{"--pipe-part"}, strings.Fields(c.args)...)...), os.Stdin)
		got, err := drain(t, b)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", c.args, got, err, c.want)
		}
		if n := b.memory.inUse(); n != 0 {
			t.Errorf("%s: %d slabs are still in use", c.args, n)
		}
	}
	b := newTestSource(t, blockPlan(t, 2, "--pipe-part", "--tee", "-a", ten, "-a", three), os.Stdin)
	for range 3 {
		if in, err := b.next(nil); err != nil || content(t, b, in) != seq(10) || len(b.names()) != 1 {
			t.Errorf("--tee: %v, %v", in, err)
		}
	}
}

// Blocks are GNU parallel's.
func TestBlocksAreGNUs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts GNU parallel")
	}
	if out, err := exec.Command("parallel", "--version").Output(); err != nil || !bytes.HasPrefix(out, []byte("GNU parallel")) {
		t.Skip("GNU parallel is not installed")
	}
	file := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(file, []byte(seq(30000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"--pipe --block 10k", "--pipe -N7000", "--pipe --block 3 --header 2 -N9000", "--pipe --skip-first-line --block 40k",
		"--pipe-part --block 30k -a FILE", "--pipe-part --block -3 -a FILE", "--pipe-part --skip-first-line --header : --block 30k -a FILE",
	} {
		words := strings.Fields(strings.ReplaceAll(args, "FILE", file))
		stdin, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		cmd := exec.Command("parallel", append(append([]string{"--will-cite", "-k", "-j2"}, words...), "md5sum")...)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		cmd.Stdin = stdin
		want, err := cmd.Output()
		if err != nil {
			t.Fatal(args, err)
		}
		again, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		blocks, err := drain(t, newTestSource(t, blockPlan(t, 2, words...), again))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, b := range blocks {
			got.WriteString(md5Line(b))
		}
		if got.String() != string(want) {
			t.Errorf("%s: %d blocks; want\n%s", args, len(blocks), want)
		}
	}
}

// md5Line is what md5sum prints of its standard input.
func md5Line(text string) string { return fmt.Sprintf("%x  -\n", md5.Sum([]byte(text))) }
