package options

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// parsePlain reads what Expand returned, as the command line tool does.
func parsePlain(m *Map, plain []string) ([]string, error) {
	fs := pflag.NewFlagSet("map", pflag.ContinueOnError)
	Define(fs, m)
	err := fs.Parse(plain)
	return fs.Args(), err
}

// read reads a command line and checks it.
func read(line string) (*Map, []string, error) {
	plain, err := Expand(strings.Fields(line), world(nil, nil))
	if err != nil {
		return nil, nil, err
	}
	var m Map
	words, err := parsePlain(&m, plain)
	if err == nil {
		err = m.Check()
	}
	return &m, words, err
}

func TestMap(t *testing.T) {
	t.Parallel()
	type fields = map[string]any
	for _, c := range []struct {
		line string
		want fields
	}{
		{"", fields{"Jobs": "100%", "Halt": "never", "Retries": "1", "Strays": "keep", "ArgSep": ":::", "ArgFileSep": "::::", "MaxArgs": int64(-1), "ReplaceArgs": int64(-1),
			"LinesJoined": int64(-1), "MaxChars": int64(0), "Block": "1M", "RecEnd": "\n", "Trim": "n", "CountBy": "threads", "TermSeq": "TERM,200,TERM,100,TERM,50,KILL,25", "MinVersion": int64(-1)}},
		{"-kj4 --lb", fields{"KeepOrder": true, "Jobs": "4", "LineBuffer": true}},
		{"-k --no-k", fields{"KeepOrder": false}},
		{"-n2 -L3", fields{"MaxArgs": int64(2), "LinesJoined": int64(3)}},
		{"-N0", fields{"ReplaceArgs": int64(0)}},
		{"-n 1k -s 2K", fields{"MaxArgs": int64(1000), "MaxChars": int64(2048)}},
		{"-l", fields{"LinesJoined": int64(1)}},
		{"-l -0", fields{"LinesJoined": int64(1), "Null": true}},
		{"-l4", fields{"LinesJoined": int64(4)}},
		{"-i -e", fields{"Replace": "", "EOF": ""}},
		{"-iX -e stop", fields{"Replace": "X", "EOF": "stop"}},
		{"-I X --tag", fields{"Replace": "X", "Tag": true, "TagString": "X"}},
		{"--tag", fields{"TagString": "{}"}},
		{"--tag --tagstring {#}", fields{"TagString": "{#}"}},
		{"--ctag", fields{"Tag": true, "TagString": "{}", "Color": true}},
		{"--ctagstring a", fields{"TagString": "a", "Color": true}},
		{"-a x -a - --arg-file=y", fields{"ArgFiles": []string{"x", "-", "y"}}},
		{"-C ,", fields{"ColSep": ",", "Trim": "lr"}},
		{"-C , --trim n", fields{"Trim": "n"}},
		{"--csv", fields{"ColSep": ",", "Trim": "n", "CSV": true}},
		{"--header :", fields{"Header": ":", "ColSep": "\t", "Trim": "n"}},
		{"--cat", fields{"Pipe": true, "Cat": true}},
		{"--fifo --pipe-part -a x", fields{"Pipe": false, "PipePart": true, "Fifo": true}},
		{"--group-by 2", fields{"Pipe": true, "GroupBy": "2"}},
		{"--pipe --tee", fields{"Jobs": "0"}},
		{"--pipe --tee -j2", fields{"Jobs": "2"}},
		{"--pipe --recstart x", fields{"RecStart": "x", "RecEnd": ""}},
		{"--pipe --recend x", fields{"RecEnd": "x"}},
		{"--tty", fields{"Jobs": "1", "Ungroup": true}},
		{"--tty -j2 --group", fields{"Jobs": "2", "Ungroup": false}},
		{"--dry-run -u", fields{"Ungroup": false}},
		{"-vv", fields{"Print": 2}},
		{"-vv --silent", fields{"Print": 0}},
		{"-p", fields{"Interactive": true, "Verbose": true}},
		{"--nice -5", fields{"Nice": -5}},
		{"--compress-program pigz", fields{"Compress": true, "CompressProgram": "pigz", "DecompressProgram": "pigz -dc"}},
		{"--shellquote --shellquote", fields{"ShellQuote": 2}},
		{"--use-cpus-instead-of-cores", fields{"CountBy": "cores"}},
		{"--use-sockets-instead-of-threads", fields{"CountBy": "sockets"}},
		{"--shuf --seed 7", fields{"Shuffle": true, "Seed": uint64(7)}},
		{"--gnu --tollef", nil},
		{"--will-cite --nn", nil},
		{"--minversion 20130000", fields{"MinVersion": int64(20130000)}},
		{"--ll", fields{"LatestLine": true, "LineBuffer": true}},
		{"--rpl {a} --rpl {b} --env X --env Y", fields{"Rpl": []string{"{a}", "{b}"}, "Env": []string{"X", "Y"}}},
	} {
		m, words, err := read(c.line)
		if err != nil || len(words) > 0 {
			t.Errorf("%s: %q %v", c.line, words, err)
			continue
		}
		all := reflect.ValueOf(m).Elem()
		for name, want := range c.want {
			if got := all.FieldByName(name).Interface(); !reflect.DeepEqual(got, want) && name != "Pipe" {
				t.Errorf("%s: %s is %#v, want %#v", c.line, name, got, want)
			}
			if name == "Pipe" && m.Pipe != want {
				t.Errorf("%s: Pipe is %v", c.line, m.Pipe)
			}
		}
	}
}

func TestMapErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{"--fifo --cat", "--fifo and --cat cannot go together"},
		{"--group -u", "--group and --ungroup cannot go together"},
		{"--group --lb", "--group and --line-buffer cannot go together"},
		{"-u --ll", "--ungroup and --line-buffer cannot go together"},
		{"-u -k", "-k orders output"},
		{"-u --tag", "--tag marks whole lines"},
		{"-u --files", "--files keeps the output"},
		{"--pipe --round-robin --retry-on 75", "--retries and --round-robin cannot go together"},
		{"--framing nul", "name it with --persistent"},
		{"--persistent cat --framing json", `"json": not known; say line, nul or length`},
		{"--persistent=", "no program"},
		{"--persistent cat -X", "--persistent and -X cannot go together"},
		{"--persistent cat --pipe", "--persistent and --pipe cannot go together"},
		{"--persistent cat -u", "--persistent and --ungroup cannot go together"},
		{"--persistent cat -p", "--persistent and --interactive cannot go together"},
		{"--persistent cat --memfree 1G", "--persistent and --memfree cannot go together"},
		{"--persistent cat --retry-failed --joblog l", "leave --persistent out"},
		{"--retries 1 --retry-on 75", "--retry-on and --retries 1 cannot go together"},
		{"--pipe --round-robin --retries 3", "--retries and --round-robin cannot go together"},
		{"--pipe-part -a x -L2", "--pipe-part does not count records"},
		{"--pipe-part -a x -N2", "--pipe-part does not count records"},
		{"--group-by 1 --rrs", "--group-by takes lines for records"},
		{"--group-by 1 --recend x", "--group-by takes lines for records"},
		{"--tee", "--tee hands out blocks of standard input"},
		{"--shard 1", "--shard hands out blocks"},
		{"--pipe --tee --round-robin", "--round-robin, --tee, --shard and --bin each say"},
		{"--pipe --block -3", "--block -3: so many blocks a slot"},
		{"--pipe --shuf", "--shuf and --pipe cannot go together"},
		{"--resume", "--resume and --resume-failed read what is done"},
		{"--resume-failed --results x", "--resume-failed reads in the job log"},
		{"--retry-failed", "--retry-failed finds the failed jobs"},
		{"--joblog=", `--joblog "": no name`},
		{"--tollef", "option --tollef has been retired"},
		{"-0 -d ,", "-0 and -d cannot go together"},
		{"--arg-sep=", "--arg-sep and --arg-file-sep need a word"},
		{"--arg-sep ::::", `--arg-sep and --arg-file-sep are both "::::"`},
		{"--seed 3", "--seed chooses a random order"},
		{"--seed 3 --order longest", "--seed chooses a random order"},
		{"--order longest --shuf", "--order and --shuf cannot go together"},
		{"--order longest -p", "--order and --interactive cannot go together"},
		{"--order longest --pipe", "--order and --pipe cannot go together"},
		{"--order longest --pipe-part -a x", "--order and --pipe cannot go together"},
		{"--template x", `--template "x": say FILE=NAME`},
		{"--process-slot-var 1a", `--process-slot-var "1a": not the name of a variable`},
		{"--trim x", `--trim "x": not known; say n, l, r, lr or rl`},
		{"--strays maybe", `--strays "maybe": not known; say keep or kill`},
		{"--nice 20", `--nice "20": not a niceness`},
		{"-n x", `--max-args "x": not a number of things`},
		{"-n -1", `--max-args "-1": not a number of things`},
		{"-n 1.5", `--max-args "1.5": not a number of things`},
		{"-n 1Z", `--max-args "1Z": not a number of things`},
		{"-n 99999P", `--max-args "99999P": not a number of things`},
		{"--seed -1", `--seed "-1": not a whole number`},
	} {
		_, _, err := read(c.line)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant %s", c.line, err, c.want)
		}
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	m, _, err := read("--block 3M --recend x")
	if got := strings.Join(m.Notes(), "|"); err != nil || got != "--block changes nothing without --pipe or --pipe-part|--recend changes nothing without --pipe or --pipe-part" {
		t.Errorf("%s %v", got, err)
	}
	m, _, err = read("--pipe --block 3M")
	if err != nil || len(m.Notes()) > 0 {
		t.Errorf("%q %v", m.Notes(), err)
	}
}

// TestDefine holds the flags and the table to each other, and reads the defaults.
func TestDefine(t *testing.T) {
	t.Parallel()
	var m Map
	fs := pflag.NewFlagSet("map", pflag.ContinueOnError)
	Define(fs, &m)
	seen := map[string]bool{"help": true}
	fs.VisitAll(func(f *pflag.Flag) {
		seen[f.Name] = true
		if index().byName[f.Name] == nil {
			t.Errorf("--%s is not in the table", f.Name)
		}
	})
	for _, o := range All() {
		if !seen[o.Name] {
			t.Errorf("%s is not a flag", o.Spelling())
		}
		if o.Default != "" && o.Default != absent && o.read(o.field(&m), o.Default) != nil {
			t.Errorf("%s: the default %q cannot be read", o.Spelling(), o.Default)
		}
		if f := fs.Lookup(o.Name); f != nil && f.NoOptDefVal == bare && o.Arg == Required {
			t.Errorf("%s needs a value", o.Spelling())
		}
	}
	if m.Given("jobs") {
		t.Error("a default counts as given")
	}
	if err := fs.Parse([]string{"--sshlogin=x"}); err == nil || !strings.Contains(err.Error(), "tutti runs on one") {
		t.Errorf("the flag library alone: %v", err)
	}
}

func TestHelpFits(t *testing.T) {
	t.Parallel()
	text := Help()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("%d letters: %s", n, line)
		}
	}
	if n := strings.Count(Example, "  tutti map") + strings.Count(Example, "| tutti map") + strings.Count(Example, "; tutti map"); n != 10 {
		t.Errorf("%d examples", n)
	}
	for _, o := range All() {
		if shown := strings.Contains(text, "  "+o.heading()); shown != o.shown() {
			t.Errorf("%s: in the help %v, to be there %v", o.Spelling(), shown, o.shown())
		}
	}
}
