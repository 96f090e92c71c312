package record

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseBlock reads the value of --block: a number, a fraction too, with one of
// GNU parallel's units: K M G T P E are powers of 1024 and k m g t p e of 1000,
// and of 1024 with an i behind them. A negative number is for BlockFor; 0 stands
// for the default.
func ParseBlock(s string) (int64, error) {
	bad := func(why string) (int64, error) {
		return 0, fmt.Errorf("--block %q: %s; give a number of bytes such as 65536, 10k, 1M, 1.5G, or with --pipe-part -10 for ten blocks a job", s, why)
	}
	text := strings.TrimSpace(s)
	i := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("+-.0123456789", r) })
	unit := ""
	if i >= 0 {
		text, unit = text[:i], text[i:]
	}
	factor := 1.0
	if unit != "" {
		const units = "kmgtpe"
		power := strings.IndexByte(units, strings.ToLower(unit)[0]) + 1
		base := 1024.0
		switch {
		case power == 0 || len(unit) > 2 || len(unit) == 2 && unit[1] != 'i' && unit[1] != 'I':
			return bad("the unit is none of K M G T P E (1024) and k m g t p e (1000)")
		case len(unit) == 1 && unit[0] >= 'a':
			base = 1000
		}
		factor = math.Pow(base, float64(power))
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return bad("that is not a number")
	}
	n := math.Trunc(x * factor)
	switch {
	case math.Abs(n) >= 1<<62:
		return bad("that is more than a block can be")
	case n == 0 && x != 0:
		return bad("a block has at least one byte")
	}
	return int64(n), nil
}

// BlockFor returns the size of a block for a value of --block: n itself, the
// default for 0, and for -n what makes n blocks for each of so many jobs out of
// size bytes. GNU parallel's value for --pipe-part without --block is -10, and
// with --round-robin it is -1.
func BlockFor(n, size int64, jobs int) int64 {
	switch {
	case n == 0:
		return BlockBytesDefault
	case n > 0:
		return n
	}
	return 1 + size/int64(max(jobs, 1))/-n
}
