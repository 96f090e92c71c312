package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// spaceVariable names the variable that says which space the commands for shells use
// where no --space does.
const spaceVariable = "TUTTI_SPACE"

// spaceRef is where a space lies.
type spaceRef struct {
	Name   string
	Folder string // "" /dev/shm
}

// String is how people write it.
func (r spaceRef) String() string {
	if r.Folder == "" {
		return r.Name
	}
	return r.Folder + "/" + r.Name
}

// spaceNamed reads the value of --space: a name, or a path where it is to lie in
// another folder. "" is $TUTTI_SPACE, else the user's own.
func spaceNamed(value string) spaceRef {
	if value == "" {
		value = os.Getenv(spaceVariable)
	}
	if value == "" {
		value = fmt.Sprintf("shell-%d", os.Getuid())
	}
	if at := strings.LastIndexByte(value, '/'); at >= 0 {
		return spaceRef{Name: value[at+1:], Folder: value[:max(at, 1)]}
	}
	return spaceRef{Name: value}
}

// Names of objects that are not a user's own words.
const (
	semPrefix     = "sem:"     // of a semaphore: the rest is its --id
	chanPrefix    = "chan:"    // of a channel of tutti chan
	topicPrefix   = "topic:"   // of a topic of tutti topic
	runningPrefix = "running:" // of what the keepers of commands hold, see keeper.go
	ownPrefix     = "tutti: "  // of mutexes that the commands use among themselves
)

// isOwn reports whether an object is nothing that a user named.
func isOwn(name string) bool {
	return strings.HasPrefix(name, runningPrefix) || strings.HasPrefix(name, ownPrefix)
}

// ownName is the name of an object as a user said it.
func ownName(object string) string {
	for _, prefix := range []string{semPrefix, chanPrefix, topicPrefix} {
		if name, ok := strings.CutPrefix(object, prefix); ok {
			return name
		}
	}
	return object
}

// addSpaceFlag gives a command the option --space.
func addSpaceFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "space", "", "the shared memory to use, a `NAME` or a path; $TUTTI_SPACE or one for each user if not said")
	_ = cmd.RegisterFlagCompletionFunc("space", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return spaceNames(""), cobra.ShellCompDirectiveNoFileComp
	})
}

// completeObjects completes the names of objects of a kind in the space that flag
// --space names, for as many arguments as there may be.
func completeObjects(kind string, most int, space *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return objectNames(spaceNamed(*space), kind), cobra.ShellCompDirectiveNoFileComp
	}
}
