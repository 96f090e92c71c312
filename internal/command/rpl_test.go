package command

import (
	"errors"
	"strings"
	"testing"
)

// expandRpl runs the expression of --rpl '{x} …' on one value.
func expandRpl(t *testing.T, expression, value string) (string, error) {
	t.Helper()
	x, err := ParseText("{x}", Options{Rpl: []string{"{x} " + expression}})
	if err != nil {
		return "", err
	}
	return x.Expand(Job{Seq: 7, Total: 12, Args: []string{value, "second"}}, 3)
}

func TestRplExpressions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ expression, value, want string }{
		{"", "a b", "a b second"},
		{"1 ", "a b", "a b"},
		{"1 s/a/b/", "aa", "ba"}, {"1 s/a/b/g", "aa", "bb"}, {"1 s:.*/::", "d/e/f", "f"}, {"1 s,a,b,;s,b,c,", "a", "c"},
		{`1 s:\.[^.]+$::;s:\.[^.]+$::;`, "a.b.c", "a"}, {`1 s:(\.[^/]+)*$::`, "a.b/c.d.e", "a.b/c"},
		{`1 s/(\w+) (\w+)/$2 $1/`, "x y", "y x"}, {`1 s/(.)(.)/\2\1/`, "ab", "ba"}, {`1 s/b/<$&>/`, "abc", "a<b>c"}, {"1 s/b/&/", "abc", "a&c"},
		{`1 s/(.)/${1}1/`, "ab", "a1b"}, {`1 s/\//_/g`, "a/b/c", "a_b_c"}, {`1 s{a}{b}`, "xa", "xb"}, {`1 s(a) (b)`, "xa", "xb"}, {"1 s=a=b=", "a", "b"},
		{`1 s/(\w+)/\u$1/`, "word", "Word"}, {`1 s/(.*)/\U$1\E!/`, "word", "WORD!"}, {`1 s/^(.)(.*)/\u$1\L$2/`, "wORD", "Word"},
		{`1 s/A/x/i`, "ba", "bx"}, {"1 s/./x/", "\n", "\n"}, {"1 s/./x/s", "\n", "x"}, {"1 s/^b/x/m", "a\nb", "a\nx"},
		{`1 s/b$/x/`, "b\n", "x\n"}, {`1 s/(b$)/<$1>/`, "b\n", "<b>\n"}, {`1 s/\n$//`, "b\n", "b"}, {`1 s/\s+$//`, "b \v\n", "b"}, {`1 s/^\s*|\s*$//g`, " b ", "b"},
		{`1 s/\xe9/E/`, "\xe9", "E"}, {"1 s/./x/", "\xff", "x"}, {"1 s/[^a]/x/g", "a\xe9\xa9", "axx"}, {"1 s/é/e/g", "éé", "ee"}, {`1 s/[\x80-\xff]//g`, "aéb", "ab"},
		{`1 s/[]a]/x/g`, "]ab", "xxb"}, {`1 s/[\]\-a]/x/g`, "]a-b", "xxxb"}, {`1 s/[[:digit:]]//g`, "a1b2", "ab"},
		{`1 s/(\d+)/$1+1/e`, "a9b", "a10b"}, {`1 s/(\w)/uc($1)/eg`, "ab c", "AB C"}, {`1 s:/[^/]*$:: || s:.*$::`, "ab", ""}, {`1 s:/[^/]*$:: || s:.*$::`, "a/b", "a"},
		{"1 tr/a-z/A-Z/", "aéz", "AéZ"}, {"1 y/abc/x/", "abcd", "xxxd"}, {"1 tr/a-c//d", "abcd", "d"}, {"1 tr/a-z//cd", "a1b2", "ab"}, {"1 tr/a//s", "aabaa", "aba"}, {"1 $_ = tr/a//", "aba", "2"},
		{"1 $_=uc($_)", "aé", "Aé"}, {"1 $_=uc", "a", "A"}, {"1 $_ = lc $_", "AB", "ab"}, {"1 $_=ucfirst(lc($_))", "aBC", "Abc"}, {"1 $_=lcfirst($_)", "ABC", "aBC"},
		{"1 $_=basename($_)", "a/b/", "b"}, {"1 $_=dirname($_)", "a/b", "a"}, {"1 $_=length", "abc", "3"},
		{`1 $_=sprintf("%05d",$_)`, "42", "00042"}, {`1 $_=sprintf("%.2f",$_)`, "2.345", "2.35"}, {`1 $_=sprintf("%x-%s-%%",$_, "a")`, "255", "ff-a-%"}, {`1 $_=sprintf("%-4s|%4s|",$_,$_)`, "é", "é  |  é|"},
		{"1 $_+=1", "41", "42"}, {"1 $_++", "41", "42"}, {"1 $_--", "1", "0"}, {"1 $_=$_*2", "1.5", "3"}, {"1 $_%=3", "-1", "2"}, {"1 $_=2+3*4-(1-2)", "", "15"}, {"1 $_/=4", "10", "2.5"}, {"1 $_ = 1/3", "", "0.333333333333333"},
		{"1 $_ = 9223372036854775807 + 1", "", "9.22337203685478e+18"}, {"1 $_ .= \".gz\"", "a", "a.gz"}, {`1 $_ = "x$_" . 'y$_'`, "a", "xay$_"}, {`1 $_="\t\$\@\x41"`, "", "\t$@A"},
		{"1 $_ ||= 5", "0", "5"}, {`1 $_ ||= "d"`, "v", "v"}, {`1 $_ = seq() % 2 ? "odd" : "even"`, "", "odd"}, {"1 $_=$job->seq()", "", "7"}, {"1 $_ = seq() - 1", "", "6"}, {"1 $_=total_jobs()", "", "12"},
		{"1 $_=$job->slot()", "", "3"}, {"1 $_ = slot() + 1", "", "4"}, {"1 $_ = slot()-1", "", "2"}, {`1 $_=sprintf("%03d",slot())`, "", "003"}, {`1 $_="gpu".(slot()-1)`, "", "gpu2"},
		{"1 substr($_,0,2) = \"\"", "abc", "c"}, {"1 $_ = substr($_,1)", "abc", "bc"}, {"1 $_ = substr($_,-2,1)", "abc", "b"}, {"1 $_=substr($_,9)", "abc", ""}, {"1 $_=substr($_,0,-1)", "abc", "ab"},
		{`1 if($_ eq "a") { $_ = "b" }`, "a", "b"}, {`1 if ($_ > 3) { $_="big" } else { $_="small" } $_.="!"`, "4", "big!"}, {`1 $_="none" if $_ eq ""`, "", "none"}, {`1 $_ eq "" and $_ = "none"`, "", "none"}, {`1 $_ = "x" unless $_`, "0", "x"},
		{`1 $_ = $arg[2] . $arg[1] . $arg[9]`, "a", "seconda"}, {"1 $_ =~ s/a/b/", "a", "b"}, {`1 $_=Q($_)`, "a b", "'a b'"}, {"1 $_=index($_,'b')", "abc", "1"}, {"1 $_=abs(int($_))", "-2.7", "2"},
		{"2 $_ = uc", "a", "SECOND"}, {"-1 $_ = uc", "a", "SECOND"},
	} {
		got, err := expandRpl(t, tt.expression, tt.value)
		if err != nil || got != tt.want {
			t.Errorf("%q of %q: %q, %v; want %q", tt.expression, tt.value, got, err, tt.want)
		}
	}
}

func TestRplErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ expression, value, want string }{
		{"system('id')", "", `no "system" here`}, {"`id`", "", "not understood"}, {"$x=1", "", "no variable $x"}, {"s/a/b", "", "closing / is missing"},
		{"s/(/b/", "", "missing closing )"}, {"s/(?=a)/b/", "", "RE2"}, {"s/$x/b/", "", `a variable ($x)`}, {"s/a/$x/", "", "no variable $x"}, {"s/a/b/x", "", "flag x"},
		{"s/a*/b/g", "", "matches nothing"}, {"s//b/", "", "empty"}, {"$_ = 1 +", "", "missing at the end"}, {"uc($_) uc($_)", "", "not understood, at character 8"},
		{"while(1) {}", "", `no "while"`}, {"$_+=1", "abc", `"abc" is not a number`}, {"$_=1/0", "", "division by zero"}, {"$_=slot()*2", "", "slot is known only"},
		{`$_=uc("a".slot())`, "", "slot is known only"}, {"seq() = 1", "", "can be assigned"}, {"$_=010", "", "no decimal number"}, {`$_=sprintf("%d")`, "", "no value for"},
		{`$_=sprintf("%99999d",1)`, "", "wider than"}, {"$$1", "", "no variable $$1"}, {"s/$$1/a/", "", "0 pairs"}, {"tr/z-a//", "", "goes backwards"}, {"s'a'b'", "", "delimiter"},
		{strings.Repeat("(", 200), "", "nested too deeply"}, {"$_=\"@a\"", "", "no arrays"}, {`$_="\x00"`, "", "not 00"}, {"if (1) { $_=2", "", "} is missing"},
		{`s/a/"unknown"+foo()/e`, "", `no "foo"`},
	} {
		if got, err := expandRpl(t, tt.expression, tt.value); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q of %q: %q, error %v, want one about %s", tt.expression, tt.value, got, err, tt.want)
		}
	}
}

func TestRplTags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ rpl, text, value, want string }{
		{`{%(.*?)} s/$$1//`, "{%.tar.gz}", "my.tar.gz", "my"},
		{`{:%(.+?)} s:$$1(\.[^/]+)*$::`, "{:%_file}", "my_file.tar.gz", "my"},
		{`{/:%(.*?)} s:.*/(.*)$$1(\.[^/]+)*$:$1:`, "{/:%_file} {1/:%_file}", "d/my_file.tar.gz", "my my"},
		{`{/(.+?)/(.*?)} s/$$1/$$2/;`, "{/tar.gz/zip}", "a.tar.gz", "a.zip"},
		{`{(.*?)/(.*?)} $_="$$2$_$$1"`, "{a/b}", "x", "bxa"},
		{`% s/a/b/`, "% 1% {1%} {%}", "a", "b 1b {1b} 1"},
		{`.. s:\.[^.]+$::;s:\.[^.]+$::;`, "..", "a.b.c", "a"},
		{`{} $_="v"`, "{} {1} {.}", "a.b", "v v a"},
		{`{(a)} s/$$1/b\$\$1/`, "{a}", "a", "b$$1"},
	} {
		x, err := ParseText(tt.text, Options{Rpl: []string{tt.rpl}})
		if err != nil {
			t.Errorf("%q: %v", tt.rpl, err)
			continue
		}
		if got, err := x.Expand(Job{Seq: 1, Args: []string{tt.value}}, 1); err != nil || got != tt.want {
			t.Errorf("%q in %q of %q: %q, %v; want %q", tt.rpl, tt.text, tt.value, got, err, tt.want)
		}
	}
	for _, rpl := range []string{"", "{x}", " s/a/b/", "{([)} s/a/b/"} {
		if _, err := ParseText("{x}", Options{Rpl: []string{rpl}}); err == nil || !strings.HasPrefix(err.Error(), "--rpl") && !strings.HasPrefix(err.Error(), "replacement string") {
			t.Errorf("--rpl %q: error %v", rpl, err)
		}
	}
}

func TestPerlIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, want string
		o          Options
	}{
		{"echo {= s/a/b/ =}", "--rpl '{x} s/a/b/' among the options and {x} in", Options{}},
		{"echo {=2 s/a/b/ =}", "--rpl '{x} s/a/b/' among the options and {2x} in", Options{}},
		{"echo {=name s/a/b/ =}", "{namex}", Options{Names: []string{"name"}}},
		{"echo {= s:.*/::; =}", "write {/} instead", Options{}},
		{`echo {= s:\.[^.]+$::;s:\.[^.]+$::; =}`, "--plus and {..}", Options{}},
		{"echo {= system('id') =}", `no "system"`, Options{}},
		{"echo ,,s/a/b/,,", "Perl", Options{Parens: ",,,,"}},
	} {
		tt.o.Env = bareEnv()
		if _, err := ParseWith(strings.Fields(tt.text), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestSkip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		args []string
		skip bool
	}{
		{"{uniq}", []string{"a", "b", "a"}, true}, {"{uniq}", []string{"a", "b"}, false},
		{"{choose_k}", []string{"a", "b", "c"}, false}, {"{choose_k}", []string{"a", "a"}, true}, {"{choose_k}", []string{"b", "a"}, true},
		{"{x}", []string{"3"}, true}, {"{x}", []string{"4"}, false},
	} {
		tmpl, err := ParseWith([]string{"x " + tt.text}, Options{Env: bareEnv(), Plus: true, Rpl: []string{"{x} if($_==3) { skip() }"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tmpl.Render(Job{Seq: 1, Args: tt.args}); errors.Is(err, ErrSkip) != tt.skip || err != nil && !tt.skip {
			t.Errorf("%q with %q: error %v, want skip %v", tt.text, tt.args, err, tt.skip)
		}
	}
}

func FuzzRpl(f *testing.F) {
	f.Add(`{x} s/(a)$/\u$1/g; tr/a-z/A-Z/`, "a\n")
	f.Add(`{%(.*?)} s/$$1//`, ".gz")
	f.Add(`{x} if ($_ > 3) { $_ = substr($_, -2) . sprintf("%05.2f", 1) } else { $_ ||= slot() + 1 }`, "4")
	f.Add(`{x} s{[]^a[:alpha:]\]]}{lc($&).total_jobs()}e`, "\xff")
	f.Fuzz(func(t *testing.T, rpl, value string) {
		x, err := ParseText("{x}{%v}{1x}", Options{Rpl: []string{rpl}})
		if err != nil {
			return
		}
		got, err := x.Expand(Job{Seq: 1, Total: 2, Args: []string{value}}, 2)
		if err == nil && strings.Contains(got, slotMark) {
			t.Errorf("%q of %q: %q holds a slot mark", rpl, value, got)
		}
	})
}

// TestTagsNobodyCanFind has tags, and names of columns, that no expression can be made of.
func TestTagsNobodyCanFind(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"bytes that are no UTF-8":   {Replace: Replace{Value: "\xff"}},
		"a column of such bytes":    {Names: []string{"\xff"}},
		"a parenthesis left open":   {Rpl: []string{"{x( uc"}},
		"one that closes nothing":   {Rpl: []string{"{x)( uc"}},
		"an expression that is bad": {Rpl: []string{"{x(*)} uc"}},
	} {
		if _, err := ParseWith([]string{"echo"}, o); err == nil || !strings.Contains(err.Error(), "replacement string") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
