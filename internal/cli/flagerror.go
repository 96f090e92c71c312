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
				err = fmt.Errorf("--%s %s: that number is too large", bad.GetFlag().Name, bad.GetValue())
			}
		}
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		var names []string // that begin alike: of short words many are near each other
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if name != "" && f.Name[0] == name[0] {
				names = append(names, f.Name)
			}
		})
		if near := nearest.Of(name, names); near != "" {
			err = fmt.Errorf("%w (did you mean --%s?)", err, near)
		}
	}
	return fmt.Errorf("%w; %s --help lists the options", err, cmd.CommandPath())
}
