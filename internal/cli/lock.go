package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/core"
)

// lockCall is one call of tutti lock.
type lockCall struct {
	space    spaceRef
	names    []string // in the order in which all take them
	shared   bool
	give     time.Duration // until it waits no longer; 0: never
	nonblock bool
	command  []string
}

// newLock makes the command lock.
func newLock() *cobra.Command {
	var space, timeout string
	var c lockCall
	cmd := &cobra.Command{
		Use:                   "lock NAME... [--shared] [--timeout TIME] -- COMMAND [ARGUMENTS]",
		DisableFlagsInUseLine: true,
		Short:                 "Run a command while nobody else has these locks",
		Long: `Take locks, run a command, give the locks back.

Several locks are taken in one order, that of their names, however they are
written: two calls never wait for each other. A call within the command of
another is refused when it would wait for itself, or for somebody who waits for
it, and the circle is printed; but with --timeout the wait ends anyway. The command
has the terminal, and signals.

Locks belong to processes: one that was held by a killed one is free at once, and
the next holder is told. With --shared any number have a lock, and nobody who
wants it alone; nobody is overtaken. Who has what: tutti ipc stat.`,
		Example: `  # one migration at a time
  tutti lock database -- ./migrate
  # two folders, in whatever order others take them
  tutti lock photos videos -- rsync -a photos videos /backup
  # many readers, or one writer
  tutti lock --shared index -- ./search term
  tutti lock index -- ./rebuild
  # do not wait; wait for a minute at most
  tutti lock --nonblock deploy -- ./deploy || echo somebody is at it
  tutti lock --timeout 1m deploy -- ./deploy
  # a command that uses the shell is one word
  tutti lock ledger -- 'read n < ledger; echo $((n + 1)) > ledger'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.read(cmd.ArgsLenAtDash(), args, timeout); err != nil {
				return err
			}
			c.space = spaceNamed(space)
			return c.run()
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&c.shared, "shared", "s", false, "share the locks with others who do")
	f.StringVarP(&timeout, "timeout", "w", "", "give up after this `TIME`, 10 or 2m, with exit code 1")
	f.BoolVarP(&c.nonblock, "nonblock", "n", false, "do not wait: give up at once")
	addSpaceFlag(cmd, &space)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return completeObjects("rwmutex", len(args)+1, &space)(cmd, args, word)
	}
	cmd.Long += "\n\n" + lockCodes
	return cmd
}

const lockCodes = `The exit code is the command's, 128 + signal where one ended it; 1 when the locks
were not to be had in time; 2 for wrong usage and for what would wait for ever;
126 and 127 for a command that cannot be started. Commands find what is held
above them in TUTTI_LOCKS: SPACE/PROCESS/LOCK, blanks between.`

// read reads the words of the call; dash is how many of them stand before --.
func (c *lockCall) read(dash int, args []string, timeout string) error {
	switch {
	case dash < 0:
		return errors.New("say where the command begins, with --, as in: tutti lock photos videos -- rsync -a photos /backup")
	case dash == 0:
		return errors.New("there is no lock to take; name one before --, as in: tutti lock database -- ./migrate")
	case dash == len(args):
		return errors.New("there is no command to run; say one behind --, as in: tutti lock database -- ./migrate")
	case c.nonblock && timeout != "":
		return errors.New("--nonblock does not wait and --timeout says how long to; leave one of them out")
	}
	c.names, c.command = slices.Clone(args[:dash]), args[dash:]
	slices.Sort(c.names)
	c.names = slices.Compact(c.names)
	for _, n := range c.names {
		if n == "" || len(n) > objectNameMax {
			return fmt.Errorf("lock %q: say a name of 1 to %d bytes", n, objectNameMax)
		}
	}
	var err error
	c.give, err = waitFor(timeout)
	return err
}

// waitFor reads the value of --timeout.
func waitFor(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	span, err := core.ParseTimeout(text)
	if err == nil && span == 0 {
		err = fmt.Errorf("timeout %q: no time at all; say seconds as in 10 or 1.5, or leave it out to wait as long as it takes", text)
	}
	if err != nil {
		return 0, fmt.Errorf("--%w", err)
	}
	return time.Duration(span), nil
}

// ends reports whether the call does not wait, or not for ever: then nothing that it
// waits for is a deadlock.
func (c *lockCall) ends() bool { return c.nonblock || c.give > 0 }

func (c *lockCall) needs() (all []need) {
	for _, n := range c.names {
		all = append(all, need{Name: n, Shared: c.shared})
	}
	return all
}
