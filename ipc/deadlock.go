package ipc

// Policy says what is done about a deadlock.
type Policy uint8

// What may be done about a deadlock.
const (
	AbortYoungest Policy = iota // one of its goroutines gets a *DeadlockError
	ReportOnly                  // nothing: Options.Report is called
	KillWorker                  // the process of the youngest is killed
)

type DeadlockError struct{}

func (e *DeadlockError) Error() string { return "deadlock" }
func (e *DeadlockError) Unwrap() error { return ErrDeadlock }

func (s *Space) inspect(i int)                   {}
func (s *Space) deadlocked(i int) error          { return &DeadlockError{} }
func (m *Mutex) relocked(agent, pc uint64) error { return &DeadlockError{} }
