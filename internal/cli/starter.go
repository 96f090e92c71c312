package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/tutti-run/tutti/internal/command"
)

// ancestorsMax bounds how far up a shell is looked for: beyond it nobody who typed
// the command meant it.
const ancestorsMax = 32

// startedBy finds the shell that started us: the nearest ancestor from process
// pid on that is one. "" where there is none, or /proc does not tell.
func startedBy(pid int) string {
	for range ancestorsMax {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && command.IsShell(exe) {
			return exe
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return ""
		}
		// pid (name) state ppid: the name may hold anything.
		rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
		var state string
		if n, _ := fmt.Sscan(rest, &state, &pid); n != 2 || pid <= 0 {
			return ""
		}
	}
	return ""
}
