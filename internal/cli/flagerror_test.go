package cli

import (
	"strings"
	"testing"
)

func TestFlagErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"--tasks=abc":                  "--tasks abc: it takes a whole number",
		"-nabc":                        "--tasks abc: it takes a whole number",
		"--tasks=99999999999999999999": "--tasks 99999999999999999999: that number is out of range",
		"--seed=-1":                    "--seed -1: it takes a whole number from 0 on",
		"--due=x":                      "--due x: it takes a number",
		"--csv=x":                      "--csv x: it takes true or false",
		"--cpu":                        "unknown flag: --cpu; did you mean --cpus?",
		"--dew":                        "unknown flag: --dew; did you mean --due?",
		"--mail":                       "unknown flag: --mail", // --fail begins otherwise
		"--quite-another":              "unknown flag: --quite-another",
		"--seed":                       "flag needs an argument: --seed",
	} {
		cmd := newSim()
		err := flagError(cmd, cmd.ParseFlags([]string{text}))
		if !strings.HasSuffix(want, "?") {
			want += ";"
		}
		if got := err.Error(); got != want+" sim --help lists the options" {
			t.Errorf("%s: %s", text, got)
		}
	}
}
