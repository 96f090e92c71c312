// Package record cuts a stream of bytes into blocks of whole records, as --pipe
// and --pipe-part need them.
//
// It decides and does not act: it is given bytes and says where to cut. Who
// reads them, in which memory they lie and who gets them is not its business.
// The cuts are GNU parallel's, byte for byte, where those do not depend on
// chance; where they differ on purpose the comment at the place says so.
package record

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// BlockBytesDefault is the size of a block when none is asked for.
const BlockBytesDefault = 1 << 20

// Spec says what a record is, how many make a block, and which slot gets it.
// Its zero value means lines, in blocks of a MiB.
type Spec struct {
	// Start and End are what a record begins with (--recstart) and ends with
	// (--recend); nil: not given. With neither, a record ends with a newline.
	// An empty End without a Start means that records may be cut anywhere.
	// Outside regular expressions \n \t \r \0 \' \" and \\ are escapes.
	Start, End *string

	Regexp bool // --regexp: Start and End are regular expressions
	Remove bool // --remove-rec-sep: Clean takes Start and End out of a block

	Records int64 // -N, -n: records in a block; 0: as many as fit into Block
	Lines   int64 // -L: lines in a record; 0: not given

	// Block is the size of a block in bytes, 0 for the default. A block is
	// larger only where one record is, or where Records says so.
	Block int64

	Header  string // --header: ":", a number of lines, or a regular expression; "": none
	ColSep  string // --colsep, a regular expression; "": a tab, for --shard and --bin a comma
	CSV     bool   // --csv: a newline between double quotes does not end a record
	GroupBy string // --group-by: lines with the same key are one record
	Shard   string // --shard: Route goes by a hash of the key
	Bin     string // --bin: Route goes by the key's number
	Slots   int    // job slots that Shard and Bin choose from

	// Expression compiles what follows the column in a key, as s/\D// does in
	// "UserID s/\D//". nil: such a key is refused.
	Expression func(text string) (func(value string) string, error)
}

// Cutter cuts one stream. It remembers what it has seen of the bytes after the
// last cut, so it serves one stream and one goroutine. Only Clean may be called
// by several at once.
type Cutter struct {
	spec   Spec
	block  int64 // Spec.Block, or more once a record was longer
	edges  edges
	sep    separator
	header header
	group  *key
	route  *key
}

// edges finds where records end in the bytes that follow the last cut. All
// calls between two cuts see the same bytes, only longer.
type edges interface {
	// last returns the last place in window where it may be cut, 0 if there is none.
	last(window []byte) int
	// nth returns the place after n records, 0 if there are not as many.
	nth(buf []byte, n int64, eof bool) int
	// cut says that n bytes were taken off the front.
	cut(n int)
	// tail says whether what is left at the end of the stream is cut like the
	// rest, so that an incomplete record becomes a block of its own.
	tail() bool
}

// New checks spec and makes a Cutter of it.
func New(spec Spec) (*Cutter, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	c := &Cutter{spec: spec, block: spec.Block}
	if c.block == 0 {
		c.block = BlockBytesDefault
	}
	var err error
	if c.sep, err = newSeparator(spec); err != nil {
		return nil, err
	}
	if c.header, err = newHeader(spec); err != nil {
		return nil, err
	}
	if spec.GroupBy != "" {
		if c.group, err = newKey("--group-by", spec.GroupBy, "\t", spec); err != nil {
			return nil, err
		}
	}
	if spec.Shard != "" {
		c.route, err = newKey("--shard", spec.Shard, ",", spec)
	} else if spec.Bin != "" {
		c.route, err = newKey("--bin", spec.Bin, ",", spec)
	}
	if err != nil {
		return nil, err
	}
	c.nameHeader()
	c.edges = c.newEdges()
	return c, nil
}

// check refuses what contradicts itself. GNU parallel lets one of the two win
// without a word.
func (s *Spec) check() error {
	separators := s.Start != nil || s.End != nil || s.Regexp
	switch {
	case s.Block < 0:
		return errors.New("--block: a negative size is a number of blocks for each job and works with --pipe-part only; give a size such as 1M")
	case s.Records < 0:
		return fmt.Errorf("-N %d: a block holds at least one record; give a number from 1", s.Records)
	case s.Lines < 0:
		return fmt.Errorf("-L %d: a record has at least one line; give a number from 1", s.Lines)
	case s.Lines > 0 && s.Records > math.MaxInt64/s.Lines:
		return fmt.Errorf("-N %d -L %d: so many lines cannot be counted; give smaller numbers", s.Records, s.Lines)
	case s.Shard != "" && s.Bin != "":
		return errors.New("--shard and --bin both say which job gets a record; give one of them")
	case (s.Shard != "" || s.Bin != "") && (separators || s.GroupBy != ""):
		return errors.New("--shard and --bin route lines; leave out --recstart, --recend, --regexp and --group-by")
	case (s.Shard != "" || s.Bin != "") && s.Slots < 1:
		return errors.New("--shard and --bin need a fixed number of jobs; give it with -j")
	case s.GroupBy != "" && separators:
		return errors.New("--group-by makes records of lines with the same value; leave out --recstart, --recend and --regexp")
	case s.GroupBy != "" && s.Lines > 0:
		return errors.New("--group-by and -L both say which lines make a record; give one of them")
	case s.CSV && separators:
		return errors.New("--csv says where records end; leave out --recstart, --recend and --regexp")
	}
	return nil
}

// newEdges chooses who finds the records' ends, in GNU parallel's order: -L
// alone counts newlines, whatever else a record might end with.
func (c *Cutter) newEdges() edges {
	s := &c.spec
	switch {
	case c.group != nil:
		return &groupEdges{key: c.group}
	case s.CSV:
		return &csvEdges{lines: max(s.Lines, 1)}
	case s.Lines > 0 && s.Records == 0:
		return &lineEdges{lines: int(min(s.Lines, math.MaxInt))}
	case c.sep.anywhere():
		return anywhere{}
	case c.sep.re != nil:
		return &regexpEdges{sep: c.sep}
	}
	return &literalEdges{sep: c.sep}
}

// records is how many of what edges counts make a block, 0 for a full block.
func (c *Cutter) records() int64 {
	return c.spec.Records * max(c.spec.Lines, 1)
}

// Window is how many bytes Cut must see before it can cut a full block, and so
// what to read at a time. It grows when a record is longer, as GNU parallel's
// --block does, and never shrinks.
func (c *Cutter) Window() int64 { return c.block }

// Cut returns the length of the next block at the start of buf; 0: read more.
// The caller takes that many bytes off buf and calls again; after 0 it calls
// again with the same bytes and more behind them, or with eof set. What Cut has
// looked at it does not look at again, but for a few bytes and, with regular
// expressions, a constant factor. With eof it returns 0 only for an empty buf.
//
// The cuts depend on the bytes alone and not on how they were read: of a longer
// buf Cut looks at Window bytes. With Spec.Records it cuts as soon as that many
// records are there.
func (c *Cutter) Cut(buf []byte, eof bool) int {
	if n := c.records(); n > 0 {
		at := c.edges.nth(buf, n, eof)
		if at == 0 && eof {
			at = len(buf)
		}
		return c.taken(at)
	}
	for int64(len(buf)) >= c.block {
		if at := c.edges.last(buf[:c.block]); at > 0 {
			return c.taken(at)
		}
		c.grow()
	}
	if !eof {
		return 0
	}
	at := 0
	if c.edges.tail() {
		at = c.edges.last(buf)
	}
	if at == 0 {
		at = len(buf)
	}
	return c.taken(at)
}

// CutEarly is Cut for input that comes slowly (--block-timeout): it does not
// wait for a full block but takes the whole records that are there, 0 if there
// are none.
func (c *Cutter) CutEarly(buf []byte) int {
	if n := c.Cut(buf, false); n > 0 || c.records() > 0 {
		return n
	}
	return c.taken(c.edges.last(buf))
}

func (c *Cutter) taken(n int) int {
	if n > 0 {
		c.edges.cut(n)
	}
	return n
}

// grow makes the block larger by GNU parallel's factor: later cuts depend on it.
func (c *Cutter) grow() {
	if c.block >= math.MaxInt64/2 {
		c.block = math.MaxInt64
		return
	}
	// In floating point, rounded twice and not fused, so as to round like theirs.
	c.block = int64(math.Ceil(float64(float64(c.block)*1.3) + 1))
}

// literal is what GNU parallel makes of a separator that is no regular
// expression: only these escapes count, any other backslash stays.
var literal = strings.NewReplacer(`\\`, `\`, `\0`, "\x00", `\r`, "\r", `\n`, "\n", `\t`, "\t", `\'`, `'`, `\"`, `"`)
