package cli

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sizes looks how large the files are that the inputs of jobs name.
type sizes struct {
	each   bool // of each job: somebody asked for an order
	barren int  // jobs in a row that named no file
}

// Where so many jobs in a row named no file, only one of barrenLooked of those that
// follow is looked at, until one does: a million numbers are not looked up as names.
const barrenMost, barrenLooked = 256, 16

// of is how many bytes the files have that a job's inputs name; 0: they name none, or it
// was not looked at.
func (s *sizes) of(j *job) int64 {
	if !s.each && s.barren >= barrenMost && s.barren%barrenLooked > 0 {
		s.barren++
		return 0
	}
	size := sizeOf(j)
	if s.barren++; size > 0 {
		s.barren = 0
	}
	return size
}

// argsLooked bounds the inputs of a job that are looked at for files.
const argsLooked = 64

// sizeOf is how many bytes the files have that a job's inputs name; 0: they name none.
func sizeOf(j *job) (sum int64) {
	for _, name := range j.args[:min(len(j.args), argsLooked)] {
		if name == "" {
			continue
		}
		if j.dir != "" && !filepath.IsAbs(name) {
			name = filepath.Join(j.dir, name)
		}
		var st unix.Stat_t
		if unix.Stat(name, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			sum += st.Size
		}
	}
	return sum
}
