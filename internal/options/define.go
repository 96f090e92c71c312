package options

import (
	"github.com/spf13/pflag"
)

// bare is what the flag library hands over for an optional value that was left
// out. A value from the command line cannot hold NUL.
const bare = "\x00"

// absent is the default of numbers of which 0 means something.
const absent = "-1"

// Define adds all options to fs, with values that go to m, and sets the defaults.
// It teaches fs the other names and abbreviations of GNU parallel, and that
// options end at the first word that is none. The flag library reads only what
// [Expand] returns as GNU parallel would: it has no next word for an optional
// value and knows one letter an option.
func Define(fs *pflag.FlagSet, m *Map) {
	define(fs, m, All())
	fs.SetInterspersed(false)
}

// define adds some of the options. Those that are left out have their defaults.
func define(fs *pflag.FlagSet, m *Map, some []*Option) {
	m.given = make(map[string]bool)
	fs.SortFlags = false
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if o, _ := find(name); o != nil && len(name) > 1 {
			return pflag.NormalizedName(o.Name)
		}
		return pflag.NormalizedName(name)
	})
	for _, o := range All() {
		if o.Default != "" {
			o.setDefault(m)
		}
	}
	for _, o := range some {
		if o.Name == "help" { // the command library's own
			continue
		}
		short := ""
		if o.Short != "" {
			short = o.Short[:1]
		}
		f := fs.VarPF(&value{m: m, o: o}, o.Name, short, o.Help)
		f.Hidden = o.Help == "" || o.State == Refused
		switch o.Arg {
		case Switch:
			f.NoOptDefVal = "true"
		case Counted, OptionalText, OptionalNumber:
			f.NoOptDefVal = bare
		}
	}
}

// setDefault stores the default. A test reads them all.
func (o *Option) setDefault(m *Map) {
	if n, ok := o.field(m).(count); ok && o.Default == absent {
		*n.to = -1
		return
	}
	_ = o.read(o.field(m), o.Default)
}
