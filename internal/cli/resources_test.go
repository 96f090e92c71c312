package cli

import (
	"fmt"
	"testing"

	"github.com/tutti-run/tutti/internal/resource"
	"github.com/tutti-run/tutti/topo"
)

// --have takes none but the GPUs that tutti may use, as long as there are enough.
func TestHaveGPUs(t *testing.T) {
	t.Parallel()
	order := []string{"ORDER=bus"}
	for _, c := range []struct {
		found []string
		have  int64
		want  string
	}{
		{[]string{"3", "5"}, 1, "[3] [ORDER=bus]"},
		{[]string{"3", "5"}, 2, "[3 5] [ORDER=bus]"},
		{[]string{"3", "5"}, 3, "[0 1 2] []"},
		{nil, 2, "[0 1] []"},
	} {
		p := &plan{}
		p.world.lookup = func(string) (string, bool) { return "", false }
		p.world.gpus = func() topo.GPUs { return topo.GPUs{IDs: c.found, Env: order} }
		p.have = []resource.Request{{Name: resource.GPU, Units: c.have}}
		a, err := p.findAsset(resource.Request{Name: resource.GPU, Units: 1})
		if got := fmt.Sprint(a.ids, " ", a.env); err != nil || got != c.want {
			t.Errorf("found %v, --have gpu=%d: %s, %v; want %s", c.found, c.have, got, err, c.want)
		}
	}
}
