package main

import (
	"fmt"
	"os"
	"syscall"
)

// children are the roles in which the bench starts itself again, as its own
// counterpart in another process. The echoes end when their pipe (descriptor 3) is
// closed, which also happens when the bench is killed.
var children = map[string]func() error{
	"pipe":  answerPipe,
	"futex": func() error { return answerMemory(func(m memory) { m.rally().answer(true, true) }) },
	"spin":  func() error { return answerMemory(func(m memory) { m.rally().answer(false, false) }) },

	"futex-there": func() error { return answerMemory(func(m memory) { m.rally().answer(true, false) }) },

	"memory": mapInputs,

	"master":          func() error { return beMaster(false) },
	"master-commands": func() error { return beMaster(true) },
}

// startProcess runs a child's role and never returns in a child.
func startProcess() {
	if len(os.Args) < 3 || os.Args[1] != "-child" {
		return
	}
	role := children[os.Args[2]]
	if role == nil {
		fmt.Fprintf(os.Stderr, "bench: no child %q\n", os.Args[2])
		os.Exit(2)
	}
	if err := role(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: child %s: %v\n", os.Args[2], err)
		os.Exit(1)
	}
	os.Exit(0)
}

// answerPipe sends each byte back, by plain blocking system calls: Go's poller
// would be measured too otherwise.
func answerPipe() error {
	var b [1]byte
	for {
		n, err := syscall.Read(3, b[:])
		if n == 0 && err == nil {
			return nil
		}
		if err == nil {
			_, err = syscall.Write(4, b[:])
		}
		if err != nil && err != syscall.EINTR {
			return err
		}
	}
}

// answerMemory plays the second side in the memory behind descriptor 5. Another
// goroutine ends the process with the pipe.
func answerMemory(side func(memory)) error {
	m, err := mapMemory(5)
	if err != nil {
		return err
	}
	go func() {
		if err := answerPipe(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}()
	side(m)
	return nil
}
