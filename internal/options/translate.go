package options

import (
	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/record"
)

// DataIn reports whether jobs read blocks of data.
func (m *Map) DataIn() bool { return m.Pipe || m.PipePart }

// InputSpec says where inputs come from: the files of -a, then sources, which
// stood behind the command. The caller adds Stdin, Open, Warn, TempDir and Jobs.
// With --pipe -N and -L count records of the data, and --header is the data's.
func (m *Map) InputSpec(sources []command.SourceSpec) (command.InputSpec, error) {
	spec := command.InputSpec{
		Null: m.Null, EOF: m.EOF, SkipBlank: m.NoRunIfEmpty, SkipFirst: m.SkipFirstLine,
		CSV: m.CSV, Trim: m.Trim, Link: m.Link, Shuffle: m.Shuffle, Seed: m.Seed,
	}
	for _, name := range m.ArgFiles {
		spec.Sources = append(spec.Sources, command.SourceSpec{Kind: command.File, File: name})
	}
	spec.Sources = append(spec.Sources, sources...)
	if m.Given("delimiter") {
		var err error
		if spec.Delimiter, err = command.ParseDelimiter(m.Delimiter); err != nil {
			return spec, err
		}
	}
	switch {
	case m.Xargs:
		spec.Batch = command.Fill
	case m.Many || m.ManyContext:
		spec.Batch = command.Spread
	}
	if m.DataIn() && !m.Tee {
		return spec, nil
	}
	spec.ColSep = m.ColSep
	if !m.DataIn() {
		spec.Header = m.Header
	}
	each := m.MaxArgs
	if m.ReplaceArgs >= 0 {
		each = m.ReplaceArgs
	}
	spec.NoArgs = each == 0
	spec.MaxArgs = int(max(each, 0))
	spec.MaxLines = int(max(m.LinesJoined, 0))
	return spec, nil
}

// TemplateOptions says how the command is read. The caller adds Env, Names and
// Slots.
func (m *Map) TemplateOptions() command.Options {
	return command.Options{
		Plus: m.Plus, Rpl: m.Rpl, Parens: m.Parens, Quote: m.Quote,
		Replace: command.Replace{
			Value: m.Replace, NoExt: m.NoExt, Base: m.Base, Dir: m.Dir,
			BaseNoExt: m.BaseNoExt, Seq: m.SeqReplace, Slot: m.SlotReplace,
		},
		// GNU parallel repeats the word for -N, and for -L (not -l) without -m, too.
		// With --pipe they count records, and a block has one value at most.
		Context:  !m.DataIn() && (m.ManyContext || m.ReplaceArgs >= 0 || m.Given("L") && !m.Many && !m.Xargs),
		NoAppend: m.DataIn() && !m.Cat && !m.Fifo,
	}
}

// RecordSpec says how data is cut. A negative --block is so many blocks for each
// slot: then blocks is their number, and the caller sets Block with
// [record.BlockFor]. The caller adds Slots and Expression.
func (m *Map) RecordSpec() (spec record.Spec, blocks int64, err error) {
	spec = record.Spec{
		Regexp: m.Regexp, Remove: m.RemoveRecSep,
		Records: max(m.ReplaceArgs, m.MaxArgs, 0), Lines: max(m.LinesJoined, 0),
		Header: m.Header, CSV: m.CSV, GroupBy: m.GroupBy, Shard: m.Shard, Bin: m.Bin,
	}
	if m.Given("colsep") || m.CSV {
		spec.ColSep = m.ColSep
	}
	if m.Given("recstart") {
		spec.Start = &m.RecStart
	}
	if m.Given("recend") {
		spec.End = &m.RecEnd
	}
	n, err := record.ParseBlock(m.Block)
	if n < 0 {
		return spec, n, err
	}
	spec.Block = n
	return spec, 0, err
}
