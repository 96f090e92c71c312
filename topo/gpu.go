package topo

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// GPUs are the graphics processors that programs started by this process would see.
type GPUs struct {
	// IDs name them as Variable does, each once: numbers from 0, or what the variable
	// held that this process was started with.
	IDs []string
	// Variable is the environment variable that restricts programs to some of them.
	Variable string
	// Env is what programs need besides, NAME=value, so that the IDs mean what they do here.
	Env []string
}

// GPUVariable is the environment variable by which most programs are told which GPUs to
// use, where none is known.
const GPUVariable = "CUDA_VISIBLE_DEVICES"

// The variables by which the vendors' libraries are told which GPUs to use. AMD's HIP
// has one of its own, which chooses among those that ROCm's leaves.
const (
	cudaVariable = GPUVariable
	cudaOrder    = "CUDA_DEVICE_ORDER"
	rocmVariable = "ROCR_VISIBLE_DEVICES"
	hipVariable  = "HIP_VISIBLE_DEVICES"
)

// DetectGPUs finds the GPUs of this machine without any vendor's library: NVIDIA's, and
// where there are none, AMD's. Without one the result has no IDs.
func DetectGPUs() GPUs { return detectGPUs(os.DirFS("/"), os.LookupEnv) }

// detectGPUs finds those of the machine whose / is root.
func detectGPUs(root fs.FS, lookup func(name string) (string, bool)) GPUs {
	f := files{root}
	if n := f.nvidia(); n > 0 {
		g := GPUs{IDs: numbers(n), Variable: cudaVariable}
		if restricted, ok := lookup(cudaVariable); ok {
			g.IDs = visible(restricted, n)
		} else if _, ok := lookup(cudaOrder); !ok {
			// By itself CUDA counts from the fastest on, and the kernel by the bus.
			g.Env = []string{cudaOrder + "=PCI_BUS_ID"}
		}
		return g
	}
	n := f.amd()
	if n == 0 {
		return GPUs{}
	}
	g := GPUs{IDs: numbers(n), Variable: rocmVariable}
	if restricted, ok := lookup(rocmVariable); ok {
		g.IDs = visible(restricted, n)
	}
	if restricted, ok := lookup(hipVariable); ok {
		g.IDs, g.Variable = visible(restricted, len(g.IDs)), hipVariable
	}
	return g
}

// numbers are "0" to n-1.
func numbers(n int) (ids []string) {
	for i := range n {
		ids = append(ids, strconv.Itoa(i))
	}
	return ids
}

// visible reads the value of a vendor's variable: numbers below n, or names of GPUs. As
// the libraries do it ends at the first that is none.
func visible(value string, n int) (ids []string) {
	for id := range strings.SplitSeq(value, ",") {
		id = strings.TrimSpace(id)
		if i, err := strconv.Atoi(id); err == nil && (i < 0 || i >= n) || err != nil && !isGPUName(id) {
			break
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// isGPUName reports whether id names a GPU, or a part of one, as the vendors do.
func isGPUName(id string) bool {
	return slices.ContainsFunc([]string{"GPU-", "MIG-", "MIG-GPU-"}, func(prefix string) bool {
		return strings.HasPrefix(id, prefix) && len(id) > len(prefix)
	})
}

// nvidia counts NVIDIA's GPUs: those that the driver tells of, by their places on the bus,
// which have a device file here. A container may be given some of the machine's alone.
func (f files) nvidia() int {
	devices := map[string]bool{}
	for _, name := range f.names("dev") {
		if minor, ok := strings.CutPrefix(name, "nvidia"); ok && minor != "" && strings.Trim(minor, "0123456789") == "" {
			devices[minor] = true
		}
	}
	const driver = "proc/driver/nvidia/gpus"
	there, told := 0, 0
	for _, bus := range f.names(driver) {
		text, _ := f.text(path.Join(driver, bus, "information"))
		for line := range strings.Lines(text) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "Device Minor" {
				told++
				if devices[strings.TrimSpace(value)] {
					there++
				}
			}
		}
	}
	if told == 0 {
		return len(devices)
	}
	return there
}

// amd counts AMD's GPUs that compute: nodes of the kernel's driver that are no CPUs.
func (f files) amd() int {
	if !slices.Contains(f.names("dev"), "kfd") {
		return 0
	}
	const nodes = "sys/class/kfd/kfd/topology/nodes"
	n := 0
	for _, node := range f.names(nodes) {
		if id, ok := f.number(path.Join(nodes, node, "gpu_id")); ok && id != 0 {
			n++
		}
	}
	return n
}

// names are those of a folder's entries; none where it cannot be read.
func (f files) names(folder string) []string {
	entries, _ := fs.ReadDir(f.root, folder)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
