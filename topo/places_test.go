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
