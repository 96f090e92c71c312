package topo

import (
	"slices"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		list string
		want []int
		fail bool
	}{
		{list: "0", want: []int{0}},
		{list: "0-3,8,10-11\n", want: []int{0, 1, 2, 3, 8, 10, 11}},
		{list: "5,1-2,2,1", want: []int{1, 2, 5}},
		{list: " \n"},
		{list: "8191", want: []int{8191}},
		{list: "8192", fail: true},
		{list: "0-4294967296", fail: true},
		{list: "3-1", fail: true},
		{list: "-1", fail: true},
		{list: "+1", fail: true},
		{list: "1-", fail: true},
		{list: "1-2-3", fail: true},
		{list: "1,,2", fail: true},
		{list: "0,2,", fail: true},
		{list: "0-7:2/4", fail: true},
		{list: "all", fail: true},
	}
	for _, tt := range tests {
		got, err := parseCPUs(tt.list)
		if (err != nil) != tt.fail || !slices.Equal(got, tt.want) {
			t.Errorf("parseCPUs(%q) = %v, %v; want %v, error %t", tt.list, got, err, tt.want, tt.fail)
		}
	}
}

func TestFormatCPUs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ids  []int
		want string
	}{
		{nil, ""},
		{[]int{7}, "7"},
		{[]int{0, 1}, "0-1"},
		{[]int{11, 0, 1, 2, 10, 3, 8, 8}, "0-3,8,10-11"},
	}
	for _, tt := range tests {
		if got := formatCPUs(tt.ids); got != tt.want {
			t.Errorf("formatCPUs(%v) = %q, want %q", tt.ids, got, tt.want)
		}
	}
}

func FuzzParseCPUs(f *testing.F) {
	for _, list := range []string{"", "0", "0-3,8,10-11", "0-8191", "8192", "3-1", "1-", ",", "0-4294967295", "0-1\n"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		ids, err := parseCPUs(list)
		if err != nil {
			if ids != nil {
				t.Fatalf("ids %v beside the error %v", ids, err)
			}
			return
		}
		for i, id := range ids {
			if id < 0 || id >= maxCPUs || (i > 0 && id <= ids[i-1]) {
				t.Fatalf("ids out of range or order: %v", ids)
			}
		}
		again, err := parseCPUs(formatCPUs(ids))
		if err != nil || !slices.Equal(again, ids) {
			t.Fatalf("%v written and read again is %v, %v", ids, again, err)
		}
	})
}
