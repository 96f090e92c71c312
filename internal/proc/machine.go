package proc

import (
	"bytes"
	"strconv"
)

// MachineSample is the state of the machine at one moment. The fields that were
// not asked for are 0.
type MachineSample struct {
	// Load is how many threads run or wait for a CPU or a disk now, this one not
	// counted.
	Load float64
	// Free is how many bytes processes can still get without swapping, Total how
	// many there are at all; both within what this process's control groups allow.
	Free, Total int64
	// SwapTotal is the size of the swap space in bytes; SwapIn and SwapOut count the
	// pages moved since boot.
	SwapTotal       int64
	SwapIn, SwapOut uint64
	// DiskBusy is how many percent of the last while the busiest disk worked; -1
	// where that is unknown, as at the beginning.
	DiskBusy float64
}

// MachineLooks says what of a MachineSample is read.
type MachineLooks struct {
	Load, Memory, Swap, Disk bool
}

// noMemoryLimit is where limits of memory end: control groups of version 1 say
// "none" with a number near 1<<63.
const noMemoryLimit = 1 << 62

// numberAfter finds the number that follows key at the start of a line, after any
// blanks. Searching from the end is quick in /proc/stat, where what is sought
// follows a line as long as the machine has interrupts.
func numberAfter(text []byte, key string) (n uint64, ok bool) {
	for end := len(text); ; {
		at := bytes.LastIndex(text[:end], []byte(key))
		if at < 0 {
			return 0, false
		}
		if at == 0 || text[at-1] == '\n' {
			return leadingNumber(bytes.TrimLeft(text[at+len(key):], " \t"))
		}
		end = at
	}
}

// leadingNumber reads the digits that text begins with.
func leadingNumber(text []byte) (n uint64, ok bool) {
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(string(text[:end]), 10, 64)
	return n, err == nil
}

// runLoad reads /proc/stat: the threads that can run and those that wait for a
// disk. The caller is one of the former.
func runLoad(stat []byte) (load float64, ok bool) {
	running, ok1 := numberAfter(stat, "procs_running ")
	blocked, ok2 := numberAfter(stat, "procs_blocked ")
	return float64(max(running, 1)-1) + float64(blocked), ok1 && ok2
}

// readMemory reads /proc/meminfo into a sample.
func readMemory(info []byte, s *MachineSample) (ok bool) {
	free, ok := numberAfter(info, "MemAvailable:")
	total, ok2 := numberAfter(info, "MemTotal:")
	swap, _ := numberAfter(info, "SwapTotal:")
	const most = 1 << 50 // KiB; more is an error of whoever wrote it
	if !ok || !ok2 || free > most || total > most || swap > most {
		return false
	}
	s.Free, s.Total, s.SwapTotal = int64(free)<<10, int64(total)<<10, int64(swap)<<10
	return true
}

// narrowMemory applies one control group's limit to a sample. What a group uses
// includes files in the page cache, which give way: cached is their size.
func narrowMemory(s *MachineSample, limit, used, cached uint64) {
	if limit >= noMemoryLimit {
		return
	}
	left := int64(limit) - int64(min(used, noMemoryLimit)) + int64(min(cached, used, noMemoryLimit))
	s.Total = min(s.Total, int64(limit))
	s.Free = max(min(s.Free, left, s.Total), 0)
}

// diskTicks is how many milliseconds one disk has worked since boot.
type diskTicks struct {
	major, minor uint32
	ms           uint32 // the kernel's own counter wraps at 32 bits
}

// Places in a line of /proc/diskstats, counted from 0.
const (
	diskMajor = 0
	diskMinor = 1
	diskBusy  = 12
)

// appendDisks appends the disks of /proc/diskstats to dst. Partitions and devices
// made of others are among them; they are never busier than the busiest disk.
func appendDisks(dst []diskTicks, text []byte) []diskTicks {
	for line := range bytes.Lines(text) {
		var d diskTicks
		place := 0
		for field := range bytes.FieldsSeq(line) {
			if place == diskMajor || place == diskMinor || place == diskBusy {
				n, ok := leadingNumber(field)
				if !ok {
					break
				}
				switch place {
				case diskMajor:
					d.major = uint32(n)
				case diskMinor:
					d.minor = uint32(n)
				default:
					d.ms = uint32(n)
				}
			}
			place++
		}
		if place > diskBusy {
			dst = append(dst, d)
		}
	}
	return dst
}

// busiest is how many percent of elapsedMs the busiest disk worked between two
// readings; -1 where no disk is in both.
func busiest(before, after []diskTicks, elapsedMs float64) float64 {
	most := -1.0
	if elapsedMs <= 0 {
		return most
	}
	for i, d := range after {
		// Disks seldom come or go; those behind one that did count from the next time on.
		if i < len(before) && before[i].major == d.major && before[i].minor == d.minor {
			most = max(most, min(100*float64(d.ms-before[i].ms)/elapsedMs, 100))
		}
	}
	return most
}
