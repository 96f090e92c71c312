package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Machine reads the state of the machine. Its files stay open: a sample of
// everything costs some 30 µs and allocates nothing. It is for one goroutine at a
// time.
//
// Load is what GNU parallel counts with ps, the threads that run or wait for a
// disk at this moment, and no average over a minute, which would tell about a job
// that was started long after the next ones. It is read from /proc/stat, where
// other than with ps the kernel's own threads count, and of the threads in
// uninterruptible sleep only those that wait for a disk.
//
// Free memory is the kernel's own estimate (MemAvailable), within the limits of
// all the control groups that this process is in. GNU parallel adds up free memory
// and the page cache instead, and so counts what lies in tmpfs and shared memory,
// which cannot be had, and knows no limits.
type Machine struct {
	stat, meminfo, vmstat, diskstats *os.File
	groups                           []memoryGroup
	text                             []byte

	disks, lastDisks []diskTicks
	lastLook         time.Time
	busy             float64
}

// The kernel counts a disk's work in its own ticks of up to 10 ms, so it is looked
// at over diskWindow at least; and over diskStale at most, or what is said would be
// about the past.
const (
	diskWindow = 200 * time.Millisecond
	diskStale  = 10 * time.Second
)

// memoryGroup is a control group that may limit memory.
type memoryGroup struct {
	limits      []*os.File
	used, stats *os.File
	cached      []string // lines of stats that count what gives way
}

// OpenMachine prepares to read what looks names. The error is for people: without
// /proc nothing is known of a machine.
func OpenMachine(looks MachineLooks) (*Machine, error) {
	m := &Machine{text: make([]byte, 8<<10)}
	var err error
	for _, f := range []struct {
		wanted bool
		path   string
		into   **os.File
	}{
		{looks.Load, "/proc/stat", &m.stat},
		{looks.Memory || looks.Swap, "/proc/meminfo", &m.meminfo},
		{looks.Swap, "/proc/vmstat", &m.vmstat},
		{looks.Disk, "/proc/diskstats", &m.diskstats},
	} {
		if f.wanted && err == nil {
			*f.into, err = os.Open(f.path)
		}
	}
	if err == nil && looks.Memory {
		m.openGroups()
	}
	if err == nil {
		_, err = m.Sample()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look at the machine: %w", err), m.Close())
	}
	return m, nil
}

// openGroups finds this process's control group and those above it.
func (m *Machine) openGroups() {
	membership, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, c := range []struct {
		kind, controller string
		limits           []string
		used             string
		cached           []string
	}{
		{"cgroup2", "", []string{"memory.max", "memory.high"}, "memory.current", []string{"inactive_file ", "active_file "}},
		{"cgroup", "memory", []string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", []string{"total_inactive_file ", "total_active_file "}},
	} {
		folder, ok := cgroupFolder(membership, mounts, c.kind, c.controller)
		// A group without the files may lie in one that has them, so it goes on up,
		// out of the hierarchy, where no file has such a name.
		for ; ok && folder != "/"; folder = filepath.Dir(folder) {
			g := memoryGroup{cached: c.cached}
			for _, name := range c.limits {
				if f, err := os.Open(filepath.Join(folder, name)); err == nil {
					g.limits = append(g.limits, f)
				}
			}
			if len(g.limits) > 0 {
				g.used, _ = os.Open(filepath.Join(folder, c.used))
				g.stats, _ = os.Open(filepath.Join(folder, "memory.stat"))
				m.groups = append(m.groups, g)
			}
		}
	}
}

// Close lets go of the files.
func (m *Machine) Close() error {
	files := []*os.File{m.stat, m.meminfo, m.vmstat, m.diskstats}
	for _, g := range m.groups {
		files = append(append(files, g.limits...), g.used, g.stats)
	}
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Sample reads what OpenMachine was asked for.
func (m *Machine) Sample() (s MachineSample, err error) {
	var ok bool
	if m.stat != nil {
		if s.Load, ok = runLoad(m.read(m.stat)); !ok {
			return s, errors.New("/proc/stat does not tell how many processes run")
		}
	}
	if m.meminfo != nil {
		if !readMemory(m.read(m.meminfo), &s) {
			return s, errors.New("/proc/meminfo does not tell how much memory is free")
		}
		for i := range m.groups {
			m.narrow(&m.groups[i], &s)
		}
	}
	if m.vmstat != nil {
		text := m.read(m.vmstat)
		var ok2 bool
		s.SwapIn, ok = numberAfter(text, "pswpin ")
		s.SwapOut, ok2 = numberAfter(text, "pswpout ")
		if !ok || !ok2 { // a kernel without swapping
			s.SwapTotal = 0
		}
	}
	if m.diskstats != nil {
		s.DiskBusy = m.lookAtDisks()
	}
	return s, nil
}

// narrow applies a control group's limits. A group that cannot be read limits
// nothing that we could know.
func (m *Machine) narrow(g *memoryGroup, s *MachineSample) {
	limit := uint64(noMemoryLimit)
	for _, f := range g.limits {
		if n, ok := leadingNumber(m.read(f)); ok { // "max" is no number
			limit = min(limit, n)
		}
	}
	if limit == noMemoryLimit || g.used == nil || g.stats == nil {
		return
	}
	used, ok := leadingNumber(m.read(g.used))
	if !ok {
		return
	}
	stats, cached := m.read(g.stats), uint64(0)
	for _, key := range g.cached {
		n, _ := numberAfter(stats, key)
		cached += n
	}
	narrowMemory(s, limit, used, cached)
}

// lookAtDisks compares the disks with how they were at an earlier sample.
func (m *Machine) lookAtDisks() float64 {
	now := time.Now()
	elapsed := now.Sub(m.lastLook)
	if !m.lastLook.IsZero() && elapsed < diskWindow {
		return m.busy
	}
	m.disks, m.lastDisks = m.lastDisks[:0], m.disks
	m.disks = appendDisks(m.disks, m.read(m.diskstats))
	m.lastLook, m.busy = now, -1
	if elapsed <= diskStale { // which the first is not
		m.busy = busiest(m.lastDisks, m.disks, float64(elapsed)/float64(time.Millisecond))
	}
	return m.busy
}

// read returns the whole text of a file of /proc or of a control group, good until
// the next call; nothing where it cannot be read.
func (m *Machine) read(f *os.File) []byte {
	for {
		n, err := f.ReadAt(m.text, 0)
		if err == io.EOF {
			return m.text[:n]
		}
		if err != nil {
			return nil
		}
		m.text = make([]byte, 2*len(m.text)) // it was full
	}
}
