package core

// StopState is how far the ending of one running task has got. The zero value
// is Undisturbed.
type StopState uint8

// The stages. Each is entered only when the one before was not enough.
const (
	// Undisturbed: nobody asked the task to end.
	Undisturbed StopState = iota
	// Cancelled: its context in the worker was cancelled; it has Grace to end.
	Cancelled
	// Quitting: the worker was sent SIGQUIT, so that the crash trace shows where
	// the task hung; it has QuitGrace to die.
	Quitting
	// Killed: the worker was sent SIGKILL; its death is only a matter of time.
	Killed
	// Ended: the task finished or its worker is gone. Nothing more will follow.
	Ended
	numStopStates
)

var stopStateNames = [numStopStates]string{"undisturbed", "cancelled", "quitting", "killed", "ended"}

// String returns the state's name as traces and logs write it.
func (s StopState) String() string { return stopStateNames[s] }

// StopEvent is what happened to a task that is, or may be, asked to end.
type StopEvent uint8

// The events.
const (
	// EndAsked: the task was cancelled or is past its deadline.
	EndAsked StopEvent = iota
	// TaskFinished: the task came to its end by itself, in whatever way.
	TaskFinished
	// WorkerGone: the worker's pidfd is readable.
	WorkerGone
	// StopTimer: the time of an ArmStopTimer action has come. A stray or early
	// one is harmless.
	StopTimer
	numStopEvents
)

var stopEventNames = [numStopEvents]string{"end-asked", "task-finished", "worker-gone", "stop-timer"}

// String returns the event's name as traces and logs write it.
func (e StopEvent) String() string { return stopEventNames[e] }

// StopActionKind is what the shell is to do to end a task.
type StopActionKind uint8

// The actions.
const (
	// CancelContext: cancel the task's context in the worker.
	CancelContext StopActionKind = iota
	// SendQuit: SIGQUIT to the worker.
	SendQuit
	// KillWorker: step the worker's slot with KillAsked.
	KillWorker
	// ArmStopTimer: step with StopTimer at or after the action's At. It replaces
	// this task's earlier timer.
	ArmStopTimer
	// StopDone: forget this Stop. It is given once and last.
	StopDone
	numStopActions
)

var stopActionNames = [numStopActions]string{"cancel-context", "send-quit", "kill-worker", "arm-timer", "done"}

// String returns the action's name as traces and logs write it.
func (k StopActionKind) String() string { return stopActionNames[k] }

// StopAction is one thing to do to end a task.
type StopAction struct {
	Kind StopActionKind
	At   Time // ArmStopTimer only
}

// StopLimits are the patience with a task that is to end. Zero or less means
// that the next stage follows at once.
type StopLimits struct {
	Grace     Span // from the context's cancellation to SIGQUIT
	QuitGrace Span // from SIGQUIT to SIGKILL
}

// DefaultStopLimits serve a pool whose user said nothing. A Go process writes
// the stacks of ten thousand goroutines in well under a second.
var DefaultStopLimits = StopLimits{Grace: 2 * Second, QuitGrace: Second}

// stopTransition is one cell: the new state and its action. hold marks a cell
// that was thought of and does nothing.
type stopTransition struct {
	next StopState
	act  StopActionKind
	hold bool
}

// stops is the table. A task that finishes after SIGQUIT has finished all the
// same: what ends then is its worker, and Signalled tells Judge why.
var stops = [numStopStates][numStopEvents]stopTransition{
	Undisturbed: {
		EndAsked:     {next: Cancelled, act: CancelContext},
		TaskFinished: {next: Ended, act: StopDone},
		WorkerGone:   {next: Ended, act: StopDone},
		StopTimer:    {next: Undisturbed, hold: true},
	},
	Cancelled: {
		EndAsked:     {next: Cancelled, hold: true},
		TaskFinished: {next: Ended, act: StopDone},
		WorkerGone:   {next: Ended, act: StopDone},
		StopTimer:    {next: Quitting, act: SendQuit},
	},
	Quitting: {
		EndAsked:     {next: Quitting, hold: true},
		TaskFinished: {next: Ended, act: StopDone},
		WorkerGone:   {next: Ended, act: StopDone},
		StopTimer:    {next: Killed, act: KillWorker},
	},
	Killed: {
		EndAsked:     {next: Killed, hold: true},
		TaskFinished: {next: Ended, act: StopDone},
		WorkerGone:   {next: Ended, act: StopDone},
		StopTimer:    {next: Killed, hold: true},
	},
	Ended: {
		EndAsked:     {next: Ended, hold: true},
		TaskFinished: {next: Ended, hold: true},
		WorkerGone:   {next: Ended, hold: true},
		StopTimer:    {next: Ended, hold: true},
	},
}

// Stop ends one running task, ever more firmly: its context is cancelled, then
// its worker is sent SIGQUIT, then SIGKILL. It stops at once when the task
// finishes. The zero value with Limits set is ready for use.
type Stop struct {
	Limits    StopLimits
	state     StopState
	signalled bool
	timer     deadline
}

// State returns how far the ending has got.
func (s *Stop) State() StopState { return s.state }

// Signalled reports whether the worker was sent a signal for this task's sake.
// Then the worker's death is KilledForTask, also if the task finished meanwhile.
func (s *Stop) Signalled() bool { return s.signalled }

// Step applies ev at now and appends the resulting actions to out, in the order
// in which they are to be carried out.
func (s *Stop) Step(now Time, ev StopEvent, out []StopAction) []StopAction {
	if ev == StopTimer && !s.timer.reached(now) {
		return out
	}
	t := stops[s.state][ev]
	if t.hold {
		return out
	}
	out = append(out, StopAction{Kind: t.act})
	s.state = t.next
	s.timer = deadline{}
	switch t.next {
	case Cancelled:
		return s.arm(now, s.Limits.Grace, out)
	case Quitting:
		s.signalled = true
		return s.arm(now, s.Limits.QuitGrace, out)
	case Killed:
		s.signalled = true
	}
	return out
}

// arm sets the stage's timer; a patience below zero is none.
func (s *Stop) arm(now Time, patience Span, out []StopAction) []StopAction {
	s.timer = deadline{at: now.after(max(patience, 0)), armed: true}
	return append(out, StopAction{Kind: ArmStopTimer, At: s.timer.at})
}
