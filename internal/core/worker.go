package core

import "math/rand/v2"

// WorkerState is where one worker slot stands. The zero value is Vacant.
type WorkerState uint8

// The states of a worker slot.
const (
	// Vacant: no process, and none wanted.
	Vacant WorkerState = iota
	// Starting: a process was asked for and has not attached yet.
	Starting
	// Ready: attached; runs tasks.
	Ready
	// Suspect: the kernel says that its lifeline thread died; the process was
	// sent SIGKILL and is not certainly gone.
	Suspect
	// Stopping: asked to leave; will not be replaced.
	Stopping
	// Killing: SIGKILL sent because the shell asked (a hanging task); waits for
	// the pidfd, then is replaced.
	Killing
	// Aborting: SIGKILL sent because it never attached, or died while attaching;
	// waits for the pidfd, then counts as a death at start.
	Aborting
	// Ending: SIGKILL sent and no replacement wanted; waits for the pidfd.
	Ending
	// Backoff: dead; waits for its restart time.
	Backoff
	// GivenUp: died too often; the pool is to end with a clear error.
	GivenUp
	numWorkerStates
)

var workerStateNames = [numWorkerStates]string{
	"vacant", "starting", "ready", "suspect", "stopping", "killing", "aborting", "ending", "backoff", "given-up",
}

// String returns the state's name as traces and logs write it.
func (s WorkerState) String() string { return workerStateNames[s] }

// WorkerEventKind is what happened to a worker slot.
type WorkerEventKind uint8

// The events of a worker slot.
const (
	// Start: the pool wants a process here. Heard only when Vacant; not to be
	// sent after PoolClosing.
	Start WorkerEventKind = iota
	// StartFailed: no process came to be (the fork or the exec failed).
	StartFailed
	// Attached: the process mapped the segment and took its slot.
	Attached
	// LifelineLost: the kernel handed over the robust futex of the worker's
	// lifeline thread. Sooner than Exited, less certain.
	LifelineLost
	// Exited: the pidfd is readable; the process is certainly gone.
	Exited
	// StopAsked: the pool wants this worker to leave.
	StopAsked
	// KillAsked: a task in it must be ended by force (Stop said SendKill), or
	// the worker broke a limit. It will be replaced.
	KillAsked
	// TimerFired: the time of an ArmTimer action has come. A stray or early one
	// is harmless.
	TimerFired
	// PoolClosing: leave, and nothing will be started here again.
	PoolClosing
	numWorkerEvents
)

var workerEventNames = [numWorkerEvents]string{
	"start", "start-failed", "attached", "lifeline-lost", "exited", "stop-asked", "kill-asked", "timer-fired", "pool-closing",
}

// String returns the event's name as traces and logs write it.
func (k WorkerEventKind) String() string { return workerEventNames[k] }

// Event is one thing that happened to a worker slot.
type Event struct {
	Kind WorkerEventKind
	// Epoch names the process that StartFailed, Attached, LifelineLost and
	// Exited speak of: the Epoch of the Spawn action that started it. Late words
	// about a former process of the slot are ignored. Unused by other events.
	Epoch uint32
	// Busy says with LifelineLost and Exited that tasks ran in the process when
	// it died: then Judge charges or suspects the tasks, and the death does not
	// count against the pool's restart intensity.
	Busy bool
}

// ActionKind is what the shell is to do for a worker slot.
type ActionKind uint8

// The actions for a worker slot, in the order in which one Step gives them.
const (
	// RecoverPlain: requeue at once the plain tasks that it owned. Its memory
	// may still be written to; what works in place stays as it is.
	RecoverPlain ActionKind = iota
	// SendStop: ask the process to leave when its tree is empty.
	SendStop
	// SendKill: SIGKILL through the pidfd. If its start is still under way, kill
	// it as soon as it has started.
	SendKill
	// ReportUnattached: tell the user that the process lives but never attached:
	// most likely main does not call tutti.Main() first of all.
	ReportUnattached
	// ReportStuck: tell the user that SIGKILL did not end the process in time
	// (uninterruptible sleep in a device or a network file system).
	ReportStuck
	// RecoverAll: the process is certainly gone; recover everything it owned.
	RecoverAll
	// Release: close and free what was kept for the process (pidfd, pipes,
	// result memory). Exactly once for every Spawn.
	Release
	// GiveUp: workers died too often; end the pool with an error that shows the
	// last death.
	GiveUp
	// Spawn: start a process with the action's Epoch, and report StartFailed if
	// that fails.
	Spawn
	// ArmTimer: step with TimerFired at or after the action's At. It replaces
	// the slot's earlier timer.
	ArmTimer
	numActions
)

var actionNames = [numActions]string{
	"recover-plain", "send-stop", "send-kill", "report-unattached", "report-stuck", "recover-all", "release", "give-up", "spawn", "arm-timer",
}

// String returns the action's name as traces and logs write it.
func (k ActionKind) String() string { return actionNames[k] }

// TimerKind says what an armed timer of a worker slot waits for; it is for the
// reader of a log, the shell need not keep it.
type TimerKind uint8

// The timers of a worker slot; at most one is armed at a time.
const (
	NoTimer      TimerKind = iota
	AttachTimer            // until a started process must have attached
	LeaveTimer             // until a worker that was asked to leave is killed
	GoneTimer              // until a killed process must be gone
	RestartTimer           // until a dead worker is started again
	numTimers
)

var timerNames = [numTimers]string{"none", "attach", "leave", "gone", "restart"}

// String returns the timer's name as traces and logs write it.
func (k TimerKind) String() string { return timerNames[k] }

// Action is one thing to do for a worker slot.
type Action struct {
	Kind  ActionKind
	Epoch uint32    // the process meant; for Spawn the new one's
	Timer TimerKind // ArmTimer only
	At    Time      // ArmTimer only
}

// WorkerLimits are the patience of the supervisor. A limit of zero or less
// means: wait for ever.
type WorkerLimits struct {
	Attach Span // from Spawn to Attached
	Leave  Span // from SendStop to Exited
	Gone   Span // from SendKill to Exited, then it is reported as stuck
}

// DefaultWorkerLimits serve a pool whose user said nothing. A worker attaches
// within milliseconds; ten seconds forgive an overloaded machine and an init
// function that reads large files.
var DefaultWorkerLimits = WorkerLimits{Attach: 10 * Second, Leave: 10 * Second, Gone: 10 * Second}

// effect is a set of things that a transition does besides entering a state.
type effect uint16

const (
	// ignore marks a cell that was thought of and does nothing.
	ignore effect = 1 << iota
	recoverPlain
	sendStop
	sendKill
	reportUnattached
	reportStuck
	recoverAll
	release
	// restart asks Restarts what comes next: Starting, Backoff or GivenUp, in
	// place of the cell's state.
	restart
	// enter marks a cell whose only effect is its new state.
	enter
)

// effectActions pairs the effects with their actions, in the order given out.
var effectActions = [...]struct {
	effect effect
	action ActionKind
}{
	{recoverPlain, RecoverPlain}, {sendStop, SendStop}, {sendKill, SendKill},
	{reportUnattached, ReportUnattached}, {reportStuck, ReportStuck},
	{recoverAll, RecoverAll}, {release, Release},
}

// gone is what follows from every certain death. Also after a failed start: a
// master may have assigned tasks to a slot whose worker was still to come.
const gone = recoverAll | release

type transition struct {
	next WorkerState
	do   effect
}

// transitions is the supervisor's table. A process that dies or is killed is
// waited for in one of four states, which differ in what its end means: Suspect
// (a crash), Killing (our wish, replace it), Aborting (a bad start), Ending (our
// wish, do not replace it).
var transitions = [numWorkerStates][numWorkerEvents]transition{
	Vacant: {
		Start:        {Starting, enter},
		StartFailed:  {Vacant, ignore},
		Attached:     {Vacant, ignore},
		LifelineLost: {Vacant, ignore},
		Exited:       {Vacant, ignore},
		StopAsked:    {Vacant, ignore},
		KillAsked:    {Vacant, ignore},
		TimerFired:   {Vacant, ignore},
		PoolClosing:  {Vacant, ignore},
	},
	// Nothing of ours runs before Attached, and a process that does not listen
	// yet cannot be asked to leave: so it is killed.
	Starting: {
		Start:        {Starting, ignore},
		StartFailed:  {Backoff, gone | restart},
		Attached:     {Ready, enter},
		LifelineLost: {Aborting, sendKill},
		Exited:       {Backoff, gone | restart},
		StopAsked:    {Ending, sendKill},
		KillAsked:    {Killing, sendKill},
		TimerFired:   {Aborting, sendKill | reportUnattached},
		PoolClosing:  {Ending, sendKill},
	},
	// SIGKILL after LifelineLost: a thread's death is not its process's, and only
	// a process that is certain to go lets in-place tasks be retried.
	Ready: {
		Start:        {Ready, ignore},
		StartFailed:  {Ready, ignore},
		Attached:     {Ready, ignore},
		LifelineLost: {Suspect, recoverPlain | sendKill},
		Exited:       {Backoff, gone | restart},
		StopAsked:    {Stopping, sendStop},
		KillAsked:    {Killing, sendKill},
		TimerFired:   {Ready, ignore},
		PoolClosing:  {Stopping, sendStop},
	},
	Suspect: {
		Start:        {Suspect, ignore},
		StartFailed:  {Suspect, ignore},
		Attached:     {Suspect, ignore},
		LifelineLost: {Suspect, ignore},
		Exited:       {Backoff, gone | restart},
		StopAsked:    {Ending, enter},
		KillAsked:    {Suspect, ignore},
		TimerFired:   {Suspect, sendKill | reportStuck},
		PoolClosing:  {Ending, enter},
	},
	// A leaving worker's lifeline goes a moment before the process does; that is
	// no reason to kill it while it waits for its tree.
	Stopping: {
		Start:        {Stopping, ignore},
		StartFailed:  {Stopping, ignore},
		Attached:     {Stopping, ignore},
		LifelineLost: {Stopping, recoverPlain},
		Exited:       {Vacant, gone},
		StopAsked:    {Stopping, ignore},
		KillAsked:    {Ending, sendKill},
		TimerFired:   {Ending, sendKill},
		PoolClosing:  {Stopping, ignore},
	},
	Killing: {
		Start:        {Killing, ignore},
		StartFailed:  {Backoff, gone | restart},
		Attached:     {Killing, ignore},
		LifelineLost: {Killing, recoverPlain},
		Exited:       {Backoff, gone | restart},
		StopAsked:    {Ending, enter},
		KillAsked:    {Killing, ignore},
		TimerFired:   {Killing, sendKill | reportStuck},
		PoolClosing:  {Ending, enter},
	},
	Aborting: {
		Start:        {Aborting, ignore},
		StartFailed:  {Backoff, gone | restart},
		Attached:     {Aborting, ignore},
		LifelineLost: {Aborting, ignore},
		Exited:       {Backoff, gone | restart},
		StopAsked:    {Ending, enter},
		KillAsked:    {Aborting, ignore},
		TimerFired:   {Aborting, sendKill | reportStuck},
		PoolClosing:  {Ending, enter},
	},
	Ending: {
		Start:        {Ending, ignore},
		StartFailed:  {Vacant, gone},
		Attached:     {Ending, ignore},
		LifelineLost: {Ending, recoverPlain},
		Exited:       {Vacant, gone},
		StopAsked:    {Ending, ignore},
		KillAsked:    {Ending, ignore},
		TimerFired:   {Ending, sendKill | reportStuck},
		PoolClosing:  {Ending, ignore},
	},
	Backoff: {
		Start:        {Backoff, ignore},
		StartFailed:  {Backoff, ignore},
		Attached:     {Backoff, ignore},
		LifelineLost: {Backoff, ignore},
		Exited:       {Backoff, ignore},
		StopAsked:    {Vacant, enter},
		KillAsked:    {Backoff, ignore},
		TimerFired:   {Starting, enter},
		PoolClosing:  {Vacant, enter},
	},
	GivenUp: {
		Start:        {GivenUp, ignore},
		StartFailed:  {GivenUp, ignore},
		Attached:     {GivenUp, ignore},
		LifelineLost: {GivenUp, ignore},
		Exited:       {GivenUp, ignore},
		StopAsked:    {Vacant, enter},
		KillAsked:    {GivenUp, ignore},
		TimerFired:   {GivenUp, ignore},
		PoolClosing:  {Vacant, enter},
	},
}

// Worker supervises one worker slot through all the processes that it holds one
// after another. Make one with NewWorker.
type Worker struct {
	state    WorkerState
	epoch    uint32
	busy     bool // tasks ran in the process when it died
	timer    deadline
	limits   WorkerLimits
	restarts Restarts
}

// NewWorker returns a vacant slot. deaths is shared by all the workers of the
// pool; limits is the supervisor's patience.
func NewWorker(limits WorkerLimits, deaths *Deaths) *Worker {
	return &Worker{limits: limits, restarts: Restarts{deaths: deaths}}
}

// State returns where the slot stands.
func (w *Worker) State() WorkerState { return w.state }

// Epoch returns the number of the slot's last Spawn; zero before the first.
func (w *Worker) Epoch() uint32 { return w.epoch }

// Step applies ev at now and appends the resulting actions to out, in the order
// in which they are to be carried out. rnd is used for the jitter of a restart.
func (w *Worker) Step(now Time, ev Event, rnd *rand.Rand, out []Action) []Action {
	switch ev.Kind {
	case StartFailed, Attached, LifelineLost, Exited:
		if ev.Epoch != w.epoch {
			return out
		}
		w.busy = w.busy || ev.Busy
	case TimerFired:
		if !w.timer.reached(now) {
			return out
		}
	}
	t := transitions[w.state][ev.Kind]
	if t.do&ignore != 0 {
		return out
	}
	for _, e := range effectActions {
		if t.do&e.effect != 0 {
			out = append(out, Action{Kind: e.action, Epoch: w.epoch})
		}
	}
	if t.do&restart != 0 {
		return w.replace(now, ev.Kind, rnd, out)
	}
	if t.next == w.state {
		return out
	}
	if t.next == Ready {
		w.restarts.Attached(now)
	}
	return w.enter(now, t.next, w.patience(t.next), out)
}

// replace asks what follows the death of a process that is to be replaced.
func (w *Worker) replace(now Time, how WorkerEventKind, rnd *rand.Rand, out []Action) []Action {
	kind := OwnDeath
	switch {
	case how == StartFailed || w.state == Starting || w.state == Aborting:
		kind = StartDeath
	case w.state == Killing:
		kind = AskedDeath
	case w.busy:
		kind = TaskDeath
	}
	delay, giveUp := w.restarts.Died(now, kind, rnd)
	switch {
	case giveUp:
		out = append(out, Action{Kind: GiveUp, Epoch: w.epoch})
		return w.enter(now, GivenUp, 0, out)
	case delay > 0:
		return w.enter(now, Backoff, delay, out)
	}
	return w.enter(now, Starting, w.patience(Starting), out)
}

// enter moves to state s, which may last as long as patience (zero: for ever).
func (w *Worker) enter(now Time, s WorkerState, patience Span, out []Action) []Action {
	w.state = s
	w.timer = deadline{}
	if s == Starting {
		w.epoch++
		w.busy = false
		out = append(out, Action{Kind: Spawn, Epoch: w.epoch})
	}
	if patience > 0 {
		w.timer = deadline{at: now.after(patience), armed: true}
		out = append(out, Action{Kind: ArmTimer, Epoch: w.epoch, Timer: stateTimers[s], At: w.timer.at})
	}
	return out
}

// stateTimers says what each state's timer waits for.
var stateTimers = [numWorkerStates]TimerKind{
	Vacant: NoTimer, Starting: AttachTimer, Ready: NoTimer, Suspect: GoneTimer, Stopping: LeaveTimer,
	Killing: GoneTimer, Aborting: GoneTimer, Ending: GoneTimer, Backoff: RestartTimer, GivenUp: NoTimer,
}

// patience returns how long the slot may stay in s; zero means for ever.
func (w *Worker) patience(s WorkerState) Span {
	switch stateTimers[s] {
	case AttachTimer:
		return w.limits.Attach
	case LeaveTimer:
		return w.limits.Leave
	case GoneTimer:
		return w.limits.Gone
	}
	return 0
}
