package jobserver

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flags string
		want  Auth
		found bool
		flaw  string
	}{
		{flags: ""},
		{flags: "ks -j4"},
		{flags: " -j4 --jobserver-auth=3,4", want: Auth{Read: 3, Write: 4, Jobs: 4}, found: true},
		{flags: "k --jobserver-fds=5,6 -j -- A=--jobserver-auth=1,2", want: Auth{Read: 5, Write: 6}, found: true},
		{flags: " -j --jobserver-fds=5,6 --jobserver-auth=7,8", want: Auth{Read: 7, Write: 8}, found: true},
		{flags: " -j8 --jobserver-auth=fifo:/tmp/GMfifo1", want: Auth{Fifo: "/tmp/GMfifo1", Jobs: 8}, found: true},
		{flags: " --jobserver-auth=-2,-2", want: Auth{Read: -2, Write: -2}, found: true, flaw: "its descriptors were not handed to this process"},
		{flags: " --jobserver-auth=fifo:", found: true, flaw: "the fifo has no name"},
		{flags: " --jobserver-auth=3", want: Auth{Read: 3}, found: true, flaw: `"3" is neither two descriptors nor a fifo`},
		{flags: " --jobserver-auth=sem:x", found: true, flaw: `"sem:x" is neither two descriptors nor a fifo`},
	} {
		got, found, err := Parse(c.flags)
		flaw := ""
		if err != nil {
			flaw = err.Error()
		}
		if got != c.want || found != c.found || flaw != c.flaw {
			t.Errorf("%q: %+v, %v, %q; want %+v, %v, %q", c.flags, got, found, flaw, c.want, c.found, c.flaw)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flags, want string }{
		{"", " -j4 --jobserver-auth=10,11"},
		{"ks", "ks -j4 --jobserver-auth=10,11"},
		{"-j8", " -j4 --jobserver-auth=10,11"},
		{"k -j --jobserver-fds=3,4 --jobserver-auth=3,4 --no-print-directory", "k --no-print-directory -j4 --jobserver-auth=10,11"},
		{" -j2 -- A=b\\ c -j3", " -j4 --jobserver-auth=10,11 -- A=b\\ c -j3"},
		{"-- A=b", " -j4 --jobserver-auth=10,11 -- A=b"},
		{"-k --jobs-are-fine", " -k --jobs-are-fine -j4 --jobserver-auth=10,11"},
	} {
		if got := (Auth{Read: 10, Write: 11, Jobs: 4}).Flags(c.flags); got != c.want {
			t.Errorf("%q: %q; want %q", c.flags, got, c.want)
		}
	}
	if got, want := (Auth{Fifo: "/p", Jobs: 2}).Flags("s"), "s -j2 --jobserver-auth=fifo:/p"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func FuzzFlags(f *testing.F) {
	f.Add("ks -j8 --jobserver-auth=3,4 -- A=b")
	f.Add("--jobserver-auth=fifo:/x --jobserver-fds=1")
	f.Fuzz(func(t *testing.T, flags string) {
		_, _, _ = Parse(flags)
		want := Auth{Read: 10, Write: 11, Jobs: 4}
		text := want.Flags(flags)
		if got, found, err := Parse(text); got != want || !found || err != nil {
			t.Errorf("%q became %q: %+v, %v, %v", flags, text, got, found, err)
		}
		if strings.Count(text, authFlag) > 1+strings.Count(flags, authFlag) {
			t.Errorf("%q became %q", flags, text)
		}
	})
}
