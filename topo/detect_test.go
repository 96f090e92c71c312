package topo

import (
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	cpuDir  = "sys/devices/system/cpu/"
	nodeDir = "sys/devices/system/node/"
)

// detect describes the machine of root as somebody who asks for the first time.
func detect(root fs.FS, allowed []int) *Machine { return new(layout).detect(root, allowed) }

// tree makes a file system of path and content pairs.
func tree(contents map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for path, content := range contents {
		root[path] = &fstest.MapFile{Data: []byte(content + "\n")}
	}
	return root
}

// put sets name to content for each of the CPUs in list, below their folders.
func put(root fstest.MapFS, list, name, content string) {
	ids, err := parseCPUs(list)
	if err != nil {
		panic(err)
	}
	for _, id := range ids {
		root[fmt.Sprintf("%scpu%d/%s", cpuDir, id, name)] = &fstest.MapFile{Data: []byte(content + "\n")}
	}
}

// putCache describes one cache of the CPUs in list, which share it.
func putCache(root fstest.MapFS, list string, index, level int, kind, size string) {
	at := fmt.Sprintf("cache/index%d/", index)
	put(root, list, at+"level", fmt.Sprint(level))
	put(root, list, at+"type", kind)
	put(root, list, at+"size", size)
	put(root, list, at+"shared_cpu_list", list)
}

// twoCores is a small virtual machine: two cores with their own L2 and one L3.
func twoCores() fstest.MapFS {
	root := tree(map[string]string{
		cpuDir + "online":         "0-1",
		cpuDir + "offline":        "",
		nodeDir + "online":        "0",
		nodeDir + "node0/cpulist": "0-1",
		"proc/meminfo":            "MemTotal:       24684096 kB\nMemFree:        24294452 kB",
	})
	for _, id := range []string{"0", "1"} {
		put(root, id, "topology/core_cpus_list", id)
		putCache(root, id, 0, 1, "Data", "32K")
		putCache(root, id, 1, 1, "Instruction", "32K")
		putCache(root, id, 2, 2, "Unified", "1024K")
	}
	put(root, "0-1", "topology/physical_package_id", "0")
	put(root, "0-1", "topology/package_cpus_list", "0-1")
	put(root, "0-1", "cpu_capacity", "1024")
	putCache(root, "0-1", 3, 3, "Unified", "32768K")
	return root
}

// eightThreads is four cores of two threads, siblings four ids apart, on two L3 of one package.
func eightThreads() fstest.MapFS {
	root := tree(map[string]string{cpuDir + "online": "0-7", nodeDir + "online": "0", nodeDir + "node0/cpulist": "0-7"})
	for core := range 4 {
		siblings := fmt.Sprintf("%d,%d", core, core+4)
		put(root, siblings, "topology/thread_siblings_list", siblings) // the old name
		putCache(root, siblings, 0, 1, "Data", "48K")
	}
	put(root, "0-7", "topology/physical_package_id", "0")
	put(root, "0-7", "topology/core_siblings_list", "0-7") // the old name
	putCache(root, "0-1,4-5", 1, 3, "Unified", "98304K")
	putCache(root, "2-3,6-7", 1, 3, "Unified", "32768K")
	return root
}

// twoNodes is two packages of two cores, each package a node with its L3; node 2 has memory only.
func twoNodes() fstest.MapFS {
	root := tree(map[string]string{cpuDir + "online": "0-3", nodeDir + "online": "0-2",
		nodeDir + "node0/cpulist": "0-1", nodeDir + "node1/cpulist": "2-3", nodeDir + "node2/cpulist": ""})
	for i, list := range []string{"0-1", "2-3"} {
		put(root, list, "topology/physical_package_id", fmt.Sprint(i))
		put(root, list, "topology/package_cpus_list", list)
		putCache(root, list, 0, 3, "Unified", "16384K")
	}
	for _, id := range []string{"0", "1", "2", "3"} {
		put(root, id, "topology/core_cpus_list", id)
	}
	return root
}

// bigLittle is four slow cores and two fast ones, whose last cache is an L2 of each kind.
func bigLittle() fstest.MapFS {
	root := tree(map[string]string{cpuDir + "online": "0-5"})
	put(root, "0-5", "topology/physical_package_id", "-1")
	put(root, "0-3", "cpu_capacity", "446")
	put(root, "4-5", "cpu_capacity", "1024")
	putCache(root, "0-3", 2, 2, "Unified", "512K") // without index 0 they are not believed, and each CPU is alone
	putCache(root, "4-5", 0, 2, "Unified", "1024K")
	return root
}

func with(root fstest.MapFS, contents map[string]string) fstest.MapFS {
	maps.Copy(root, tree(contents))
	return root
}

func TestDetect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		root    fstest.MapFS
		allowed []int
		want    []CPU
		text    string
	}{
		{
			name: "nothing but an affinity", root: fstest.MapFS{}, allowed: []int{3},
			want: []CPU{{ID: 3, Core: 3, L3: 3, Capacity: 1024}},
			text: "1 CPU (1 core, 1 package, 1 node), quota none",
		},
		{
			name: "two cores", root: twoCores(), allowed: []int{1, 0, 1},
			want: []CPU{{0, 0, 0, 0, 0, 1024}, {1, 1, 0, 0, 0, 1024}},
			text: "2 CPUs (2 cores, 1 package, 1 node), L3 32 MiB shared by 0-1, quota none, 23.5 GiB",
		},
		{
			name: "one of two cores", root: twoCores(), allowed: []int{1},
			want: []CPU{{1, 1, 0, 0, 0, 1024}},
			text: "1 CPU (1 core, 1 package, 1 node), L3 32 MiB shared by 1, quota none, 23.5 GiB",
		},
		{
			name: "eight threads, affinity unknown", root: eightThreads(),
			want: []CPU{{0, 0, 0, 0, 0, 1024}, {1, 1, 0, 0, 0, 1024}, {2, 2, 0, 2, 0, 1024}, {3, 3, 0, 2, 0, 1024},
				{4, 0, 0, 0, 0, 1024}, {5, 1, 0, 0, 0, 1024}, {6, 2, 0, 2, 0, 1024}, {7, 3, 0, 2, 0, 1024}},
			text: "8 CPUs (4 cores, 1 package, 1 node), L3 96 MiB shared by 0-1,4-5, L3 32 MiB shared by 2-3,6-7, quota none",
		},
		{
			name: "two nodes", root: twoNodes(), allowed: []int{0, 1, 2, 3},
			want: []CPU{{0, 0, 0, 0, 0, 1024}, {1, 1, 0, 0, 0, 1024}, {2, 2, 1, 2, 1, 1024}, {3, 3, 1, 2, 1, 1024}},
			text: "4 CPUs (4 cores, 2 packages, 2 nodes), L3 16 MiB shared by 0-1, L3 16 MiB shared by 2-3, quota none",
		},
		{
			name: "big.LITTLE", root: bigLittle(), allowed: []int{2, 3, 4, 5},
			want: []CPU{{2, 2, 0, 2, 0, 446}, {3, 3, 0, 3, 0, 446}, {4, 4, 0, 4, 0, 1024}, {5, 5, 0, 4, 0, 1024}},
			text: "4 CPUs (4 cores, 1 package, 1 node), capacity 446 to 1024, L2 1 MiB shared by 4-5, quota none",
		},
		{
			name: "slow cores alone are the fastest there are", root: bigLittle(), allowed: []int{0},
			want: []CPU{{0, 0, 0, 0, 0, 1024}},
			text: "1 CPU (1 core, 1 package, 1 node), quota none",
		},
		{
			name: "an offline CPU is left out whoever allows it", allowed: []int{0, 1, 2},
			root: tree(map[string]string{cpuDir + "online": "0,2", cpuDir + "offline": "1,3-63"}),
			want: []CPU{{0, 0, 0, 0, 0, 1024}, {2, 2, 0, 0, 0, 1024}},
			text: "2 CPUs (2 cores, 1 package, 1 node), quota none",
		},
		{
			name: "online as rewritten by lxcfs", allowed: []int{24},
			root: tree(map[string]string{cpuDir + "online": "0", cpuDir + "offline": ""}),
			want: []CPU{{24, 24, 0, 24, 0, 1024}},
			text: "1 CPU (1 core, 1 package, 1 node), quota none",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := detect(tt.root, tt.allowed)
			if !reflect.DeepEqual(m.CPUs, tt.want) {
				t.Errorf("CPUs\n got %v\nwant %v", m.CPUs, tt.want)
			}
			if got := m.String(); got != tt.text {
				t.Errorf("String\n got %s\nwant %s", got, tt.text)
			}
		})
	}
}

func TestDetectKnowsNothing(t *testing.T) {
	t.Parallel()
	m := detect(fstest.MapFS{}, nil)
	if len(m.CPUs) != runtime.NumCPU() || m.Quota != 0 || m.MemoryBytes != 0 || m.MemoryLimit != 0 {
		t.Errorf("%+v, want %d CPUs and no limits", m, runtime.NumCPU())
	}
}

func TestCapacityFromFrequency(t *testing.T) {
	t.Parallel()
	root := tree(map[string]string{cpuDir + "online": "0-2"})
	put(root, "0", "cpu_capacity", "1024") // not known of every CPU, so not used
	put(root, "0", "cpufreq/cpuinfo_max_freq", "4000000")
	put(root, "1", "cpufreq/cpuinfo_max_freq", "3000000")
	put(root, "2", "cpufreq/cpuinfo_max_freq", "1")
	m := detect(root, nil)
	for i, want := range []int{1024, 768, 1} {
		if got := m.CPUs[i].Capacity; got != want {
			t.Errorf("capacity of CPU %d is %d, want %d", i, got, want)
		}
	}
}

func TestManyCachesAreCounted(t *testing.T) {
	t.Parallel()
	root := tree(map[string]string{cpuDir + "online": "0-5"})
	for id := range 6 {
		putCache(root, fmt.Sprint(id), 0, 2, "Unified", map[bool]string{true: "2048K", false: "1024K"}[id < 2])
	}
	want := "6 CPUs (6 cores, 1 package, 1 node), 2 x L2 2 MiB, 4 x L2 1 MiB, quota none"
	if got := detect(root, nil).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// garbage is what no kernel writes, and what a broken container or a hostile mount may.
var garbage = []string{"", "\x00\xff", "-1", "9223372036854775808", "9223372036854775807", "99999", "0-", "1-0",
	"max", "max max", "1 0", "-5 -5", "NaN", "1e308 1e-308", ":::", "MemTotal:", "MemTotal: -1 kB",
	"MemTotal: 9223372036854775807 kB", "0::../../..", "0::/../x\n1:cpu:", "1 2 3 4 - cgroup2",
	"1 2 3 ../.. ../.. - cgroup2 a b", strings.Repeat("0-8191,", 1000)}

func TestGarbage(t *testing.T) {
	t.Parallel()
	for _, text := range garbage {
		for path := range with(twoCores(), cgroupFiles("/a", "1 1", "1")) {
			root := with(twoCores(), cgroupFiles("/a", "1 1", "1"))
			root[path] = &fstest.MapFile{Data: []byte(text)}
			checkSane(t, detect(root, []int{0, 1}))
			checkSane(t, detect(root, nil))
		}
	}
}

func FuzzDetect(f *testing.F) {
	for _, text := range garbage {
		f.Add(text, text, text, text)
	}
	f.Fuzz(func(t *testing.T, list, number, membership, mountinfo string) {
		root := with(twoCores(), cgroupFiles("/a", number, number))
		for path := range root {
			switch {
			case strings.HasSuffix(path, "list"), strings.HasSuffix(path, "line"):
				root[path] = &fstest.MapFile{Data: []byte(list)}
			case strings.HasPrefix(path, cpuDir+"cpu1"):
				root[path] = &fstest.MapFile{Data: []byte(number)}
			}
		}
		root["proc/self/cgroup"] = &fstest.MapFile{Data: []byte(membership)}
		root["proc/self/mountinfo"] = &fstest.MapFile{Data: []byte(mountinfo)}
		root["proc/meminfo"] = &fstest.MapFile{Data: []byte("MemTotal: " + number + " kB")}
		checkSane(t, detect(root, []int{0, 1}))
		checkSane(t, detect(root, nil))
	})
}

// checkSane holds what callers rely on whatever the files say.
func checkSane(t *testing.T, m *Machine) {
	t.Helper()
	if len(m.CPUs) == 0 || m.Parallelism() < 1 || m.Parallelism() > len(m.CPUs) {
		t.Fatalf("%d CPUs, parallelism %d", len(m.CPUs), m.Parallelism())
	}
	if !(m.Quota >= 0) || m.MemoryBytes < 0 || m.MemoryLimit < 0 {
		t.Fatalf("negative or no number: %+v", m)
	}
	last := -1
	for _, c := range m.CPUs {
		if c.ID <= last || c.Core < 0 || c.Package < 0 || c.L3 < 0 || c.Node < 0 || c.Capacity < 1 || c.Capacity > 1024 {
			t.Fatalf("CPU %+v after %d", c, last)
		}
		last = c.ID
	}
	if order := m.Spread(); len(order) != len(m.CPUs) {
		t.Fatalf("Spread gives %d of %d CPUs", len(order), len(m.CPUs))
	}
	if m.String() == "" {
		t.Fatal("empty description")
	}
}

// TestDetectAgain has one layout asked three times: what may change is read each time, how the same
// CPUs lie only once, and other CPUs are looked at anew.
func TestDetectAgain(t *testing.T) {
	t.Parallel()
	root := twoCores()
	l := new(layout)
	first := l.detect(root, []int{0, 1})
	put(root, "0-1", "topology/core_cpus_list", "0-1")
	root["proc/meminfo"] = &fstest.MapFile{Data: []byte("MemTotal: 1024 kB\n")}
	again := l.detect(root, []int{0, 1})
	if !reflect.DeepEqual(again.CPUs, first.CPUs) || !reflect.DeepEqual(again.caches, first.caches) {
		t.Errorf("the same CPUs lie as %v, and before as %v", again, first)
	}
	if again.MemoryBytes != 1<<20 {
		t.Errorf("there are %d bytes of memory, now 1 MiB", again.MemoryBytes)
	}
	again.CPUs[0].Core = 77 // it is the caller's
	if third := l.detect(root, []int{0, 1}); third.CPUs[0].Core != 0 {
		t.Errorf("what a caller wrote came back: %v", third.CPUs)
	}
	if one := l.detect(root, []int{1}); len(one.CPUs) != 1 || one.CPUs[0].ID != 1 {
		t.Errorf("CPU 1 alone is %v", one.CPUs)
	}
}

// Limits says the same as Detect of everything but how the CPUs lie, and reads nothing
// of that.
func TestLimitsAlone(t *testing.T) {
	t.Parallel()
	root := twoCores()
	root["proc/self/cgroup"] = &fstest.MapFile{Data: []byte("0::/a\n")}
	root["sys/fs/cgroup/a/cpu.max"] = &fstest.MapFile{Data: []byte("150000 100000\n")}
	root["sys/fs/cgroup/a/memory.max"] = &fstest.MapFile{Data: []byte("1073741824\n")}
	whole, limits := detect(root, []int{0, 1}), apart(root, []int{0, 1})
	if whole.Quota != 1.5 || whole.MemoryLimit != 1<<30 || whole.MemoryBytes == 0 {
		t.Fatalf("%+v", whole)
	}
	if want := []CPU{{ID: 0, Core: 0, L3: 0, Capacity: 1024}, {ID: 1, Core: 1, L3: 1, Capacity: 1024}}; !reflect.DeepEqual(limits.CPUs, want) {
		t.Errorf("CPUs %+v, want %+v", limits.CPUs, want)
	}
	if limits.Quota != whole.Quota || limits.MemoryLimit != whole.MemoryLimit || limits.MemoryBytes != whole.MemoryBytes || limits.Parallelism() != whole.Parallelism() {
		t.Errorf("%+v, and Detect says %+v", limits, whole)
	}
}
