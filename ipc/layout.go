package ipc

import (
	"errors"
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// Where things lie in a space:
//
//	0         header    one page
//	members   one row for each process that may have the space open
//	objects   one row for each lock, channel, value: its name and its state
//	claims    one row for each hold and each wait
//	arena     the table of package shm's allocator
//	data      what the allocator gives out; begins at a multiple of shm.SpanBytes
const (
	magic         = 0x6970_6320_7475_7474 // "ttut cpi"
	layoutVersion = 6                     // changes with any struct of this file
	pageBytes     = 4096
	lineBytes     = 64

	maxMembers = 256
	maxObjects = 1 << 16 // the width of a claim's object field
	maxClaims  = 1 << 20
	nameMax    = 63 // bytes of an object's name

	defaultObjects = 1024
	defaultClaims  = 4096
)

// header is the first page. Invariant: what stands before changes is written once,
// before the space can be found, and checked by everyone who opens it.
//
//	offset  size  field      writer   if the writer dies
//	     0   128  geometry   creator  nobody has seen it
//	   128     4  changes    any +1   guardians look again at the next change, or death
//	   192     4  directory  latch    see latch.go
//	   256     8  tickets    any +1   a number is never given
//	   320     4  breaking   latch    nothing lies behind it
type header struct {
	_        structs.HostLayout
	magic    uint64
	version  uint32
	objects  uint32
	claims   uint32
	spans    uint32
	size     int64
	id       uint64   // tells spaces apart
	boot     [16]byte // of the machine: processes of another boot are gone
	pidSpace uint64   // process numbers mean something in this namespace only
	cycles   uint64   // of the CPU's counter at the creation
	madeNs   int64    // the time then, Unix
	founder  uint32   // the process that founded a space within a pool's segment; 0: it is none
	policy   uint32   // what is done there about a deadlock
	_        [40]byte

	changes atomic.Uint32 // futex: a member has come or gone
	_       [60]byte

	directory latch // held while an object is made
	_         [60]byte

	tickets atomic.Uint64 // for who came first, across all objects
	_       [56]byte

	breaking latch // held while a deadlock is broken up, so that one does it
	_        [pageBytes - 324]byte
}

var _ [pageBytes]byte = [unsafe.Sizeof(header{})]byte{}             // else bump layoutVersion
var _ [128]byte = [unsafe.Offsetof(header{}.changes)]byte{}         // else bump layoutVersion
var _ [192]byte = [unsafe.Offsetof(header{}.directory)]byte{}       // else bump layoutVersion
var _ [256]byte = [unsafe.Offsetof(header{}.tickets)]byte{}         // else bump layoutVersion
var _ [320]byte = [unsafe.Offsetof(header{}.breaking)]byte{}        // else bump layoutVersion
var _ [lineBytes * 2]byte = [unsafe.Sizeof(member{})]byte{}         // else bump layoutVersion
var _ [lineBytes * 4]byte = [unsafe.Sizeof(object{})]byte{}         // else bump layoutVersion
var _ [lineBytes * 4]byte = [unsafe.Sizeof(claim{})]byte{}          // else bump layoutVersion
var _ [lineBytes * 2]byte = [unsafe.Offsetof(object{}.state)]byte{} // else bump layoutVersion

// layout is where the parts of a space lie, in bytes from its beginning.
type layout struct {
	members, objects, claims int64
	arena                    shm.Geometry
	committed                int64 // what is touched without the allocator
	size                     int64
}

// layOut places the parts of a space with room for data bytes.
func layOut(objects, claims int, data int64) (layout, error) {
	switch {
	case objects < 1 || objects > maxObjects:
		return layout{}, fmt.Errorf("%d objects: 1 to %d are possible", objects, maxObjects)
	case claims < 1 || claims > maxClaims:
		return layout{}, fmt.Errorf("%d claims: 1 to %d are possible", claims, maxClaims)
	case data < 0 || data > 1<<44:
		return layout{}, fmt.Errorf("%d bytes: 0 to %d are possible", data, int64(1)<<44)
	}
	var l layout
	l.members = pageBytes
	l.objects = l.members + maxMembers*int64(unsafe.Sizeof(member{}))
	l.claims = l.objects + int64(objects)*int64(unsafe.Sizeof(object{}))
	l.arena.Meta = l.claims + int64(claims)*int64(unsafe.Sizeof(claim{}))
	l.arena.Spans = int(max(1, roundUp(data, shm.SpanBytes)/shm.SpanBytes))
	l.committed = l.arena.Meta
	l.arena.Data = roundUp(l.arena.Meta+shm.MetaBytes(l.arena.Spans), shm.SpanBytes)
	l.size = l.arena.Data + int64(l.arena.Spans)*shm.SpanBytes
	return l, nil
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// check compares the header of a space that somebody else made with what it must be.
func (h *header) check(size int64) (layout, error) {
	switch {
	case size < pageBytes || h.magic != magic:
		return layout{}, fmt.Errorf("%w: it does not begin as one", ErrNotASpace)
	case h.version != layoutVersion:
		return layout{}, fmt.Errorf("%w: its layout is version %d, this program knows version %d; run the same version of tutti in all programs", ErrVersion, h.version, layoutVersion)
	}
	l, err := layOut(int(h.objects), int(h.claims), int64(h.spans)*shm.SpanBytes)
	if err != nil {
		return l, fmt.Errorf("%w: %w", ErrNotASpace, err)
	}
	if l.size != size || h.size != size {
		return l, fmt.Errorf("%w: %d bytes that say they are %d and hold %d", ErrNotASpace, size, h.size, l.size)
	}
	return l, nil
}

// What Open returns when the file is not what was asked for.
var (
	// ErrNotASpace is wrapped by errors that say that a file is no space, or damaged.
	ErrNotASpace = errors.New("not a shared space")
	// ErrVersion is wrapped by errors that say that a space was made by a program
	// with another layout.
	ErrVersion = errors.New("a shared space of another version")
)
