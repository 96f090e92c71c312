package topo

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
)

// unified is the key of cgroup v2 where v1 has the name of a controller.
const unified = ""

// noMemoryLimit is where memory limits end: v1 says "none" with 1<<63 rounded down to a page, whose
// size differs between machines.
const noMemoryLimit = 1 << 62

// defaultPeriodUs is the kernel's own period, for a cpu.max that names none.
const defaultPeriodUs = 100_000

// cgroups is where this process's control groups are found. Both versions may be there at once, each
// with some of the controllers.
type cgroups struct {
	paths  map[string]string        // the process's cgroup by controller
	mounts map[string][]cgroupMount // where that hierarchy can be seen
}

// cgroupMount shows the part of a hierarchy below root at the folder point. In a container without a
// cgroup namespace root is the container's own path, and paths begin with it.
type cgroupMount struct{ root, point string }

// usualMounts is where everyone mounts cgroups, for a /proc without mountinfo.
var usualMounts = map[string][]cgroupMount{
	unified:  {{"/", "/sys/fs/cgroup"}},
	"cpu":    {{"/", "/sys/fs/cgroup/cpu"}, {"/", "/sys/fs/cgroup/cpu,cpuacct"}},
	"memory": {{"/", "/sys/fs/cgroup/memory"}},
}

func (f files) cgroups() cgroups {
	membership, _ := f.text("proc/self/cgroup")
	c := cgroups{paths: parseMembership(membership), mounts: usualMounts}
	if mountinfo, ok := f.text("proc/self/mountinfo"); ok {
		c.mounts = parseMounts(mountinfo)
	}
	return c
}

// parseMembership reads /proc/self/cgroup: "4:cpu,cpuacct:/a/b" for v1, "0::/a/b" for v2.
func parseMembership(text string) map[string]string {
	paths := map[string]string{}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			paths[controller] = parts[2]
		}
	}
	return paths
}

// parseMounts reads the cgroup mounts of /proc/self/mountinfo, whose lines are
// "31 23 0:28 /root /point rw shared:1 - cgroup source rw,cpu".
func parseMounts(text string) map[string][]cgroupMount {
	mounts := map[string][]cgroupMount{}
	for line := range strings.Lines(text) {
		where, what, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(where), strings.Fields(what)
		if len(left) < 5 || len(right) < 3 {
			continue
		}
		mount := cgroupMount{root: unescapeMount(left[3]), point: unescapeMount(left[4])}
		switch right[0] {
		case "cgroup2":
			mounts[unified] = append(mounts[unified], mount)
		case "cgroup":
			for option := range strings.SplitSeq(right[2], ",") {
				mounts[option] = append(mounts[option], mount)
			}
		}
	}
	return mounts
}

// unescapeMount undoes what mountinfo does to the characters that separate its fields.
var unescapeMount = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// dirs gives the folders, relative to /, of this process's cgroup and its ancestors as far up as a
// mount shows them. Folders that do not exist are among them: a container shows only its own end.
func (c cgroups) dirs(controller string) []string {
	own := cmp.Or(c.paths[controller], "/")
	var dirs []string
	for _, mount := range c.mounts[controller] {
		below, ok := mount.below(own)
		if !ok {
			continue
		}
		for ; below != "/"; below = path.Dir(below) {
			dirs = append(dirs, path.Join(mount.point, below))
		}
		dirs = append(dirs, mount.point)
	}
	if len(dirs) == 0 && len(c.mounts[controller]) > 0 {
		// The path and the mounts do not fit together, as when a process was moved out of its
		// namespace's root. The first mount is still the one this system is meant to obey.
		dirs = append(dirs, c.mounts[controller][0].point)
	}
	for i, dir := range dirs {
		dirs[i] = strings.TrimPrefix(path.Clean(dir), "/")
	}
	return dirs
}

// below gives own relative to what the mount shows, beginning with "/"; not ok if it lies outside.
func (m cgroupMount) below(own string) (string, bool) {
	rest, ok := strings.CutPrefix(own, strings.TrimSuffix(m.root, "/"))
	if !ok || (rest != "" && rest[0] != '/') || slices.Contains(strings.Split(rest, "/"), "..") {
		return "", false
	}
	return path.Clean("/" + rest), true
}

// limits gives the tightest CPU quota (in CPUs) and memory limit (in bytes), 0 for none. v1 with
// memory.use_hierarchy off would not obey its ancestors; Linux dropped that mode in 5.11.
func (c cgroups) limits(f files) (quota float64, memoryBytes int64) {
	for _, dir := range c.dirs(unified) {
		if text, ok := f.text(path.Join(dir, "cpu.max")); ok {
			quota = tighter(quota, parseQuota(text))
		}
		if limit, ok := f.number(path.Join(dir, "memory.max")); ok && limit < noMemoryLimit {
			memoryBytes = tighter(memoryBytes, limit)
		}
	}
	for _, dir := range c.dirs("cpu") {
		quotaUs, ok1 := f.text(path.Join(dir, "cpu.cfs_quota_us"))
		periodUs, ok2 := f.text(path.Join(dir, "cpu.cfs_period_us"))
		if ok1 && ok2 {
			quota = tighter(quota, parseQuota(quotaUs+" "+periodUs))
		}
	}
	for _, dir := range c.dirs("memory") {
		if limit, ok := f.number(path.Join(dir, "memory.limit_in_bytes")); ok && limit < noMemoryLimit {
			memoryBytes = tighter(memoryBytes, limit)
		}
	}
	return quota, memoryBytes
}

// tighter is the lower of two limits of which 0 or less is none.
func tighter[T int64 | float64](a, b T) T {
	switch {
	case b <= 0:
		return a
	case a <= 0:
		return b
	}
	return min(a, b)
}

// parseQuota reads "50000 100000" (µs of CPU time, µs of period) into CPUs. "max", v1's -1 and
// garbage are no quota, 0.
func parseQuota(text string) float64 {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	quotaUs, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || quotaUs <= 0 {
		return 0
	}
	periodUs := int64(defaultPeriodUs)
	if len(fields) > 1 {
		if periodUs, err = strconv.ParseInt(fields[1], 10, 64); err != nil || periodUs <= 0 {
			return 0
		}
	}
	return float64(quotaUs) / float64(periodUs)
}
