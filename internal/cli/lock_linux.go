package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tutti-run/tutti/internal/command"
)

// firstLook is when who waits looks for a circle. Most waits are over by then.
const firstLook = 20 * time.Millisecond

// run takes the locks and runs the command.
func (c *lockCall) run() (err error) {
	above := os.Getenv(locksVariable)
	s, err := enterShellSpace(c.space)
	if err != nil {
		return withCode(err, exitUsage)
	}
	end, err := c.holding(s, above)
	if err != nil {
		return withCode(diedOf(err), exitUsage)
	}
	return end.tell()
}

// holding runs the command with the locks held, and leaves the space.
func (c *lockCall) holding(s *shellSpace, above string) (end ended, err error) {
	defer func() { err = errors.Join(err, s.leave()) }()
	if !c.ends() {
		if err := s.refuseOwn(above, c.needs()...); err != nil {
			return end, err
		}
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if c.give > 0 {
		timed, stop := context.WithTimeout(ctx, c.give)
		defer stop()
		ctx = timed
	}
	for _, n := range c.needs() {
		if err := c.take(ctx, s, n); err != nil {
			return end, err
		}
		defer func() { err = errors.Join(err, s.give(n)) }()
	}
	stop()
	return keep(&charge{
		Space: c.space, Needs: c.needs(), Argv: argvOf(c.command), Env: heldEnv(os.Environ(), above, c.space, c.needs()),
		Display: strings.Join(c.command, " "), Output: printDirect,
	})
}

// argvOf is what is executed: words as they are, but a single one that is no
// executable by the user's shell.
func argvOf(words []string) []string {
	if len(words) > 1 {
		return words
	}
	env := command.EnvFor(startedBy(os.Getppid()))
	if _, err := env.LookPath(words[0]); err == nil {
		return words
	}
	_, argv := command.Rendered{Path: env.Shell, Shell: words[0]}.Exec()
	return argv
}

// refuseOwn refuses a call for what is held above it.
func (s *shellSpace) refuseOwn(above string, needs ...need) error {
	scene, err := sceneOf(s)
	for _, n := range needs {
		if err == nil {
			err = scene.refuseOwn(parseHeldAbove(above), s.ref.String(), n)
		}
	}
	return err
}

// take takes one lock.
func (c *lockCall) take(ctx context.Context, s *shellSpace, n need) error {
	if c.nonblock {
		ok, err := s.try(n)
		if err == nil && !ok {
			err = &exitError{1, fmt.Errorf("lock %q is held by others; the command was not run", n.Name)}
		}
		return err
	}
	take := s.takeWatched
	if c.ends() {
		take = s.take
	}
	err := take(ctx, n)
	if errors.Is(err, context.DeadlineExceeded) {
		err = &exitError{1, fmt.Errorf("lock %q was held by others when --timeout passed; the command was not run", n.Name)}
	}
	return err
}

// takeWatched takes what is needed, and waits for it until ctx is done, unless that would
// be for ever.
func (s *shellSpace) takeWatched(ctx context.Context, n need) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	withdrawn := make(chan struct{})
	looked := make(chan struct{})
	look := time.AfterFunc(firstLook, func() {
		defer close(looked)
		s.look(n, withdrawn, cancel)
	})
	err := s.take(ctx, n)
	close(withdrawn)
	if !look.Stop() {
		<-looked
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause // a circle
	}
	return err
}

// look looks whether the wait for n closes a circle, and ends it if so. Lookers take
// turns, and each waits already when it looks, so the first that sees a circle whole
// breaks it, and nobody else in it has to leave.
func (s *shellSpace) look(n need, withdrawn <-chan struct{}, cancel context.CancelCauseFunc) {
	turn, err := s.inTurn("looking for a circle")
	if err != nil {
		return // no room for one more object: others may look
	}
	defer func() { _ = turn.Unlock() }()
	for {
		scene, err := sceneOf(s)
		if err != nil {
			return
		}
		self := os.Getpid()
		waits := slices.ContainsFunc(scene.waits, func(u lockUse) bool { return u.pid == self && u.lock == n.Name })
		if !waits { // it has not come so far, or is over
			select {
			case <-withdrawn:
				return
			case <-time.After(firstLook):
				continue
			}
		}
		circle := scene.circle(self)
		if circle == nil {
			return
		}
		if scene, err = sceneOf(s); err == nil && scene.kept(circle) {
			cancel(circleError(circle))
			<-withdrawn
			return
		}
	}
}

// sceneOf asks who has and awaits what.
func sceneOf(s *shellSpace) (*lockScene, error) {
	st, err := s.Stat()
	if err != nil {
		return nil, err
	}
	scene := &lockScene{above: map[int][]heldAbove{}}
	for _, o := range st.Objects {
		isSem := o.Kind == "semaphore" && strings.HasPrefix(o.Name, semPrefix)
		if o.Kind != "rwmutex" && !isSem || isOwn(o.Name) {
			continue
		}
		for _, h := range o.Holders {
			scene.holds = append(scene.holds, lockUse{h.PID, o.Name, h.Exclusive, h.Since.UnixNano()})
		}
		for _, w := range o.Waiters {
			alone := w.Exclusive || isSem && w.Units == semUnits
			scene.waits = append(scene.waits, lockUse{w.PID, o.Name, alone, w.Since.UnixNano()})
			scene.above[w.PID] = aboveProcess(w.PID, s.ref.String())
		}
	}
	return scene, nil
}

// aboveProcess tells what is held above a process in a space, by its environment.
func aboveProcess(pid int, space string) []heldAbove {
	env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // gone, or not ours: nothing
	for kv := range strings.SplitSeq(string(env), "\x00") {
		if text, ok := strings.CutPrefix(kv, locksVariable+"="); ok {
			return slices.DeleteFunc(parseHeldAbove(text), func(h heldAbove) bool { return h.space != space })
		}
	}
	return nil
}
