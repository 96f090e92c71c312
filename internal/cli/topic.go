package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// newTopic makes the command topic.
func newTopic() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topic",
		Short: "Messages from commands to all who read them",
		Long: `A topic carries messages from any number of commands to all that read it, each at
its own pace, in one order for all. It keeps the newest, for who is slow or comes
later; nobody who publishes waits, so who is too slow misses some, and is told.

What it keeps stays when all have left, until the topic is closed, or its space
removed with tutti ipc rm.`,
		Example: `  tutti topic pub progress 'loading'
  tutti topic sub --from oldest progress`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return errors.New("tutti topic has pub and sub, and no " + args[0])
		},
	}
	cmd.AddCommand(newPub(), newSub())
	return cmd
}

func newPub() *cobra.Command {
	c := sendCall{topic: true}
	var f messageFlags
	var whole bool
	cmd := &cobra.Command{
		Use:                   "pub NAME [--close] [--size N] [-0 | --whole] [MESSAGE...]",
		DisableFlagsInUseLine: true,
		Short:                 "Publish messages: words, or each line of standard input",
		Long: `Publish each word behind the name, or if there is none each line of standard
input, as one message: without its newline, empty ones too, and what follows the
last newline if anything does. It waits for nobody.

With --close the topic ends: who reads it gets what it keeps, and ends; when all
have left it is gone.

The exit code is 0 when all was published; 1 when the topic was closed, or there
is no memory; 2 for wrong usage.`,
		Example: `  tutti topic pub progress 'step 3 of 7'
  make 2>&1 | tutti topic pub build --close
  # end it, and forget what it keeps
  tutti topic pub progress --close < /dev/null`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.read(cmd, f, whole, args, "tutti topic pub progress 'step 3 of 7'"); err != nil {
				return err
			}
			return c.run()
		},
	}
	sendFlags(cmd, &c, &f, &whole)
	cmd.Flags().StringVar(&f.size, "size", "", "make the topic one that keeps the newest `N` messages; 1024 if nobody says")
	cmd.ValidArgsFunction = completeObjects("byte topic", 1, &f.space)
	return cmd
}

func newSub() *cobra.Command {
	c := recvCall{topic: true}
	var f messageFlags
	var from string
	cmd := &cobra.Command{
		Use:                   "sub NAME [--from now|oldest] [-n N] [--timeout TIME] [-0 | --raw]",
		DisableFlagsInUseLine: true,
		Short:                 "Print the messages of a topic, until it is closed",
		Long: `Print the messages of a topic, each with a newline behind it, until it is closed:
those that are published from now on, or with --from oldest first those that it
keeps. Any number read a topic, and each gets all.

Who is so slow that the topic did not keep what comes next is told how many
messages were missed, on standard error, and goes on behind them.

The exit code is 0 when the topic is closed, with -n when so many came; 3 if some
were missed; 1 when --timeout passed, or less than -n came; 2 for wrong usage.`,
		Example: `  tutti topic sub build
  # the last thing that was said, if it was said within a minute
  tutti topic sub --from oldest --timeout 1m progress | tail -n1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.read(cmd, f, args, "tutti topic sub progress"); err != nil {
				return err
			}
			if from != "now" && from != "oldest" {
				return fmt.Errorf("--from %q: say now, or oldest for what the topic keeps", from)
			}
			c.oldest = from == "oldest"
			return c.run()
		},
	}
	recvFlags(cmd, &f)
	cmd.Flags().StringVar(&f.size, "size", "", "make the topic one that keeps the newest `N` messages; 1024 if nobody says")
	cmd.Flags().StringVar(&from, "from", "now", "`WHERE` to begin: now, or oldest for what is kept too")
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]cobra.Completion{"now", "oldest"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = completeObjects("byte topic", 1, &f.space)
	return cmd
}
