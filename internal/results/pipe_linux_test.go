package results

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A table may be a named pipe, and the run hears of it when its reader leaves.
func TestTableIsPipe(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/t.csv"
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	readers := make(chan *os.File, 1)
	go func() {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
		}
		readers <- f
	}()
	s := mustOpen(t, Options{Name: path, Resume: true})
	reader := <-readers
	j := job(1, "x", "a")
	mustWrite(t, s, &j, "o", "")
	got := make([]byte, 200)
	if n, err := reader.Read(got); err != nil || !strings.HasSuffix(string(got[:n]), ",x,a,o,\n") {
		t.Errorf("%q, %v", got[:n], err)
	}
	reader.Close()
	if _, err := s.Write(&j, text("o"), nil); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("error %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
