package cli

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/spool"
)

// jobsRoom is how many commands at once a file of -j may come to ask for.
func jobsRoom(cpus int) int { return max(64, 16*cpus) }

// timeoutEvery is how often commands that run are held against the median.
const timeoutEvery = 250 * time.Millisecond

// watchTimeouts ends commands that take longer than so many percent of what
// others took.
func (r *mapRun) watchTimeouts(quit <-chan struct{}) {
	tick := time.NewTicker(timeoutEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		r.mu.Lock()
		limit, ok := r.plan.timeout.Limit(&r.median)
		r.mu.Unlock()
		if !ok {
			continue
		}
		r.store.Views(func(v spool.View) {
			if time.Since(v.Start) > time.Duration(limit) {
				r.control.tell(v.Slot, v.Ticket, orderTimeout)
			}
		})
	}
}

// filesEvery is how often the files of -j and --load are looked at.
const filesEvery = 500 * time.Millisecond

// watchFiles reads the files of -j and --load again when they have changed. While
// one cannot be read the last number holds.
func (r *mapRun) watchFiles(quit <-chan struct{}) {
	p := r.plan
	tick := time.NewTicker(filesEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		if text, err := readText(p.jobsFile); p.jobsFile != "" && err == nil {
			if n, err := core.ParseJobsFile(p.jobsFile, text, p.cpus); err == nil {
				r.supply.slots.resize(min(p.slotsFor(n), max(p.jobs, jobsRoom(p.cpus))))
				r.stock.resize(n)
			}
		}
		if text, err := readText(p.loadFile); p.loadFile != "" && err == nil {
			if load, err := core.ParseLoadFile(p.loadFile, text, p.cpus); err == nil {
				r.gate.tell(event{load: load})
			}
		}
	}
}

// readerEvery is how often it is looked whether somebody reads our output.
const readerEvery = 200 * time.Millisecond

// watchReader calls gone when nobody reads the pipe f any more, until it says that
// this was the end: without it a command whose output waits for its end would be
// waited for, and fill the disk.
func watchReader(f *os.File, quit <-chan struct{}, gone func() bool) {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return
	}
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	tick := time.NewTicker(readerEvery)
	defer tick.Stop()
	for {
		n, err := unix.Poll(fds, 0)
		if n > 0 && err == nil && fds[0].Revents&unix.POLLERR != 0 && gone() {
			return
		}
		select {
		case <-quit:
			return
		case <-tick.C:
		}
	}
}
