package cli

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/resource"
)

// stock is what there is for jobs beside job slots, and who of this run has it. Of CPUs
// each run has its own; all else belongs to the computer, and its user's runs share it.
//
// A unit that a job has is a lock on a byte of a file that all these runs open; which
// byte, its name says. The lock belongs to the open file (F_OFD_SETLK), which this
// process and its workers have in common, and nobody else.
//
//	unit    idle -> held        take, when a job starts: all that it needs, or nothing
//	        idle -> kept        keep, for the first job in the line, when another run's
//	                            jobs have the rest
//	        kept -> held, idle  take; keep, for another job
//	        held -> idle        give, when nothing of the job is left
//
//	killed            units
//	a command         given back as for any end
//	a worker          likewise, when what it ran has been ended
//	this process      the workers end their commands and leave; with the last of them
//	                  the open file is closed, and the kernel drops its locks
//	all at once       likewise, at once
//
// Each resource has a turn besides, a byte too. Who gathers units of it has that until it
// has enough, and who takes some while he does; so others start nothing with what is
// gathered, and none that asks for little starves one that asks for much. Resources are
// gathered one after the other, in the order of their names. So a run waits for jobs that
// run, for one that gathers the same resource, or for what one keeps that gathers a later
// one; the one that gathers the last of all waits for jobs that run, and no circle of runs
// comes about.
//
// Nobody is told when another run's lock is gone, since it goes by itself when its
// owners die. So who waits for one looks again, stockEvery.
type stock struct {
	assets  []asset
	pool    string
	locks   *os.File // nil: nothing but CPUs
	say     func(reason string)
	changed chan struct{} // something was given back

	entering sync.Mutex // held in acquire
	mu       sync.Mutex // over what follows
	had      int64      // CPUs in all, in thousandths
	largest  int64      // that a task takes
	cpus     int64      // free; below 0 when -j FILE has taken some away
	units    [][]unit   // by asset
	turn     []bool     // by asset: it is ours
	others   bool       // other runs have some of it, as free has seen
}

// unit is how a unit stands.
type unit uint8

const (
	unitIdle unit = iota // to us; another run may have it
	unitKept
	unitHeld
)

// stockEvery is how often who waits for other runs looks.
const stockEvery = 50 * time.Millisecond

// stockPrefix begins the names of the files with the locks. The rest is that of the
// space of the commands for shells.
const stockPrefix = "tutti-resources-"

// openStock opens the stock of a plan, whose locks are beside a space; nil where jobs take
// nothing but slots.
func openStock(p *plan, ref spaceRef, say func(reason string)) (*stock, error) {
	if len(p.assets) == 0 && p.needs == nil {
		return nil, nil
	}
	s := &stock{assets: p.assets, pool: p.pool, say: say, changed: make(chan struct{}, 1), had: p.had, cpus: p.had, largest: p.each, turn: make([]bool, len(p.assets))}
	for _, need := range p.needs {
		s.largest = max(s.largest, need[0])
	}
	for _, a := range p.assets {
		s.units = append(s.units, make([]unit, len(a.ids)))
	}
	if len(p.assets) == 0 {
		return s, nil
	}
	if ref.Folder == "" {
		ref.Folder = "/dev/shm"
	}
	var err error
	if s.locks, err = openLocks(filepath.Join(ref.Folder, stockPrefix+ref.Name)); err != nil {
		return nil, fmt.Errorf("share resources with other runs: %w; $%s says where", err, spaceVariable)
	}
	return s, nil
}

// openLocks opens a file for locks, and makes it if it is not there. Whoever uses it has
// a shared flock on it.
func openLocks(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		if err = errors.Join(flock(int(f.Fd()), unix.LOCK_SH), unix.Fstat(int(f.Fd()), &st)); err == nil && st.Nlink > 0 {
			return f, nil
		}
		// Else the last one that left removed it meanwhile.
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// close gives all back; a second time it does nothing. If nobody else uses the file it is
// removed: so what was left by somebody killed goes with the next one that leaves.
func (s *stock) close() {
	if s == nil || s.locks == nil {
		return
	}
	var st unix.Stat_t
	fd := int(s.locks.Fd())
	if flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil && unix.Fstat(fd, &st) == nil && st.Nlink > 0 {
		_ = os.Remove(s.locks.Name()) // what stays is empty, and does no harm
	}
	_ = s.locks.Close()
	s.locks = nil
}

// place is the byte that stands for a unit of a resource; of its turn the unit is "".
func (s *stock) place(asset int, unit string) int64 {
	sum := sha256.Sum256([]byte(s.pool + "\x00" + s.assets[asset].name + "\x00" + unit))
	return int64(binary.BigEndian.Uint64(sum[:]) & (math.MaxInt64 >> 1))
}

// lock locks or unlocks a byte, and reports whether it could.
func (s *stock) lock(place int64, how int16) bool {
	return unix.FcntlFlock(s.locks.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: how, Start: place, Len: 1}) == nil
}

// mayLock reports whether no other run has locked a byte.
func (s *stock) mayLock(place int64) bool {
	at := unix.Flock_t{Type: unix.F_WRLCK, Start: place, Len: 1}
	return unix.FcntlFlock(s.locks.Fd(), unix.F_OFD_GETLK, &at) == nil && at.Type == unix.F_UNLCK
}

// free is what jobs could have now, and finds out whether other runs have any.
func (s *stock) free() resource.Units {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others = false
	free := make(resource.Units, 1, 1+len(s.assets))
	free[0] = s.cpus
	for a := range s.assets {
		n := int64(0)
		turn := s.turn[a] || s.mayLock(s.place(a, ""))
		for u, state := range s.units[a] {
			switch {
			case state == unitHeld:
			case state == unitKept || turn && s.mayLock(s.place(a, s.assets[a].ids[u])):
				n++
			default:
				s.others = true
			}
		}
		free = append(free, n)
	}
	return free
}

// take takes all that a job needs, or nothing where that is not to be had.
func (s *stock) take(need resource.Units) (g *grant, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if need[0] > s.cpus {
		return nil, false
	}
	g = &grant{need: need, units: make([][]int, len(s.assets))}
	ok = true
	for a := range s.assets {
		n := need[1+a]
		if n == 0 {
			continue
		}
		if g.units[a] = s.gatherLocked(a, int(n)); len(g.units[a]) < int(n) {
			ok = false
			break
		}
	}
	if !ok {
		s.others = true // who has it now may have taken it since free looked
		for a, units := range g.units {
			for _, u := range units {
				if s.units[a][u] != unitKept {
					s.lock(s.place(a, s.assets[a].ids[u]), unix.F_UNLCK)
				}
			}
		}
		return nil, false
	}
	for a, units := range g.units {
		for _, u := range units {
			s.units[a][u] = unitHeld
		}
	}
	s.cpus -= need[0]
	return g, true
}

// gatherLocked finds up to n units of a resource for a job: such as are idle first, as
// what is kept may be for another, and returns them. Those that were idle are locked.
func (s *stock) gatherLocked(asset, n int) (units []int) {
	turn := s.turn[asset]
	if turn || s.lock(s.place(asset, ""), unix.F_WRLCK) {
		units = s.lockIdle(asset, n)
		if !turn {
			s.lock(s.place(asset, ""), unix.F_UNLCK)
		}
	}
	for u, state := range s.units[asset] {
		if len(units) < n && state == unitKept {
			units = append(units, u)
		}
	}
	return units
}

// lockIdle locks up to n units of a resource whose turn is ours, and returns them.
func (s *stock) lockIdle(asset, n int) (units []int) {
	for u, state := range s.units[asset] {
		if len(units) < n && state == unitIdle && s.lock(s.place(asset, s.assets[asset].ids[u]), unix.F_WRLCK) {
			units = append(units, u)
		}
	}
	return units
}

// keep keeps what there is of need, which is what the first job in the line waits for,
// and drops what was kept otherwise; nil: none waits.
func (s *stock) keep(need resource.Units) {
	if s == nil || s.locks == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	gathers := false // a resource before
	for a := range s.assets {
		n := 0
		if need != nil && !gathers {
			n = int(need[1+a])
		}
		n -= s.dropLocked(a, n)
		if n > 0 && !s.turn[a] {
			s.turn[a] = s.lock(s.place(a, ""), unix.F_WRLCK)
		}
		if n > 0 && s.turn[a] {
			for _, u := range s.lockIdle(a, n) {
				s.units[a][u] = unitKept
				n--
			}
		}
		gathers = gathers || n > 0
		if n == 0 && s.turn[a] {
			s.turn[a] = false
			s.lock(s.place(a, ""), unix.F_UNLCK)
		}
	}
}

// dropLocked unlocks what is kept of a resource but for so many units, and returns how
// many are kept then.
func (s *stock) dropLocked(asset, most int) (kept int) {
	for u, state := range s.units[asset] {
		switch {
		case state != unitKept:
		case kept < most:
			kept++
		default:
			s.units[asset][u] = unitIdle
			s.lock(s.place(asset, s.assets[asset].ids[u]), unix.F_UNLCK)
		}
	}
	return kept
}

// freed is told that something was given back; nil never.
func (s *stock) freed() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.changed
}

// look is when to look again for what other runs give back; nil: they have nothing.
func (s *stock) look() <-chan time.Time {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.others {
		return nil
	}
	return time.After(stockEvery)
}

// acquire takes what a job needs, and waits for it; false when stop was closed before.
func (s *stock) acquire(need resource.Units, stop <-chan struct{}) (*grant, bool) {
	s.entering.Lock()
	defer s.entering.Unlock()
	defer s.keep(nil)
	defer s.say("")
	for {
		select {
		case <-stop:
			return nil, false
		default:
		}
		if g, ok := s.take(need); ok {
			return g, true
		}
		s.keep(need)
		if s.free().Fit(need) { // it has come meanwhile
			continue
		}
		s.waits(need)
		select {
		case <-stop:
		case <-s.changed:
		case <-s.look():
		}
	}
}

// waits says what the first task in the line waits for; nil: none does.
func (s *stock) waits(need resource.Units) {
	switch {
	case s == nil:
	case need == nil:
		s.say("")
	default:
		s.say("waiting for " + s.text(need))
	}
}

// text is a need for people.
func (s *stock) text(need resource.Units) string {
	var all []string
	for a := range s.assets {
		if n := need[1+a]; n > 0 {
			all = append(all, fmt.Sprintf("%s=%d", s.assets[a].name, n))
		}
	}
	if len(all) == 0 || need[0] != resource.CPU {
		all = append(all, "cpus="+resource.CPUsText(need[0]))
	}
	return strings.Join(all, ", ")
}

// give gives back what a job had; nil is nothing.
func (s *stock) give(g *grant) {
	if g == nil {
		return
	}
	s.mu.Lock()
	for a, units := range g.units {
		for _, u := range units {
			s.units[a][u] = unitIdle
			s.lock(s.place(a, s.assets[a].ids[u]), unix.F_UNLCK)
		}
	}
	s.cpus += g.need[0]
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// resize notes that -j FILE gives so many CPUs now. There are as many as the largest task
// takes at least, or that one would wait for ever.
func (s *stock) resize(cpus int) {
	if s == nil {
		return
	}
	s.mu.Lock()
	now := max(int64(cpus)*resource.CPU, s.largest)
	s.cpus += now - s.had
	s.had = now
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// env tells a command what it was given. ticket is that of its start.
func (s *stock) env(g *grant, ticket uint64) (env []string) {
	if g == nil {
		return nil
	}
	given := false
	for a, units := range g.units {
		if len(units) == 0 {
			continue
		}
		given = true
		as := &s.assets[a]
		ids := make([]string, len(units))
		slices.Sort(units)
		for i, u := range units {
			ids[i] = as.ids[u]
		}
		list := strings.Join(ids, ",")
		env = append(env, resource.Variable(as.name)+"="+list)
		if as.variable != "" {
			env = append(append(env, as.variable+"="+list), as.env...)
		}
	}
	if !given {
		return nil
	}
	// What the task above has and this one was not given is not for runs below it.
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, resource.VariablePrefix) &&
			!slices.ContainsFunc(env, func(own string) bool { return strings.HasPrefix(own, name+"=") }) {
			env = append(env, name+"=")
		}
	}
	return append(env, poolVariable+"="+strconv.Itoa(os.Getpid())+":"+strconv.FormatUint(ticket, 10))
}
