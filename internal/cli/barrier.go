package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// barrierMax is for how many a barrier may be: as many processes as a space lets in.
const barrierMax = 250

// newBarrier makes the command barrier.
func newBarrier() *cobra.Command {
	var space, timeout string
	cmd := &cobra.Command{
		Use:                   "barrier NAME N [--timeout TIME]",
		DisableFlagsInUseLine: true,
		Short:                 "Wait until so many have come",
		Long: `Wait until N processes wait at the barrier of this name, and let all of them go.
Then it stands again for the next N.

When one of those who wait is killed, or gives up, the barrier breaks: all who
wait return with exit code 1, for nobody knows who will still come. Once they
have left it is whole again.

The exit code is 0 when all have come; 1 when the barrier broke, or --timeout
passed; 2 for wrong usage.`,
		Example: `  # three parts of a computation, step by step
  tutti map -j3 './load {}; tutti barrier loaded 3; ./compute {}' ::: a b c
  # do not wait for ever for somebody who has crashed before he came
  tutti barrier loaded 3 --timeout 5m || exit`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("say a name and for how many it is, as in: tutti barrier loaded 3")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if name == "" || len(name) > objectNameMax {
				return fmt.Errorf("barrier %q: say a name of 1 to %d bytes", name, objectNameMax)
			}
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 1 || n > barrierMax {
				return fmt.Errorf("barrier for %q: say for how many it is, 1 to %d, as in: tutti barrier %s 3", args[1], barrierMax, name)
			}
			give, err := waitFor(timeout)
			if err != nil {
				return err
			}
			return awaitBarrier(spaceNamed(space), name, n, give)
		},
	}
	cmd.Flags().StringVarP(&timeout, "timeout", "w", "", "give up after this `TIME`, 10 or 2m, with exit code 1")
	addSpaceFlag(cmd, &space)
	cmd.ValidArgsFunction = completeObjects("barrier", 1, &space)
	return cmd
}
