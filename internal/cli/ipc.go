package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

// newIPC makes the command ipc, which shows spaces to people.
func newIPC() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ipc",
		Short: "See and remove shared memory: who holds what, who waits",
		Long: `Spaces are shared memory with locks, semaphores, barriers, channels and values in
it: those of tutti sem, lock, barrier, chan and topic, and of programs that use the
Go package ipc. Nobody need clean up after the dead: what a killed process held
comes back at once, and a space that commands for shells made goes with the last
of them, unless messages are in it that somebody may still come for.`,
		Example: `  tutti ipc ls
  tutti ipc stat
  tutti ipc stat --json my-program | jq '.objects[].name'
  tutti ipc rm old-space`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return errors.New("tutti ipc has ls, rm and stat, and no " + args[0])
		},
	}
	var folder string
	cmd.PersistentFlags().StringVar(&folder, "folder", "", "where spaces lie, a `FOLDER` in memory; /dev/shm if not said")
	_ = cmd.RegisterFlagCompletionFunc("folder", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	names := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return spaceNames(folder), cobra.ShellCompDirectiveNoFileComp
	}
	ls := &cobra.Command{
		Use:                   "ls",
		DisableFlagsInUseLine: true,
		Short:                 "List spaces, and who has them open",
		Args:                  noWords,
		RunE:                  func(*cobra.Command, []string) error { return listSpaces(folder) },
	}
	rm := newRemove(&folder, names)
	var json bool
	stat := &cobra.Command{
		Use:                   "stat [--json] [NAME...]",
		DisableFlagsInUseLine: true,
		Short:                 "Say who has spaces open, who holds what in them, and who waits",
		Long: `Say who has spaces open, who holds what in them, and who waits: those of these
names, or the one that tutti sem, lock, barrier, chan and topic use.`,
		ValidArgsFunction: names,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return showSpaces(folder, args, json)
			}
			r := spaceIn("", folder)
			return showSpaces(r.Folder, []string{r.Name}, json)
		},
	}
	stat.Flags().BoolVar(&json, "json", false, "as JSON, a line for each space")
	cmd.AddCommand(ls, rm, stat)
	return cmd
}

// newRemove makes the command ipc rm.
func newRemove(folder *string, names cobra.CompletionFunc) *cobra.Command {
	var force bool
	var in string
	rm := &cobra.Command{
		Use:                   "rm [-f] [--in SPACE] NAME...",
		DisableFlagsInUseLine: true,
		Short:                 "Remove spaces that nobody has open, or names in one",
		Long: `Remove spaces. One that a process has open is refused, as is one that cannot be
read. With -f it goes all the same: those who have it open go on with it, and who
comes later gets a new one, so locks do not hold between the two.

With --in remove names in a space, with what is in them: locks, channels, values,
as tutti ipc stat shows them. What a process has open is refused. What nobody has
open, and nothing is in, need not be removed: it goes when there is no room.`,
		Example: `  tutti ipc rm old-space
  tutti ipc rm --in my-program chan:work 'progress of 812'`,
		Args: someSpaces,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if in == "" {
				return names(cmd, args, word)
			}
			return objectNames(spaceIn(in, *folder), ""), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if in != "" {
				return removeObjects(spaceIn(in, *folder), args, force)
			}
			return removeSpaces(*folder, args, force)
		},
	}
	rm.Flags().BoolVarP(&force, "force", "f", false, "even if it is not there, or a space in use")
	rm.Flags().StringVar(&in, "in", "", "remove names in this `SPACE`, and not spaces")
	return rm
}

// spaceIn is the space that a word names, in a folder if that is said.
func spaceIn(word, folder string) spaceRef {
	r := spaceNamed(word)
	if folder != "" {
		r.Folder = folder
	}
	return r
}

func noWords(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("tutti ipc ls takes no names; tutti ipc stat NAME tells of one")
	}
	return nil
}

func someSpaces(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("say which; tutti ipc ls lists spaces, and tutti ipc stat what is in one")
	}
	return nil
}
