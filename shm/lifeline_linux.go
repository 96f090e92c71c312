package shm

import (
	"fmt"
	"math"
	"runtime"
	"structs"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// robustHead and robustNode are the kernel's struct robust_list_head and
// struct robust_list. When a thread dies the kernel walks from head.next until
// it meets head again; at each node + offset it expects a futex word, and if
// that holds the thread's id, marks it and wakes one waiter.
type robustHead struct {
	_       structs.HostLayout
	next    *robustNode
	offset  uintptr // signed, from a node to its word
	pending *robustNode
}

type robustNode struct {
	_    structs.HostLayout
	next unsafe.Pointer
}

var _ [3 * unsafe.Sizeof(uintptr(0))]byte = [unsafe.Sizeof(robustHead{})]byte{}

// lifeline is one held word and the thread that holds it. The kernel reads
// head and node when the thread dies, so they stay reachable from held.
type lifeline struct {
	head robustHead
	node robustNode
	word *uint32

	drop    uint32        // set, and woken, to end the thread
	dropped chan struct{} // closed when word is given up
}

var held struct {
	mu    sync.Mutex
	lines map[*uint32]*lifeline
}

// HoldLifeline makes the kernel watch over this process: it stores a non-zero
// value into *word and from then on, as soon as the process dies, by whatever
// cause, or replaces itself with execve, the kernel sets the bit that
// [LifelineDead] tests and wakes one waiter, tens of microseconds after a
// SIGKILL. A watcher sleeps with [Wait] or [WaitAny] on the word's value; since
// the kernel wakes one alone, a watcher that sees the death must Wake the rest.
//
// The mark says that the process is dying, not that it is gone: another of its
// threads, inside a system call, may still write. Only a pidfd says that.
//
// HoldLifeline returns once the watch is armed. It keeps an OS thread, asleep,
// until [DropLifeline]; a word can be held once. The word's memory must stay
// mapped meanwhile.
func HoldLifeline(word *uint32) error {
	held.mu.Lock()
	defer held.mu.Unlock()
	if held.lines[word] != nil {
		return fmt.Errorf("hold lifeline: this process holds the word at %p already", word)
	}
	l := &lifeline{word: word, dropped: make(chan struct{})}
	l.head.next = &l.node
	l.node.next = unsafe.Pointer(&l.head)
	l.head.offset = uintptr(unsafe.Pointer(word)) - uintptr(unsafe.Pointer(&l.node))
	armed := make(chan error)
	go l.hold(armed)
	if err := <-armed; err != nil {
		return fmt.Errorf("hold lifeline: %w", err)
	}
	if held.lines == nil {
		held.lines = make(map[*uint32]*lifeline)
	}
	held.lines[word] = l
	return nil
}

// hold keeps a thread to itself until the lifeline is dropped.
func (l *lifeline) hold(armed chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := swapRobustList(robustList{unsafe.Pointer(&l.head), unsafe.Sizeof(l.head)})
	if err != nil {
		armed <- err
		return
	}
	// After the list: in the other order a death in between would leave a word
	// that looks alive for ever. Without the waiters bit the kernel marks the
	// word and wakes nobody.
	atomic.StoreUint32(l.word, uint32(unix.Gettid())|lifelineWaiters)
	armed <- nil
	for atomic.LoadUint32(&l.drop) == 0 {
		Wait(&l.drop, 0, 0)
	}
	// The thread lives on, for it may have started children with a parent death
	// signal, and gets its own list back: with cgo, that of the C library.
	swapRobustList(before)
	atomic.StoreUint32(l.word, 0)
	Wake(l.word, math.MaxInt32)
	close(l.dropped)
}

// robustList is what the kernel keeps for a thread.
type robustList struct {
	head unsafe.Pointer
	size uintptr
}

// swapRobustList gives the calling thread another list and returns the former.
func swapRobustList(l robustList) (robustList, error) {
	var before robustList
	if _, _, errno := unix.RawSyscall(unix.SYS_GET_ROBUST_LIST, 0,
		uintptr(unsafe.Pointer(&before.head)), uintptr(unsafe.Pointer(&before.size))); errno != 0 {
		return before, fmt.Errorf("get_robust_list: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, uintptr(l.head), l.size, 0); errno != 0 {
		return before, fmt.Errorf("set_robust_list: %w", errno)
	}
	return before, nil
}

// DropLifeline ends the watch that [HoldLifeline] armed: the word becomes 0 and
// those that wait on it are woken. For a word that is not held it does nothing.
func DropLifeline(word *uint32) {
	held.mu.Lock()
	l := held.lines[word]
	delete(held.lines, word)
	held.mu.Unlock()
	if l == nil {
		return
	}
	atomic.StoreUint32(&l.drop, 1)
	Wake(&l.drop, 1)
	<-l.dropped
}
