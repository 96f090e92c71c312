package shm

import (
	"fmt"
	"os"
	"testing"
)

// childModes are what a re-executed test binary does in place of testing.
var childModes = map[string]func(){}

const childEnv = "SHM_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		childModes[mode]()
		os.Exit(0)
	}
	code := m.Run()
	if left := leftovers(); code == 0 && len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left over:", left)
		code = 1
	}
	os.Exit(code)
}
