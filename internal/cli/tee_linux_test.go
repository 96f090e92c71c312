package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is read when the run is over is kept by nobody, and no reason to say that the
// inputs are not kept whole.
func TestTeeEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "in")
	to, err := os.Create(path)
	check(t, err)
	tee := &tee{from: strings.NewReader("abcdef")}
	read := func(n int) {
		_, err := io.ReadFull(tee, make([]byte, n))
		check(t, err)
	}
	read(2)
	tee.keep(to)
	read(2)
	check(t, tee.end())
	check(t, to.Close())
	read(2)
	if err := tee.end(); err != nil {
		t.Error(err)
	}
	if kept, err := os.ReadFile(path); string(kept) != "abcd" || err != nil {
		t.Errorf("%q is kept: %v", kept, err)
	}
}
