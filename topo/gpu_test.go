package topo

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// nvidiaBox has GPUs with these minor numbers, in the order of the bus, and device files.
func nvidiaBox(minors []int, devices ...string) fstest.MapFS {
	contents := map[string]string{"proc/driver/nvidia/version": "NVRM version: x"}
	for i, minor := range minors {
		contents[fmt.Sprintf("proc/driver/nvidia/gpus/0000:%02x:00.0/information", i+1)] =
			fmt.Sprintf("Model: \t\t X\nGPU UUID: \t GPU-%d\nDevice Minor: \t %d\nGPU Excluded:\t No", i, minor)
	}
	for _, d := range devices {
		contents["dev/"+d] = ""
	}
	return tree(contents)
}

// amdBox has one node that is a CPU, and so many GPUs.
func amdBox(gpus int) fstest.MapFS {
	contents := map[string]string{"dev/kfd": "", "sys/class/kfd/kfd/topology/nodes/0/gpu_id": "0"}
	for i := range gpus {
		contents[fmt.Sprintf("sys/class/kfd/kfd/topology/nodes/%d/gpu_id", i+1)] = fmt.Sprint(4000 + i)
	}
	return tree(contents)
}

func TestDetectGPUs(t *testing.T) {
	t.Parallel()
	two := nvidiaBox([]int{0, 1}, "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-caps")
	for name, c := range map[string]struct {
		root fstest.MapFS
		env  string
		want string
	}{
		"none":                       {tree(nil), "", " [] []"},
		"two":                        {two, "", "CUDA_VISIBLE_DEVICES [0 1] [CUDA_DEVICE_ORDER=PCI_BUS_ID]"},
		"order is said":              {two, "CUDA_DEVICE_ORDER=FASTEST_FIRST", "CUDA_VISIBLE_DEVICES [0 1] []"},
		"restricted":                 {two, "CUDA_VISIBLE_DEVICES=1", "CUDA_VISIBLE_DEVICES [1] []"},
		"restricted to all":          {two, "CUDA_VISIBLE_DEVICES=1, 0", "CUDA_VISIBLE_DEVICES [1 0] []"},
		"restricted to none":         {two, "CUDA_VISIBLE_DEVICES=", "CUDA_VISIBLE_DEVICES [] []"},
		"by a batch system":          {two, "CUDA_VISIBLE_DEVICES=NoDevFiles", "CUDA_VISIBLE_DEVICES [] []"},
		"ends at what is not there":  {two, "CUDA_VISIBLE_DEVICES=1,2,0", "CUDA_VISIBLE_DEVICES [1] []"},
		"ends at what is below none": {two, "CUDA_VISIBLE_DEVICES=0,-1,1", "CUDA_VISIBLE_DEVICES [0] []"},
		"twice":                      {two, "CUDA_VISIBLE_DEVICES=0,0", "CUDA_VISIBLE_DEVICES [0] []"},
		"by names":                   {two, "CUDA_VISIBLE_DEVICES=GPU-1,MIG-5", "CUDA_VISIBLE_DEVICES [GPU-1 MIG-5] []"},
		"a container with one":       {nvidiaBox([]int{3, 0, 1, 2}, "nvidia2", "nvidiactl"), "", "CUDA_VISIBLE_DEVICES [0] [CUDA_DEVICE_ORDER=PCI_BUS_ID]"},
		"a container with none":      {nvidiaBox([]int{0, 1}), "", " [] []"},
		"no driver's files":          {nvidiaBox(nil, "nvidia0", "nvidia1", "nvidiactl"), "", "CUDA_VISIBLE_DEVICES [0 1] [CUDA_DEVICE_ORDER=PCI_BUS_ID]"},
		"AMD's":                      {amdBox(2), "", "ROCR_VISIBLE_DEVICES [0 1] []"},
		"AMD's, restricted":          {amdBox(3), "ROCR_VISIBLE_DEVICES=0,2", "ROCR_VISIBLE_DEVICES [0 2] []"},
		"AMD's, by HIP":              {amdBox(3), "HIP_VISIBLE_DEVICES=2", "HIP_VISIBLE_DEVICES [2] []"},
		"AMD's, by both":             {amdBox(3), "ROCR_VISIBLE_DEVICES=0,2; HIP_VISIBLE_DEVICES=1,2", "HIP_VISIBLE_DEVICES [1] []"},
		"AMD's CPU":                  {amdBox(0), "", " [] []"},
		"no device file of AMD's":    {tree(map[string]string{"sys/class/kfd/kfd/topology/nodes/1/gpu_id": "7"}), "", " [] []"},
	} {
		g := detectGPUs(c.root, func(name string) (string, bool) {
			for kv := range strings.SplitSeq(c.env, "; ") {
				if value, ok := strings.CutPrefix(kv, name+"="); ok {
					return value, true
				}
			}
			return "", false
		})
		if got := fmt.Sprint(g.Variable, " ", g.IDs, " ", g.Env); got != c.want {
			t.Errorf("%s: %s; want %s", name, got, c.want)
		}
	}
}
