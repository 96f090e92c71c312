package ipc

import (
	"fmt"
	"os"
	"testing"
)

// childModes are what this test binary does in place of testing when it is started
// again: they act as other processes.
var childModes = map[string]func() error{}

const childEnv = "IPC_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := childModes[mode](); err != nil {
			fmt.Fprintln(os.Stderr, mode+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if left := leftovers(); code == 0 && len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left over:", left)
		code = 1
	}
	os.Exit(code)
}
