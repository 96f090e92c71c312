package options

import (
	"slices"
	"strings"
	"testing"
)

// TestScan holds the reader to what Getopt::Long does with GNU parallel's
// settings (bundling, require_order); each line was tried there.
func TestScan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{"-kj4 x", "--keep-order --jobs=4 | x"},
		{"-j 4 -k x", "--jobs=4 --keep-order | x"},
		{"-P4 x", "--jobs=4 | x"},
		{"--max-procs 4 x", "--jobs=4 | x"},
		{"-j -1 x", "--jobs=-1 | x"},
		{"-j-1 x", "--jobs=-1 | x"},
		{"-j --foo x", "--jobs=--foo | x"},
		{"--block -10 x", "--block=-10 | x"},
		{"--nice -5 x", "--nice=-5 | x"},
		{"-i X a", "--replace=X | a"},
		{"-iX a", "--replace=X | a"},
		{"-ik a", "--replace=k | a"},
		{"-i -k a", "--replace --keep-order | a"},
		{"--replace=X a", "--replace=X | a"},
		{"-l 2 a", "--max-lines=2 | a"},
		{"-l2 a", "--max-lines=2 | a"},
		{"-l2k a", "--max-lines=2 --keep-order | a"},
		{"-lk a", "--max-lines --keep-order | a"},
		{"-l a", "--max-lines | a"},
		{"-l -k a", "--max-lines --keep-order | a"},
		{"-l -0 a", "--null --max-lines | a"},
		{"-l -5 a", "--max-lines=-5 | a"},
		{"--max-lines=3 a", "--max-lines=3 | a"},
		{"-e X a", "--eof=X | a"},
		{"-eX a", "--eof=X | a"},
		{"-E X a", "--E=X | a"},
		{"--eof= a", "--eof= | a"},
		{"--jobl f a", "--joblog=f | a"},
		{"--JOBS 3 a", "--jobs=3 | a"},
		{"--j 3 a", "--jobs=3 | a"},
		{"--k a", "--keep-order | a"},
		{"--keep a", "--keep-order | a"},
		{"--file a", "--files | a"},
		{"-C= a", "--colsep== | a"},
		{"-C=+ a", "--colsep==+ | a"},
		{"-k0v a", "--keep-order --null --v | a"},
		{"-v -vv", "--v --v --v |"},
		{"- a", "| - a"},
		{"-- -k a", "| -k a"},
		{"-k -- -- a", "--keep-order | -- a"},
		{"--lb --ll a", "--line-buffer --latest-line | a"},
		{"--dr --wd /x --bnr B --res r --cf a", "--dry-run --wd=/x --bnr=B --results=r --color-failed | a"},
		{"--no-k --nok a", "--no-keep-order --no-keep-order | a"},
		{"echo -k a", "| echo -k a"},
		{"", "|"},
	} {
		s, err := scan(strings.Fields(c.line))
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		got := strings.TrimSpace(strings.Join(s.flags, " ") + " | " + strings.Join(s.rest, " "))
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.line, got, c.want)
		}
	}
}

func TestScanErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{"--job 3", "option --job could be --jobs, --jobserver or --joblog; write a letter more"},
		{"--mem 3", "option --mem could be --memfree or --memsuspend; write a letter more"},
		{"--keep-order=1", `option --keep-order takes no value, and "1" was given; leave it out`},
		{"--max-lines=x", `option --max-lines takes a number, and "x" was given`},
		{"-K", "there is no option -K; --help lists them"},
		{"-kZ", "there is no option -Z in -kZ; --help lists them, and names of several letters have two hyphens"},
		{"-2ag", "there is no option -2 in -2ag; --help lists them, and names of several letters have two hyphens"},
		{"--kep-order", "there is no option --kep-order; did you mean --keep-order? --help lists them"},
		{"--tiemout 3", "there is no option --tiemout; did you mean --timeout? --help lists them"},
		{"--qqqq", "there is no option --qqqq; --help lists them"},
		{"--=3", "there is no option --; --help lists them"},
		{"---k", "there is no option ---k; --help lists them"},
		{"--jobs", "option --jobs needs a value: --jobs N"},
		{"-j", "option -j needs a value: --jobs N"},
		{"-S host echo", "option --sshlogin is for other computers, and tutti runs on one; go there with ssh, as in tutti map --tag ssh {} COMMAND ::: host1 host2, or use a cluster's scheduler"},
		{"--trc", "option --trc copies files to other computers, and tutti runs on one; make rsync or scp a part of the command"},
		{"--tmux", "option --tmux is not there; --progress shows what runs with its latest line, or start tmux yourself: tutti map -j1 'tmux new-window {}' ::: …"},
		{"-g", "option -g has been retired, in GNU parallel too; use --group"},
	} {
		_, err := scan(strings.Fields(c.line))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.line, err, c.want)
		}
	}
}

func TestLeadingNumber(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "x": "", "2": "2", "-5x": "-5", "2k": "2", ".5": ".5", ".": "", "-": "", "+.": "", "1.": "1.", "1.5e3z": "1.5e3", "1e": "1", "1e+": "1", "1e-2": "1e-2", "e3": ""} {
		if got := leadingNumber(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestScanEmptyValues(t *testing.T) {
	t.Parallel()
	s, err := scan([]string{"--colsep", "", "-d", "", "-i", "", "-j", "", "x"})
	want := []string{"--colsep=", "--delimiter=", "--replace=", "--jobs="}
	if err != nil || !slices.Equal(s.flags, want) {
		t.Errorf("%q, %v", s.flags, err)
	}
}

// TestEveryNameIsFound also says that no name stands for two options.
func TestEveryNameIsFound(t *testing.T) {
	t.Parallel()
	names, letters := make(map[string]*Option), make(map[byte]*Option)
	for _, o := range All() {
		for _, n := range o.names() {
			if names[n] != nil {
				t.Errorf("--%s is both %s and %s", n, names[n].Name, o.Name)
			}
			names[n] = o
			if found, _ := find(n); found != o {
				t.Errorf("--%s is not found", n)
			}
		}
		for i := range len(o.Short) {
			if letters[o.Short[i]] != nil {
				t.Errorf("-%c is both %s and %s", o.Short[i], letters[o.Short[i]].Name, o.Name)
			}
			letters[o.Short[i]] = o
		}
	}
}

// TestTableIsWhole requires each option to say what its state needs.
func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	for _, o := range All() {
		switch {
		case o.State != Works && o.State != Ours && o.Note == "":
			t.Errorf("%s has no note", o.Spelling())
		case o.State == Works && o.Note != "" && !o.newer:
			t.Errorf("%s works and has a note", o.Spelling())
		case o.State != Refused && o.Arg == Required && o.Value == "":
			t.Errorf("%s has no name for its value", o.Spelling())
		case (o.State == Works || o.State == Differs) && o.Help == "" && o.Name != "citation" && o.Name != "parens":
			t.Errorf("%s is not in the help", o.Spelling())
		case strings.ContainsAny(o.Help+o.Note, "\n"):
			t.Errorf("%s: help and note are one line each", o.Spelling())
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{"-kj4\x00x", "-l2k\x00--eof\x00-", "--job\x003", "-S\x00", "-test.x", "--=\x00-=", "-l1e3e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		argv := strings.Split(line, "\x00")
		s, err := scan(argv)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 300+4*len(line) {
				t.Fatalf("%q: %q", argv, err)
			}
			return
		}
		if len(s.rest) > len(argv) {
			t.Fatalf("%q: more words than there were: %q", argv, s.rest)
		}
		again, err := scan(append(slices.Clone(s.flags), append([]string{"--"}, s.rest...)...))
		if err != nil || !slices.Equal(again.flags, s.flags) || !slices.Equal(again.rest, s.rest) {
			t.Fatalf("%q: read as %q, and that as %q (%v)", argv, s.flags, again.flags, err)
		}
	})
}
