package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// ErrInUse says that another run writes this log.
var ErrInUse = errors.New("the job log is in use by another run")

// Log is a job log open for writing. Its methods may be called by several
// goroutines. It is locked against other runs until Close, or until this process
// ends in any way.
type Log struct {
	mu      sync.Mutex
	file    file
	regular bool  // a file, and not a terminal or a pipe: it can be cut
	broken  error // why nothing can be appended any more
}

// file is the part of *os.File that a log writes with.
type file interface {
	io.Writer
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Create begins a new log at path, and empties an old one. A file with something
// else in it is left alone: ErrNotJobLog. A terminal or a pipe is written to
// without a lock.
func Create(path string) (*Log, error) {
	l, f, err := openLog(path)
	if err != nil {
		return nil, fmt.Errorf("create job log: %w", err)
	}
	if l.regular {
		err = empty(f)
	}
	if err == nil {
		err = l.write([]byte(header))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("create job log %s: %w", path, err)
	}
	return l, nil
}

// empty cuts f to nothing if it is a job log, or nearly one.
func empty(f *os.File) error {
	begin := make([]byte, len(header))
	n, err := io.ReadFull(f, begin)
	switch {
	case errors.Is(err, io.EOF): // new
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case string(begin[:n]) != header[:n]:
		return fmt.Errorf("%w: remove the file, or name another one", ErrNotJobLog)
	}
	return f.Truncate(0)
}

// Open continues the log at path, or begins one, and tells what earlier runs
// finished. A torn last line is cut off and named in Done.Torn, so that the
// caller can say so; its command counts as not run. Anything else that is wrong
// with the file is an error that names the line, and leaves the file as it is.
func Open(path string, o Options) (*Log, *Done, error) {
	l, f, err := openLog(path)
	if err != nil {
		return nil, nil, fmt.Errorf("resume job log: %w", err)
	}
	done, err := l.resume(f, o)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("resume job log %s: %w", path, err)
	}
	return l, done, nil
}

func (l *Log) resume(f *os.File, o Options) (*Done, error) {
	if !l.regular {
		return nil, errors.New("not a file that can be read again")
	}
	var c collector
	var torn *TornError
	for e, err := range Read(f) {
		if errors.As(err, &torn) {
			break
		}
		if err != nil {
			return nil, err
		}
		c.add(e)
	}
	if torn != nil {
		if err := f.Truncate(torn.Offset); err != nil {
			return nil, err
		}
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		err = l.write([]byte(header))
	}
	if err != nil {
		return nil, err
	}
	done := c.done(o)
	done.Torn = torn
	return done, nil
}

// openLog opens and locks path. O_TRUNC is not used, since the file may be
// another run's until it is locked.
func openLog(path string) (*Log, *os.File, error) {
	l := &Log{regular: true}
	mode := os.O_RDWR | os.O_CREATE | os.O_APPEND
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		l.regular = false
		mode = os.O_WRONLY
	}
	f, err := os.OpenFile(path, mode, 0o666)
	if err != nil {
		return nil, nil, err
	}
	l.file = f
	if l.regular {
		if err := lock(f); err != nil {
			f.Close()
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return l, f, nil
}

// Append writes one entry. See AppendAll.
func (l *Log) Append(e Entry) error { return l.AppendAll([]Entry{e}) }

// AppendAll writes entries with one write(2) at the file's end: a writer killed
// at any instant leaves whole lines, and an entry whose Append returned is in
// the kernel's hands and survives this process (Sync makes it survive the
// machine). After an error, such as a full disk, none of the entries is in the
// log and later ones can be appended; if even what was half written cannot be
// taken back, every later call fails.
func (l *Log) AppendAll(entries []Entry) error {
	var b []byte
	for _, e := range entries {
		var err error
		if b, err = e.appendTo(b); err != nil {
			return fmt.Errorf("append to job log: %w", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writeLocked(b); err != nil {
		return fmt.Errorf("append to job log: %w", err)
	}
	return nil
}

func (l *Log) write(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writeLocked(b)
}

func (l *Log) writeLocked(b []byte) error {
	if l.broken != nil || len(b) == 0 {
		return l.broken
	}
	n, err := l.file.Write(b)
	if err == nil || n <= 0 {
		return err
	}
	if cutErr := l.cutLocked(int64(n)); cutErr != nil {
		l.broken = fmt.Errorf("%w, and the part that was written cannot be taken back: %w", err, cutErr)
		return l.broken
	}
	return err
}

// cutLocked takes the last n bytes off. The size is asked for and not kept, so
// that nothing is lost that came from elsewhere.
func (l *Log) cutLocked(n int64) error {
	if !l.regular {
		return errors.New("not a file")
	}
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	return l.file.Truncate(info.Size() - n)
}

// Sync waits until all that was appended is on the disk.
func (l *Log) Sync() error {
	if !l.regular {
		return nil
	}
	return l.file.Sync()
}

// Close unlocks and closes the log. Its error counts: some file systems tell
// only now that the disk is full.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.broken, os.ErrClosed) {
		return nil
	}
	l.broken = os.ErrClosed
	return l.file.Close()
}
