package nearest

import "testing"

func TestOf(t *testing.T) {
	t.Parallel()
	words := []string{"round-robin", "work-stealing", "x", "locality"}
	for word, want := range map[string]string{
		"roundrobin": "round-robin", "wrok-stealing": "work-stealing", "loc": "locality", "lo": "",
		"x": "", "": "", "fair": "", "work-stealing": "work-stealing",
	} {
		if got := Of(word, words); got != want {
			t.Errorf("Of(%q) = %q, want %q", word, got, want)
		}
	}
}
