// Package nearest finds the word that was probably meant. Pure.
package nearest

import "strings"

// Of returns the one of words that is most like word, if any is near enough
// to be meant; else "".
func Of(word string, words []string) string {
	const longest = 40 // nobody mistypes a longer one, and the cost is quadratic
	if len(word) < 2 || len(word) > longest {
		return ""
	}
	best, far := "", len(word)/3+2
	for _, w := range words {
		if len(w) < 2 {
			continue
		}
		d := distance(word, w)
		if strings.HasPrefix(w, word) && len(word) > 2 {
			d = 1
		}
		if d < far {
			best, far = w, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, change or swap with their
// neighbour to make b of a.
func distance(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
