package results

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 200)
	const longSum = "df20b2aa6262e99e133aa7f3614be707"
	for _, c := range []struct {
		args    []string
		names   []string
		columns int
		want    string
	}{
		{args: []string{"a"}, want: "1/a"},
		{args: []string{"I", "III"}, want: "1/I/2/III"},
		{args: []string{"a", "b"}, columns: 1, want: "1/a/1/b"},
		{args: []string{"a", "b", "c"}, columns: 2, want: "1/a/2/b/1/c"},
		{args: []string{"a/b"}, want: `1/a\_b`},
		{args: []string{"\\"}, want: `1/\\`},
		{args: []string{"\t\x00"}, want: `1/\t\0`},
		{args: []string{"$x 'y' *\n"}, want: "1/$x 'y' *\n"},
		{args: nil, want: "7"},
		{args: []string{""}, want: "1"},
		{args: []string{"."}, want: `1/\.`},
		{args: []string{".."}, want: `1/\..`},
		{args: []string{"..."}, want: "1/..."},
		{args: []string{"", "x"}, want: "1/2/x"},
		{args: []string{"x", ""}, want: "1/x/2"},
		{args: []string{"", ""}, want: "1/2"},
		{args: []string{"2", ""}, want: `1/2/2/\e`},
		{args: []string{"", "2"}, want: `1/\e/2/2`},
		{args: []string{"v", "w"}, names: []string{"b", "a"}, want: "a/w/b/v"},
		{args: []string{"v", "w", "x"}, names: []string{"10x", "a", "9"}, want: "a/w/9/x/10x/v"},
		{args: []string{"z", "i"}, names: []string{"zoo", "info"}, want: "zoo/z/info/i"},
		{args: []string{"v", "w"}, names: []string{"../up", ""}, want: `\e/w/..\_up/v`},
		{args: []string{"v"}, names: []string{".."}, want: `\../v`},
		{args: []string{long}, want: "1/" + strings.Repeat("é", 110) + `\#` + longSum},
	} {
		got := folder(&Job{Seq: 7, Args: c.args}, c.names, c.columns)
		if got != c.want {
			t.Errorf("%q of %q: %q, want %q", c.args, c.names, got, c.want)
		}
	}
}

func TestEscapeLong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		cut   bool
	}{
		{strings.Repeat("x", 255), false},
		{strings.Repeat("x", 256), true},
		{strings.Repeat("/", 127), false},
		{strings.Repeat("/", 128), true},
		{strings.Repeat("\\", 1000), true},
		{strings.Repeat("\x80", 1000), true},
		{strings.Repeat("€", 1000), true},
	} {
		got := escape(c.value)
		if len(got) > nameMax || strings.Contains(got, `\#`) != c.cut {
			t.Errorf("%.5q… (%d bytes): %d bytes: %q", c.value, len(c.value), len(got), got)
		}
	}
	same := strings.Repeat("x", 300)
	if escape(same+"a") == escape(same+"b") {
		t.Error("two long values have one name")
	}
}

// unescape is the inverse of escape, for names that are not cut.
func unescape(name string) string {
	switch name {
	case `\e`:
		return ""
	case `\.`, `\..`:
		return name[1:]
	}
	return strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\0`, "\x00", `\_`, "/").Replace(name)
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a/b", `\e`, `\.`, "\t\x00\n", strings.Repeat(`\`, 300), strings.Repeat("é", 127) + "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		name := escape(value)
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(name) > nameMax {
			t.Fatalf("%q: %q is no name of a folder", value, name)
		}
		if !strings.Contains(strings.ReplaceAll(name, `\\`, ""), `\#`) && unescape(name) != value {
			t.Fatalf("%q: %q is that of %q", value, name, unescape(name))
		}
		path := filepath.Join("/root", folder(&Job{Seq: 1, Args: []string{value, value}}, []string{value}, 0))
		if !strings.HasPrefix(path, "/root/") {
			t.Fatalf("%q: %q is outside of the root", value, path)
		}
	})
}

// FuzzFolder looks for two lists of values, of one length, with one folder. Lists of few, short
// values from a small set are where empty ones meet names.
func FuzzFolder(f *testing.F) {
	f.Add("2|", "|2", "", 0)
	f.Add("|", "2|", "", 0)
	f.Add("||x", "1||x", "", 1)
	f.Add("b|", "|b", "a|b", 0)
	f.Add("a|a|", "a||a", "a|a|a", 0)
	f.Fuzz(func(t *testing.T, left, right, header string, columns int) {
		var names []string
		if header != "" {
			names = strings.Split(header, "|")
		}
		a, b := strings.Split(left, "|"), strings.Split(right, "|")
		if len(a) != len(b) || slices.Equal(a, b) {
			return
		}
		columns = min(columns, 4)
		x := folder(&Job{Seq: 1, Args: a}, names, columns)
		y := folder(&Job{Seq: 1, Args: b}, names, columns)
		if filepath.Clean(x) == filepath.Clean(y) {
			t.Fatalf("%q and %q share %q (names %q, columns %d)", a, b, x, names, columns)
		}
	})
}

func TestFoldersOfAllShortLists(t *testing.T) {
	t.Parallel()
	values := []string{"", "1", "2", "3", "a", ".", `\e`}
	for _, columns := range []int{0, 1, 2} {
		lists := [][]string{nil}
		for range 3 {
			var longer [][]string
			seen := map[string][]string{}
			for _, list := range lists {
				for _, v := range values {
					args := append(slices.Clone(list), v)
					longer = append(longer, args)
					path := filepath.Clean(folder(&Job{Seq: 1, Args: args}, nil, columns))
					if other, ok := seen[path]; ok {
						t.Errorf("%d columns: %q and %q share %s", columns, other, args, path)
					}
					seen[path] = args
				}
			}
			lists = longer
		}
	}
}
