package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/ipc"
)

// newChan makes the command chan.
func newChan() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chan",
		Short: "Messages from commands to commands, each to one of them",
		Long: `A channel carries messages between commands, however they were started. Any number
may send and receive; each message goes to one receiver, in the order of sending.

It is there from the first command that uses it until the last has left and all
messages are received. tutti chan keep has it there for as long as a command runs.`,
		Example: `  # a queue of work for three
  tutti chan keep work -- sh -c '
    for i in 1 2 3; do tutti chan recv work | ./worker & done
    find . -name "*.mov" | tutti chan send work --close; wait'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return errors.New("tutti chan has send, recv and keep, and no " + args[0])
		},
	}
	cmd.AddCommand(newSend(), newRecv(), newKeep())
	return cmd
}

func newSend() *cobra.Command {
	var c sendCall
	var f messageFlags
	var whole bool
	cmd := &cobra.Command{
		Use:                   "send NAME [--close] [--size N] [--timeout TIME] [-0 | --whole] [MESSAGE...]",
		DisableFlagsInUseLine: true,
		Short:                 "Send messages: words, or each line of standard input",
		Long: `Send each word behind the name, or if there is none each line of standard input,
as one message: without its newline, empty ones too, and what follows the last
newline if anything does. While the channel is full it waits.

A message that was sent stays until it is received, also when all have left. It
has at most 64 MiB, and so have all that are in a channel together.

The exit code is 0 when all was sent; 1 when --timeout passed, the channel was
closed, or there is no memory: then what was sent before stays sent, and the
error says how many; 2 for wrong usage.`,
		Example: `  tutti chan send work clip.mov
  find . -name '*.mov' -print0 | tutti chan send -0 work --close
  tar c photos | tutti chan send --whole backup
  # say only that it is over
  tutti chan send work --close < /dev/null`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.read(cmd, f, whole, args, "tutti chan send work clip.mov"); err != nil {
				return err
			}
			return c.run()
		},
	}
	sendFlags(cmd, &c, &f, &whole)
	cmd.Flags().StringVarP(&f.timeout, "timeout", "w", "", "give up after this `TIME` without room, 10 or 2m, with exit code 1")
	cmd.Flags().StringVar(&f.size, "size", "", "make the channel with room for `N` messages; 1024 if nobody says")
	cmd.ValidArgsFunction = completeObjects("byte channel", 1, &f.space)
	return cmd
}

// sendFlags gives a command that sends what they have in common.
func sendFlags(cmd *cobra.Command, c *sendCall, f *messageFlags, whole *bool) {
	cmd.Flags().BoolVarP(&c.end, "close", "c", false, "say in the end that nothing more will come")
	cmd.Flags().BoolVarP(&f.null, "null", "0", false, "messages on standard input end with NUL, not with a newline")
	cmd.Flags().BoolVar(whole, "whole", false, "all of standard input is one message")
	addSpaceFlag(cmd, &f.space)
}

// read reads the words of a call.
func (c *sendCall) read(cmd *cobra.Command, f messageFlags, whole bool, args []string, example string) (err error) {
	if c.name, err = readName(cmd, c.topic, args, example); err != nil {
		return err
	}
	c.space, c.values = spaceNamed(f.space), args[1:]
	switch {
	case f.null && whole:
		return errors.New("--null cuts standard input and --whole does not; leave one of them out")
	case (f.null || whole) && len(c.values) > 0:
		return errors.New("--null and --whole are about standard input, which is not read where words are messages; leave them or the words out")
	case f.null:
		c.cut = cutNull
	case whole:
		c.cut = cutNone
	}
	if c.size, err = number("--size", f.size, ipc.MessagesMax); err != nil {
		return err
	}
	c.give, err = waitFor(f.timeout)
	return err
}

func newRecv() *cobra.Command {
	var c recvCall
	var f messageFlags
	cmd := &cobra.Command{
		Use:                   "recv NAME [-n N] [--timeout TIME] [-0 | --raw]",
		DisableFlagsInUseLine: true,
		Short:                 "Receive messages and print them, until the channel is closed",
		Long: `Print messages, each with a newline behind it, until the channel is closed and
all of its messages have been received by somebody.

A message is taken, printed, and only then gone. If this command is killed before
that, or nobody reads what it prints, another receiver gets the message, before
all later ones; if it was killed between the two, a second time. So nothing is
lost before it was printed, but what lies printed in a pipe when its reader ends.

The exit code is 0 when the channel is closed, with -n when so many came; 1 when
--timeout passed, or less than -n came; 2 for wrong usage.`,
		Example: `  tutti chan recv work | xargs -d '\n' -n1 ./convert
  # one at a time
  while file=$(tutti chan recv -n1 work); do ./convert "$file"; done
  tutti chan recv --raw -n1 backup | tar x`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.read(cmd, f, args, "tutti chan recv work"); err != nil {
				return err
			}
			return c.run()
		},
	}
	recvFlags(cmd, &f)
	cmd.Flags().StringVar(&f.size, "size", "", "make the channel with room for `N` messages; 1024 if nobody says")
	cmd.ValidArgsFunction = completeObjects("byte channel", 1, &f.space)
	return cmd
}

// recvFlags gives a command that receives what they have in common.
func recvFlags(cmd *cobra.Command, f *messageFlags) {
	cmd.Flags().StringVarP(&f.count, "count", "n", "", "end after `N` messages")
	cmd.Flags().StringVarP(&f.timeout, "timeout", "w", "", "give up after this `TIME` without a message, 10 or 2m, with exit code 1")
	cmd.Flags().BoolVarP(&f.null, "null", "0", false, "print NUL behind each message, not a newline")
	cmd.Flags().BoolVar(&f.raw, "raw", false, "print nothing behind a message")
	addSpaceFlag(cmd, &f.space)
}

// read reads the words of a call.
func (c *recvCall) read(cmd *cobra.Command, f messageFlags, args []string, example string) (err error) {
	if c.name, err = readName(cmd, c.topic, args, example); err != nil {
		return err
	}
	switch c.end = "\n"; {
	case len(args) > 1:
		return errors.New("one " + messageWord(c.topic) + " at a time can be read: say one name, as in: " + example)
	case f.null && f.raw:
		return errors.New("--null prints NUL behind each message and --raw nothing; leave one of them out")
	case f.null:
		c.end = "\x00"
	case f.raw:
		c.end = ""
	}
	c.space = spaceNamed(f.space)
	if c.size, err = number("--size", f.size, ipc.MessagesMax); err != nil {
		return err
	}
	if c.most, err = number("-n", f.count, 1<<31-1); err != nil {
		return err
	}
	c.give, err = waitFor(f.timeout)
	return err
}

// keepCall is one call of tutti chan keep.
type keepCall struct {
	space   spaceRef
	name    string
	size    int
	command []string
}

func newKeep() *cobra.Command {
	var c keepCall
	var f messageFlags
	cmd := &cobra.Command{
		Use:                   "keep NAME [--size N] -- COMMAND [ARGUMENTS]",
		DisableFlagsInUseLine: true,
		Short:                 "Have a channel there for as long as a command runs",
		Long: `Run a command, and have the channel there until it ends. A receiver that comes
when the channel is closed and all is received is told so, as long as the channel
is there; else it is the first of a new one, and waits. So start within keep what
may begin after others have ended. The exit code is the command's, as with tutti
lock.`,
		Example: `  tutti chan keep work -- ./all-workers`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if c.name, err = readName(cmd, false, args, "tutti chan keep work -- ./all-workers"); err != nil {
				return err
			}
			if dash := cmd.ArgsLenAtDash(); dash != 1 || len(args) == 1 {
				return errors.New("say one name, and the command behind --, as in: tutti chan keep work -- ./all-workers")
			}
			if c.size, err = number("--size", f.size, ipc.MessagesMax); err != nil {
				return err
			}
			c.space, c.command = spaceNamed(f.space), args[1:]
			return c.run()
		},
	}
	cmd.Flags().StringVar(&f.size, "size", "", "make the channel with room for `N` messages; 1024 if nobody says")
	addSpaceFlag(cmd, &f.space)
	cmd.ValidArgsFunction = completeObjects("byte channel", 1, &f.space)
	return cmd
}
