package record

import (
	"strings"
	"testing"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		spec Spec
		want string // in the error
	}{
		{Spec{Block: -1}, "--pipe-part only"},
		{Spec{Records: -1}, "at least one record"},
		{Spec{Lines: -1}, "at least one line"},
		{Spec{Lines: 1 << 40, Records: 1 << 40}, "smaller"},
		{Spec{Shard: "1", Bin: "1", Slots: 1}, "one of them"},
		{Spec{Shard: "1"}, "-j"},
		{Spec{Shard: "1", Slots: 2, GroupBy: "1"}, "--group-by"},
		{Spec{GroupBy: "1", End: new("x")}, "leave out"},
		{Spec{GroupBy: "1", Lines: 2}, "one of them"},
		{Spec{CSV: true, Start: new("x")}, "leave out"},
		{Spec{End: new("("), Regexp: true}, "missing closing )"},
		{Spec{End: new("a)"), Regexp: true}, "unexpected )"},
		{Spec{End: new(`\n(?=>)`), Regexp: true}, "--recstart"},
		{Spec{Start: new(`(?<!x)y`), Regexp: true}, "--recend"},
		{Spec{Start: new(`(.)\1`), Regexp: true}, "back references"},
		{Spec{Header: "("}, "--header"},
		{Spec{Header: "99999999999999999999"}, "smaller"},
		{Spec{GroupBy: "0"}, "from 1"},
		{Spec{GroupBy: "-1"}, "from 1"},
		{Spec{GroupBy: "s/a/b/"}, "Perl"},
		{Spec{GroupBy: "1 s/a/b/"}, "Perl"},
		{Spec{GroupBy: " "}, "no column"},
		{Spec{GroupBy: "1", ColSep: "|"}, "between any two"},
		{Spec{GroupBy: "1", ColSep: "("}, "--colsep"},
		{Spec{GroupBy: "1", CSV: true, ColSep: "ab"}, "one character"},
	} {
		_, err := New(x.spec)
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v; want %q in it", x.spec, err, x.want)
		}
	}
}

func TestHeaderNames(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		spec  Spec
		input string
		n     int
		err   string // in the error
	}{
		{Spec{GroupBy: "b", ColSep: ","}, "a, b\r\n1,2\n", 6, ""},
		{Spec{GroupBy: "b", ColSep: ","}, "a,b", 3, ""},
		{Spec{GroupBy: "b", ColSep: ","}, "", 0, ""},
		{Spec{GroupBy: "c", ColSep: ","}, "a,b\n", 0, `["a" "b"]`},
		{Spec{GroupBy: "b", ColSep: ",", Header: "x.*\n"}, "a,b\n", 0, "no header"},
		{Spec{GroupBy: "b", ColSep: ",", Header: "3"}, "a,b\n", 0, "no header"},
		{Spec{Bin: "{b\nc}", CSV: true, Slots: 2}, "a,\"b\nc\"\n", 8, ""},
	} {
		c := newCutter(t, x.spec)
		n, ok, err := c.Header([]byte(x.input), true)
		if x.err == "" && (err != nil || !ok || n != x.n) || x.err != "" && (err == nil || !strings.Contains(err.Error(), x.err)) {
			t.Errorf("%+v: %d %v %v", x, n, ok, err)
		}
	}
	if newCutter(t, Spec{Shard: "a", Slots: 2}).RepeatsHeader() {
		t.Error("--shard by name has taken the first line for itself")
	}
	if !newCutter(t, Spec{Shard: "a", Slots: 2, Header: ":"}).RepeatsHeader() || !newCutter(t, Spec{GroupBy: "a"}).RepeatsHeader() {
		t.Error("a header that was asked for is lost")
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		spec      Spec
		in, wants string
	}{
		{Spec{}, "a\nb\n", "ab"},
		{Spec{Start: new(">")}, ">a>b", "ab"},
		{Spec{Start: new("<"), End: new(">")}, "<a><b>", "ab"},
		{Spec{Start: new("<"), End: new(">")}, "<a><b>\n", "ab\n"},
		{Spec{Start: new("<"), End: new(">")}, "a<b>c", "a<b>c"},
		{Spec{End: new("")}, "ab", "ab"},
		{Spec{End: new("ab")}, "aabb", "ab"},
		{Spec{Start: new(`\d`), End: new("[.]"), Regexp: true}, "1a.2b.3c.4", "abc"},
		{Spec{End: new(`\n+`), Regexp: true}, "a\n\nb\n", "ab"},
		{Spec{Start: new("<"), End: new("\n")}, "<a\n<b\n\n", "ab\n"},
		{Spec{}, "a\n\n", "a"},
		{Spec{Start: new("[<]"), End: new("[>]"), Regexp: true}, "<a><b>\n", "ab\n"},
		{Spec{GroupBy: "1"}, "a\nb\n", "a\nb\n"},
	} {
		x.spec.Remove = true
		if got := newCutter(t, x.spec).Clean([]byte(x.in)); string(got) != x.wants {
			t.Errorf("%+v %q: %q, want %q", x.spec, x.in, got, x.wants)
		}
		x.spec.Remove = false
		if got := newCutter(t, x.spec).Clean([]byte(x.in)); string(got) != x.in {
			t.Errorf("%q: %q without --rrs", x.in, got)
		}
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	route := func(s Spec, block string) string {
		var out []string
		for slot, lines := range newCutter(t, s).Route([]byte(block)) {
			out = append(out, strings.Repeat("#", slot)+string(lines))
		}
		return strings.Join(out, "")
	}
	if got := route(Spec{Bin: "2", Slots: 3}, "a,1\nb,1\nc,5\nd,0\ne\nf,1"); got != "#a,1\nb,1\n##c,5\n###d,0\ne\n#f,1" {
		t.Errorf("%q", got)
	}
	if got := route(Spec{Bin: "1", CSV: true, Slots: 2}, "1,\"\n\"\n\"2\",x\n"); got != "#1,\"\n\"\n##\"2\",x\n" {
		t.Errorf("%q", got)
	}
	slots := make(map[string]int)
	counts := make([]int, 5)
	c := newCutter(t, Spec{Shard: "1", ColSep: " ", Slots: 4})
	for i := range 4000 {
		line := strings.Repeat("k", 1+i%40) + " x\n"
		for slot := range c.Route([]byte(line)) {
			if was, ok := slots[line]; ok && was != slot {
				t.Fatalf("%q goes to %d and to %d", line, was, slot)
			}
			slots[line] = slot
			counts[slot]++
		}
	}
	for slot, n := range counts[1:] {
		if n < 300 {
			t.Errorf("slot %d gets %d of 4000", slot+1, n)
		}
	}
}
