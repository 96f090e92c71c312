package cli

import "github.com/tutti-run/tutti/internal/core"

// A command that runs under a lock or a semaphore has two processes above it, and each
// holds what it runs under: the holder, which the user called, and below that the
// keeper, which starts the command. The holder has the object that everybody asks for;
// the keeper has another, "running:" and the same name, that only keepers ask for,
// when their holder has the first. So a command begins only when both are free, and:
//
//	holder killed   its object is free at once; the keeper hears of it (its orders end),
//	                ends the command's tree, and only then leaves: until then the next
//	                command's keeper waits
//	keeper killed   the holder inherits what is left of the tree, ends it, and only
//	                then gives its object back
//
// Both killed at the same instant is the limit: nobody is left who knows the tree.

// The words that call this program as a holder in the background, and as a keeper.
// What they are about comes through descriptor 3, and the answer goes to 4.
const (
	holderWord = "holder-of"
	keeperWord = "keeper-of"
)

// charge is what a keeper is to do. Strings hold any bytes, which gob lets be.
type charge struct {
	Space spaceRef
	Needs []need // what the holder has; the keeper takes what runs under it
	Seize bool   // whether they are free or not

	Path       string
	Argv       []string
	Env        []string
	Dir        string
	Stdin      string // file; "" that of the holder
	Nice       *int
	Term       []core.TermStep
	TimeoutNs  int64
	Output     outputMode
	KillStrays bool
	Display    string // the command, for people
}

// need is a lock, or one unit of a semaphore.
type need struct {
	Name   string // of the object
	Most   int64  // of a semaphore: how many may have a unit at once; 0: it is a lock
	Shared bool   // of a lock
}

// outputMode is what becomes of what a command writes.
type outputMode uint8

const (
	printDirect outputMode = iota // it goes where the holder's goes
	printGroup                    // it is printed when the command has ended
	printLines                    // whole lines at a time
)

// ended is how a command ended, as its keeper tells.
type ended struct {
	Exit   int
	Signal int
	Fault  string   // "" none
	Strays []string // what it left running
}
