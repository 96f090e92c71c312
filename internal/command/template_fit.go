package command

// Fits tells whether j's command line is shorter than maxChars (-s; 0: no such
// limit) and within what the system takes.
func (t *Template) Fits(j Job, maxChars int) bool { return t.Fitter(maxChars)(j) }

// Fitter is Fits for a command line that grows value by value (-m, -X): each
// value is looked at once and not once for each that follows. The function it
// returns belongs to one goroutine. What it is given next may be any job; one
// that extends the one before, with the same Seq, is answered fast. A job that
// cannot be rendered fits, so that Render can say why it fails.
func (t *Template) Fitter(maxChars int) func(Job) bool {
	s := lineSizes{t: t, settled: -1}
	for _, chunks := range t.words {
		for _, c := range chunks {
			for _, p := range c.parts {
				if c.perValue && p.run != nil && p.position != 0 {
					s.settled = max(s.settled, p.position)
					s.moving = s.moving || p.position < 0
				}
			}
		}
	}
	bound := t.bound()
	return func(j Job) bool {
		if len(j.Args) == 0 { // nothing that could be taken out
			return true
		}
		if maxChars == 0 && bound.allows(j.Args) {
			return true
		}
		display, argv, err := s.of(j)
		switch {
		case err != nil:
			return true
		case maxChars > 0 && display >= maxChars:
			return false
		case t.direct == nil:
			return display <= ArgBytesMax
		}
		return argv <= ArgsBytesMax
	}
}

// bound says without a rendering that a command line is far from too long, as most are.
// A replacement string that could make much of a little has none.
type bound struct {
	known bool
	text  int // bytes of the template, words counted as arguments
	parts int // replacement strings
}

// quoteMost is what quoting makes of a byte at most, and numberMost what a replacement
// string gives beside a value: a number, its quotes, a word's end.
const (
	quoteMost  = 5
	numberMost = 32
)

func (t *Template) bound() bound {
	b := bound{known: true}
	for _, words := range [][][]chunk{t.words, t.direct} {
		for _, chunks := range words {
			b.text += argBytes
			for _, c := range chunks {
				for _, p := range c.parts {
					if p.run == nil {
						b.text += quoteMost * len(p.text)
						continue
					}
					b.parts++
					b.known = b.known && p.short
				}
			}
		}
	}
	return b
}

// allows reports that the command line of these values is short enough for sure.
func (b bound) allows(args []string) bool { return b.known && b.size(args) <= ArgBytesMax }

// size is that of a command line in which each value is in each place, quoted, and all else
// is repeated with it: more than what Render gives.
func (b bound) size(args []string) int {
	values := 0
	for _, a := range args {
		values += quoteMost*len(a) + numberMost
	}
	return values*b.parts + b.text*len(args)
}

// lineSizes counts what a growing list of values takes.
type lineSizes struct {
	t       *Template
	settled int  // from so many values on, the counted ones do not change any more
	moving  bool // {-1} beside {}: they always change

	seq         int64
	n           int // values counted
	first, last string
	display     int // bytes of all that is repeated for each value, as displayed
	argv        int // the same as arguments, pointers included
}

// argBytes is what an argument takes besides its text: a NUL and a pointer.
const argBytes = 1 + 8

func (s *lineSizes) of(j Job) (display, argv int, err error) {
	same := s.n > 0 && s.seq == j.Seq && len(j.Args) >= s.n && j.Args[0] == s.first && j.Args[s.n-1] == s.last
	if !same || s.moving || s.n <= s.settled {
		s.n, s.display, s.argv = 0, 0, 0
	}
	for s.n < len(j.Args) {
		if err := s.add(j); err != nil {
			return 0, 0, err
		}
	}
	s.seq, s.first, s.last = j.Seq, j.Args[0], j.Args[s.n-1]
	shown, err := s.count(s.t.words, j, 0, false, true)
	if err != nil {
		return 0, 0, err
	}
	bare, err := s.count(s.t.direct, j, 0, false, false)
	return s.display + shown + len(s.t.words) - 1, s.argv + bare + len(s.t.direct)*argBytes, err
}

// add counts the next value.
func (s *lineSizes) add(j Job) error {
	shown, err := s.count(s.t.words, j, s.n, true, true)
	if err != nil {
		return err
	}
	bare, err := s.count(s.t.direct, j, s.n, true, false)
	if err != nil {
		return err
	}
	s.display, s.argv = s.display+shown, s.argv+bare
	s.n++
	return nil
}

// count gives the size of either the chunks that are repeated, at the i-th value,
// or of those that stand there once.
func (s *lineSizes) count(words [][]chunk, j Job, i int, repeated, shown bool) (int, error) {
	total := 0
	var w word
	for _, chunks := range words {
		for _, c := range chunks {
			if c.perValue != repeated {
				continue
			}
			w.current = w.current[:0]
			if err := s.t.putOnce(&w, c, j, i, shown && !s.t.quote && !s.t.raw); err != nil {
				return 0, err
			}
			switch {
			case shown && s.t.quote:
				total += len(quoteMarked(string(w.current)))
			default:
				total += len(w.current)
			}
			if i > 0 && shown {
				total++
			} else if i > 0 {
				total += argBytes
			}
		}
	}
	return total, nil
}
