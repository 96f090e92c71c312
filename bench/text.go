package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// layout is what a tool promises about the order of its jobs' output.
type layout int

const (
	mixed      layout = iota // nothing but that no byte is lost
	wholeLines               // lines are whole and each job's in order
	grouped                  // each job's output is in one piece
	tagged                   // as grouped, each line behind the job's input and a tab
	ordered                  // as grouped, and in the order of the inputs
)

// jobName is the input of job number i, and the file that it copies.
func jobName(i int) string { return fmt.Sprintf("%02d", i) }

// sampleText is what job number i writes: size bytes of lines like those of a log,
// 60 to 100 bytes a line, each beginning with the job's name. The same call gives
// the same text.
func sampleText(i, size int) []byte {
	verbs := []string{"GET", "PUT", "POST", "DELETE", "HEAD"}
	words := []string{"items", "users", "orders", "sessions", "images", "stock", "invoices"}
	random := rand.New(rand.NewPCG(1, uint64(i)))
	text := make([]byte, 0, size+128)
	for n := 0; len(text) < size; n++ {
		start := len(text)
		text = fmt.Appendf(text, "%s 12:%02d:%02d.%03d worker[%d] %s /api/v1/%s/%d %d in %d ms", jobName(i),
			n/60%60, n%60, random.IntN(1000), random.IntN(90000), verbs[random.IntN(len(verbs))],
			words[random.IntN(len(words))], random.IntN(1<<20), 200+random.IntN(5)*100, random.IntN(5000))
		for end := start + 60 + random.IntN(40); len(text) < end; {
			text = append(text, " ok"...)
		}
		text = append(text, '\n')
	}
	text = text[:size]
	text[size-1] = '\n' // the last line may be short
	return text
}

// checkOutput tells whether got is what jobs 0 to len(want)-1 wrote, as l promises it.
func checkOutput(l layout, got []byte, want [][]byte) error {
	switch l {
	case ordered:
		return sameBytes(got, bytes.Join(want, nil))
	case tagged:
		marked := make([][]byte, len(want))
		for i, text := range want {
			for line := range bytes.Lines(text) {
				marked[i] = append(append(append(marked[i], jobName(i)...), '\t'), line...)
			}
		}
		return checkGroups(got, marked)
	case grouped:
		return checkGroups(got, want)
	case wholeLines:
		apart := make([][]byte, len(want))
		for line := range bytes.Lines(got) {
			i, ok := jobOf(line, len(want))
			if !ok {
				return fmt.Errorf("a line of no job: %.40q", line)
			}
			apart[i] = append(apart[i], line...)
		}
		return sameBytes(bytes.Join(apart, nil), bytes.Join(want, nil))
	default:
		if countBytes(got) != countBytes(bytes.Join(want, nil)) {
			return fmt.Errorf("%d bytes that are not those that the jobs wrote", len(got))
		}
		return nil
	}
}

// checkGroups tells whether got is made of all of want, each in one piece and once.
func checkGroups(got []byte, want [][]byte) error {
	seen := make([]bool, len(want))
	for rest := got; len(rest) > 0; {
		i, ok := jobOf(rest, len(want))
		if !ok || seen[i] || !bytes.HasPrefix(rest, want[i]) {
			return fmt.Errorf("the output of a job is not in one piece, near byte %d", len(got)-len(rest))
		}
		seen[i] = true
		rest = rest[len(want[i]):]
	}
	for i := range seen {
		if !seen[i] {
			return fmt.Errorf("the output of job %s is missing", jobName(i))
		}
	}
	return nil
}

// jobOf reads the name of one of jobs at the start of a line.
func jobOf(line []byte, jobs int) (int, bool) {
	for i := range jobs {
		if bytes.HasPrefix(line, []byte(jobName(i))) {
			return i, true
		}
	}
	return 0, false
}

func sameBytes(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Errorf("%d bytes, want %d, different from byte %d on", len(got), len(want), at)
}

func countBytes(text []byte) (counts [256]int) {
	for _, b := range text {
		counts[b]++
	}
	return counts
}
