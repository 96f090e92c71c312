package options

import (
	"reflect"
	"testing"

	"github.com/tutti-run/tutti/internal/command"
)

func TestInputSpec(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want command.InputSpec
	}{
		{"", command.InputSpec{Trim: "n"}},
		{"-0 -r --link -E x --shuf --seed 3", command.InputSpec{Trim: "n", Null: true, SkipBlank: true, Link: true, EOF: "x", Shuffle: true, Seed: 3}},
		{`-d \t -C ,`, command.InputSpec{Delimiter: "\t", ColSep: ",", Trim: "lr"}},
		{"--csv", command.InputSpec{CSV: true, ColSep: ",", Trim: "n"}},
		{"--header : -C ; --trim n", command.InputSpec{Header: ":", ColSep: ";", Trim: "n"}},
		{"-n3 -L2", command.InputSpec{MaxArgs: 3, MaxLines: 2, Trim: "n"}},
		{"-n3 -N2", command.InputSpec{MaxArgs: 2, Trim: "n"}},
		{"-N0", command.InputSpec{NoArgs: true, Trim: "n"}},
		{"-X", command.InputSpec{Batch: command.Spread, Trim: "n"}},
		{"-m --xargs", command.InputSpec{Batch: command.Fill, Trim: "n"}},
		{"--pipe -N5 --header :", command.InputSpec{Trim: "n"}},
	} {
		m, _, err := read(c.line)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.InputSpec(nil); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.line, got, err, c.want)
		}
	}
	m, _, _ := read("-a x -a -")
	spec, err := m.InputSpec([]command.SourceSpec{{Args: []string{"v"}}})
	if err != nil || len(spec.Sources) != 3 || spec.Sources[1].File != "-" || spec.Sources[2].Args[0] != "v" {
		t.Errorf("%+v %v", spec.Sources, err)
	}
}

func TestTemplateOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want command.Options
	}{
		{"", command.Options{}},
		{"-iX --er E --bnr B --dnr D --bner F --seqreplace S --slotreplace T -q --plus --parens ,,,, --rpl a",
			command.Options{Quote: true, Plus: true, Parens: ",,,,", Rpl: []string{"a"}, Replace: command.Replace{Value: "X", NoExt: "E", Base: "B", Dir: "D", BaseNoExt: "F", Seq: "S", Slot: "T"}}},
		{"-X", command.Options{Context: true}},
		{"-N2", command.Options{Context: true}},
		{"-L2", command.Options{Context: true}},
		{"-L2 -m", command.Options{}},
		{"-l2", command.Options{}},
		{"-n2", command.Options{}},
		{"--cat", command.Options{}},
	} {
		m, _, err := read(c.line)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.TemplateOptions(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.line, got, c.want)
		}
	}
}

func TestRecordSpec(t *testing.T) {
	t.Parallel()
	m, _, err := read("--pipe -N5 --recend x --block 2k --header 3 --rrs --regexp")
	if err != nil {
		t.Fatal(err)
	}
	spec, blocks, err := m.RecordSpec()
	if err != nil || blocks != 0 || spec.Block != 2000 || spec.Records != 5 || *spec.End != "x" || spec.Start != nil || spec.Header != "3" || spec.ColSep != "" || !spec.Remove || !spec.Regexp {
		t.Errorf("%+v %d %v", spec, blocks, err)
	}
	m, _, err = read("--pipe-part -a f --block -3")
	if err != nil {
		t.Fatal(err)
	}
	spec, blocks, err = m.RecordSpec()
	if err != nil || blocks != -3 || spec.Block != 0 || spec.End != nil {
		t.Errorf("%+v %d %v", spec, blocks, err)
	}
}
