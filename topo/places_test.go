package topo

import (
	"fmt"
	"testing"
)

func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		homes [][]int
		there []int
		want  string
	}{
		{"all are there", [][]int{{0}, {1}}, []int{0, 1}, "[[0] [1]]"},
		{"one is gone", [][]int{{0}, {1}}, []int{0}, "[[0] [0]]"},
		{"the emptiest takes who comes", [][]int{{0}, {0}, {1}, {2}}, []int{0, 1}, "[[0] [0] [1] [1]]"},
		{"two come, and share", [][]int{{0}, {1}, {2}, {3}}, []int{0, 1}, "[[0] [1] [0] [1]]"},
		{"a part of a home is one", [][]int{{0, 1}, {2, 3}}, []int{1, 2, 3}, "[[1] [2 3]]"},
		{"all others are strange", [][]int{{0}, {1}}, []int{6, 7}, "[[6] [7]]"},
		{"one is bound to nothing", [][]int{nil, {3}}, []int{0}, "[[] [0]]"},
		{"none is there", [][]int{{0}, {1}}, nil, "[[0] [1]]"},
	} {
		if got := fmt.Sprint(Places(tt.homes, tt.there)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// What a machine says when a CPU is taken offline and put back, to a process whose affinity
// names it all the while: nobody is placed on it, its process moves, and goes home. Some
// kernels keep an offline CPU out of the affinity, as is right, and some sandboxes do not.
func TestPlacesGoByWhatIsOnline(t *testing.T) {
	t.Parallel()
	homes := [][]int{{0}, {1}, {2}, {2, 3}}
	for i, tt := range []struct{ online, offline, want string }{
		{"0-3", "", "[[0] [1] [2] [2 3]]"},
		{"0-1,3", "2", "[[0] [1] [0] [3]]"},
		{"0,3", "1-2", "[[0] [0] [3] [3]]"},
		{"0-1,3", "2", "[[0] [1] [0] [3]]"},
		{"0-3", "", "[[0] [1] [2] [2 3]]"},
		{"0-3", "4-63", "[[0] [1] [2] [2 3]]"}, // those were never there
	} {
		root := tree(map[string]string{cpuDir + "online": tt.online, cpuDir + "offline": tt.offline})
		if got := fmt.Sprint(Places(homes, files{root}.usable([]int{0, 1, 2, 3}))); got != tt.want {
			t.Errorf("%d: online %s: %s, want %s", i, tt.online, got, tt.want)
		}
		// The kernel's own way: the CPU leaves the affinity, and the files say the same.
		online, err := parseCPUs(tt.online)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(Places(homes, files{root}.usable(online))); got != tt.want {
			t.Errorf("%d: affinity %s: %s, want %s", i, tt.online, got, tt.want)
		}
	}
}
