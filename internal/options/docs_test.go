package options

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/gnu.md")

const docsFile = "../../docs/gnu.md"

// docsTables renders the table of options for docs/gnu.md.
func docsTables() string {
	var b strings.Builder
	all := All()
	for g := range groups {
		fmt.Fprintf(&b, "\n### %s\n\n| option | state |\n|---|---|\n", g)
		var spellings []string
		for i, o := range all {
			if o.Group != g {
				continue
			}
			spellings = append(spellings, docsSpellings(o))
			state := docsState(o)
			more := i+1 < len(all) && all[i+1].Group == g && docsState(all[i+1]) == state
			if o.State == Refused && more { // a row for all that share a sentence
				continue
			}
			fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(spellings, ", "), state)
			spellings = nil
		}
	}
	return b.String()
}

func docsSpellings(o *Option) string {
	all := o.spellings()
	for i, s := range all {
		all[i] = "`" + s + "`"
	}
	return strings.Join(all, " ")
}

func docsState(o *Option) string {
	note := strings.ReplaceAll(o.Note, "|", "\\|")
	switch o.State {
	case Works:
		if note != "" {
			return "works; " + note
		}
		return "works"
	case Differs:
		return "works, differently: " + note
	case NoEffect:
		return "without effect: " + note
	case Refused:
		if o.only != "" {
			return "refused, but for `" + o.only + "`, this computer: " + note
		}
		return "refused: " + note
	}
	if note != "" {
		note = "; " + note
	}
	return "ours: " + o.Help + note
}

// TestDocs holds docs/gnu.md to the table. Run it with -update after a change.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- options: made by go test ./internal/options -update -->\n", "\n<!-- end of options -->"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the tables", docsFile)
	}
	want := before + begin + docsTables() + end + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s does not agree with the table of options; go test ./internal/options -run TestDocs -update rewrites it", docsFile)
	}
	if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// manNames finds the options in the headings of GNU parallel's man page.
var manNames = regexp.MustCompile(`^\.IP "\\fB(\\-\\-[^ "\[]+|\\-.)(\[|\\fR|\\f)`)

// TestManPageOfGNU requires every option of the installed GNU parallel's man page
// to be in the table.
func TestManPageOfGNU(t *testing.T) {
	t.Parallel()
	text, err := exec.Command("gzip", "-dc", "/usr/share/man/man1/parallel.1.gz").Output()
	if err != nil || !bytes.Contains(text, []byte("GNU")) {
		t.Skip("GNU parallel's man page is not installed")
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		m := manNames.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		name := strings.TrimSuffix(strings.ReplaceAll(m[1], `\-`, "-"), `\fR`)
		seen++
		if long, ok := strings.CutPrefix(name, "--"); ok {
			if index().byName[long] == nil && long != "" {
				t.Errorf("%s is not in the table", name)
			}
		} else if index().byChar[name[1]] == nil {
			t.Errorf("%s is not in the table", name)
		}
	}
	if seen < 200 {
		t.Errorf("only %d options were found in the man page; the pattern is wrong", seen)
	}
}
