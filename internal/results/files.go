package results

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Files is --files: the standard output of each job is a file of its own in dir,
// named parXXXXX.par as with GNU parallel, that only its owner can read. Standard
// error is the caller's to print, so that it is not lost (GNU drops it). Nothing
// is ever done before: each run has names of its own.
func Files(dir string) Store { return &files{dir: dir, name: randomName} }

type files struct {
	dir  string
	name func() string
}

// namesTried bounds the search for a free name among 916 million.
const namesTried = 1000

func randomName() string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var text [5]byte
	for i := 0; i < len(text); {
		var b [1]byte
		_, _ = rand.Read(b[:])                     // never fails
		if n := b[0] & 63; int(n) < len(letters) { // 62 and 63 would favour two letters
			text[i] = letters[n]
			i++
		}
	}
	return "par" + string(text[:]) + ".par"
}

func (s *files) Write(j *Job, stdout, _ io.WriterTo) (string, error) {
	for range namesTried {
		path := filepath.Join(s.dir, s.name())
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", fault(err)
		}
		return path, fill(f, j, stdout)
	}
	return "", fmt.Errorf("keep results: no free name in %s: remove old par*.par files there, or name another folder with --tmpdir", s.dir)
}

func (s *files) Done(*Job) bool { return false }

func (s *files) Warning() string { return "" }

func (s *files) Close() error { return nil }
