package core

import (
	"math"
	"strings"
	"testing"
)

func TestParseBytes(t *testing.T) {
	t.Parallel()
	const ki, mi, gi = 1 << 10, 1 << 20, 1 << 30
	for in, want := range map[string]int64{
		"0": 0, "1": 1, "1.5": 2, "1K": ki, "1M": mi, "1G": gi, "1T": 1 << 40, "1P": 1 << 50,
		"1k": 1e3, "1m": 1e6, "1g": 1e9, "1t": 1e12, "1p": 1e15, "1Ki": ki, "1ki": ki, "1gI": gi, "1Mi": mi,
		"1.5G": gi + gi/2, ".5K": 512, "1.K": ki, "0.29k": 290, "2*1k": 2000, "1G*2": 2 * gi, "1/2k": 500, "1k/2": 500,
		"(1+1)M": 2 * mi, "1kk": 1e6, "1 K": ki, " 3 ": 3, "2*-1*-3": 6, "-1+3": 2, "+7": 7, "-(1-3)": 2, "7-2-1": 4, "2+3*4": 14,
		"1M-12*2.024*2k/8": mi - 6072,
	} {
		if got, err := ParseBytes("--memfree", in); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	// From GNU parallel's manual. It says that this is 1000000, which it is not.
	if got, err := ParseBytes("--block", "1M-12*2.024*2k"); err != nil || got != mi-48576 {
		t.Errorf("the manual's example is %d, %v", got, err)
	}
	for in, says := range map[string]string{
		"": "ends too early", "x": `from "x" on`, "1GB": `from "B" on`, "1k5": `from "5" on`, "1e3": `from "e3" on`, "G": `from "G" on`,
		"1+": "ends too early", "(1": "ends too early", "1)": `from ")" on`, "1..2": `from "1..2" on`, "-5": "less than nothing", "1-2": "less than nothing",
		"1/0": "divides by zero", "0/0": "divides by zero", "9999999P": "more than any machine", strings.Repeat("9", 257): "too long",
		".": `from "." on`, "1,5": `from ",5" on`, "1%2": `from "%2" on`, "1\n": "from",
	} {
		if got, err := ParseBytes("--memfree", in); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "--memfree ") {
			t.Errorf("ParseBytes(%q) = %d, %v; want %q", in, got, err, says)
		}
	}
}

func TestBytesText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 1023: "1023", 1024: "1K", 1536: "1.5K", 1 << 30: "1G", 3 << 49: "1.5P", math.MaxInt64: "8192P",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"1M-12*2.024*2k", "(1+1)M", "1/0", "((((", "1kki", "-+-1", ".5G"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseBytes("--memfree", s)
		if err == nil && n < 0 {
			t.Errorf("ParseBytes(%q) = %d", s, n)
		}
		if err == nil {
			if again, err := ParseBytes("--memfree", bytesText(n)); err != nil || math.Abs(float64(again-n)) > float64(n)/20 {
				t.Errorf("bytesText(%d) = %q, which is %d, %v", n, bytesText(n), again, err)
			}
		}
	})
}
