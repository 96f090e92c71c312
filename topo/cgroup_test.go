package topo

import (
	"slices"
	"testing"
)

const v2Mount = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"

// cgroupFiles is a cgroup v2 machine whose process sits in own with these limits.
func cgroupFiles(own, cpuMax, memoryMax string) map[string]string {
	return map[string]string{
		"proc/self/cgroup":                    "0::" + own,
		"proc/self/mountinfo":                 v2Mount,
		"sys/fs/cgroup" + own + "/cpu.max":    cpuMax,
		"sys/fs/cgroup" + own + "/memory.max": memoryMax,
	}
}

const v1Mounts = `22 1 0:21 / /proc rw - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`

func TestLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		files       map[string]string
		quota       float64
		memoryBytes int64
	}{
		{name: "no cgroups"},
		{name: "v2", files: cgroupFiles("/a", "150000 100000", "1048576"), quota: 1.5, memoryBytes: 1 << 20},
		{name: "v2 max", files: cgroupFiles("/a", "max 100000", "max")},
		{name: "v2 without a period", files: cgroupFiles("/a", "50000", "max"), quota: 0.5},
		{name: "v2 in its own namespace", files: cgroupFiles("", "200000 100000", "4096"), quota: 2, memoryBytes: 4096},
		{name: "v2 nested, the parent is tighter", quota: 0.5, memoryBytes: 1000, files: map[string]string{
			"proc/self/cgroup": "0::/a/b/c", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/cpu.max": "50000 100000", "sys/fs/cgroup/a/memory.max": "2000",
			"sys/fs/cgroup/a/b/cpu.max": "max 100000", "sys/fs/cgroup/a/b/memory.max": "1000",
			"sys/fs/cgroup/a/b/c/cpu.max": "400000 100000", "sys/fs/cgroup/a/b/c/memory.max": "max",
			"sys/fs/cgroup/other/cpu.max": "1000 100000", "sys/fs/cgroup/other/memory.max": "1",
		}},
		{name: "v2 nested, the child is tighter", quota: 0.25, files: map[string]string{
			"proc/self/cgroup": "0::/a/b", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/cpu.max": "100000 100000", "sys/fs/cgroup/a/b/cpu.max": "2500 10000",
		}},
		{name: "v1", quota: 2.5, memoryBytes: 1 << 30, files: map[string]string{
			"proc/self/cgroup":                                 "4:memory:/job/1\n2:cpu,cpuacct:/job\n1:name=systemd:/\n0::/",
			"proc/self/mountinfo":                              v1Mounts,
			"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us":   "250000",
			"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us":  "100000",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":       "-1",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":      "100000",
			"sys/fs/cgroup/memory/job/1/memory.limit_in_bytes": "9223372036854771712",
			"sys/fs/cgroup/memory/job/memory.limit_in_bytes":   "1073741824",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":       "9223372036854710272",
		}},
		{name: "v1 in a container that shows its own end only", quota: 3, memoryBytes: 4096, files: map[string]string{
			"proc/self/cgroup": "4:memory:/docker/f00\n2:cpu,cpuacct:/docker/f00",
			"proc/self/mountinfo": `32 31 0:29 /docker/f00 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/f00 /sys/fs/cgroup/memory ro master:7 - cgroup cgroup rw,memory`,
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "300000",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":  "4096",
		}},
		{name: "quota in v1, memory in v2", quota: 1, memoryBytes: 4096, files: map[string]string{
			"proc/self/cgroup": "2:cpu,cpuacct:/\n0::/x", "proc/self/mountinfo": v1Mounts,
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "100000",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/unified/x/memory.max":          "4096",
		}},
		{name: "no mountinfo", quota: 1, memoryBytes: 4096, files: map[string]string{
			"proc/self/cgroup":      "0::/a",
			"sys/fs/cgroup/cpu.max": "100000 100000", "sys/fs/cgroup/a/memory.max": "4096",
		}},
		{name: "no /proc", quota: 1, memoryBytes: 4096, files: map[string]string{
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "4096",
		}},
		{name: "a mount elsewhere, with a space", quota: 1, files: map[string]string{
			"proc/self/cgroup":    "0::/a",
			"proc/self/mountinfo": `30 24 0:26 / /mnt/c\040g rw - cgroup2 none rw`,
			"mnt/c g/a/cpu.max":   "100000 100000",
		}},
		{name: "a second mount of another part", quota: 2, files: map[string]string{
			"proc/self/cgroup":          "0::/a",
			"proc/self/mountinfo":       "40 24 0:26 /other /mnt rw - cgroup2 none rw\n" + v2Mount,
			"mnt/cpu.max":               "100000 100000",
			"sys/fs/cgroup/a/cpu.max":   "200000 100000",
			"sys/fs/cgroup/oth/cpu.max": "100000 100000",
		}},
		{name: "garbage", files: cgroupFiles("/a", "lots of it", "some")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := detect(tree(tt.files), []int{0})
			if m.Quota != tt.quota || m.MemoryLimit != tt.memoryBytes {
				t.Errorf("quota %v, memory %d; want %v, %d", m.Quota, m.MemoryLimit, tt.quota, tt.memoryBytes)
			}
		})
	}
}

func TestDirsStayBelowTheMount(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, own, root string
		want            []string
	}{
		{"whole hierarchy", "/a/b", "/", []string{"mnt/a/b", "mnt/a", "mnt"}},
		{"own part", "/a/b", "/a", []string{"mnt/b", "mnt"}},
		{"exactly own", "/a/b", "/a/b", []string{"mnt"}},
		{"a name that only begins alike", "/ab", "/a", []string{"mnt"}},
		{"outside the namespace", "/../a", "/", []string{"mnt"}},
		{"outside, and so is the mount", "/../a", "/..", []string{"mnt/a", "mnt"}},
		{"unknown", "", "/", []string{"mnt"}},
		{"relative", "a/b", "/", []string{"mnt"}},
	}
	for _, tt := range tests {
		c := cgroups{paths: map[string]string{unified: tt.own}, mounts: map[string][]cgroupMount{unified: {{tt.root, "/mnt"}}}}
		if got := c.dirs(unified); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestParallelism(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cpus  int
		quota float64
		want  int
	}{
		{0, 0, 1}, {1, 0, 1}, {8, 0, 8}, {8, 8, 8}, {8, 100, 8}, {8, 1e300, 8},
		{8, 2, 2}, {8, 2.5, 3}, {8, 7.01, 8}, {8, 0.1, 1}, {1, 0.5, 1}, {1, 1.5, 1},
	}
	for _, tt := range tests {
		m := Machine{CPUs: make([]CPU, tt.cpus), Quota: tt.quota}
		if got := m.Parallelism(); got != tt.want {
			t.Errorf("%d CPUs under a quota of %v: %d, want %d", tt.cpus, tt.quota, got, tt.want)
		}
	}
}

func TestDescribeLimits(t *testing.T) {
	t.Parallel()
	files := cgroupFiles("/a", "150000 100000", "4831838208")
	files["proc/meminfo"] = "MemTotal: 8388608 kB"
	want := "1 CPU (1 core, 1 package, 1 node), quota 1.5 CPUs, 8 GiB, limit 4.5 GiB"
	if got := detect(tree(files), []int{0}).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
