package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tutti-run/tutti/internal/nearest"
)

// flagKinds says what a value of a type has to be, where the library only has what the
// standard library's parser said.
var flagKinds = map[string]string{
	"int": "a whole number", "uint64": "a whole number from 0 on", "float64": "a number", "bool": "true or false",
}

// flagError says what is wrong with an option of a command, and where to look.
func flagError(cmd *cobra.Command, err error) error {
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		number, isNumber := errors.AsType[*strconv.NumError](bad)
		if kind := flagKinds[bad.GetFlag().Value.Type()]; isNumber && kind != "" {
			err = fmt.Errorf("--%s %s: it takes %s", bad.GetFlag().Name, bad.GetValue(), kind)
			if errors.Is(number, strconv.ErrRange) {
				err = fmt.Errorf("--%s %s: that number is out of range", bad.GetFlag().Name, bad.GetValue())
			}
		}
	}
	if near := meantFlag(cmd.Flags(), err); near != "" {
		return fmt.Errorf("%w; did you mean --%s? %s --help lists the options", err, near, cmd.CommandPath())
	}
	return fmt.Errorf("%w; %s --help lists the options", err, cmd.CommandPath())
}

// meantFlag is the option that was meant by one that is not there, or "".
func meantFlag(flags *pflag.FlagSet, err error) string {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return ""
	}
	name := unknown.GetSpecifiedName()
	var names []string // that begin alike: of short words many are near each other
	flags.VisitAll(func(f *pflag.Flag) {
		if name != "" && f.Name[0] == name[0] {
			names = append(names, f.Name)
		}
	})
	return nearest.Of(name, names)
}
