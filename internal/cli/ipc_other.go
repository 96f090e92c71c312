//go:build !linux

package cli

import (
	"os"
	"time"

	"github.com/tutti-run/tutti"
)

// What needs memory that processes share is there on Linux only.

func (e *errand) run(bool) error { return tutti.ErrUnsupported }

func (c *lockCall) run() error { return tutti.ErrUnsupported }

func awaitBarrier(spaceRef, string, int, time.Duration) error { return tutti.ErrUnsupported }

func (c *sendCall) run() error { return tutti.ErrUnsupported }

func (c *recvCall) run() error { return tutti.ErrUnsupported }

func (c *keepCall) run() error { return tutti.ErrUnsupported }

func listSpaces(string) error { return tutti.ErrUnsupported }

func removeSpaces(string, []string, bool) error { return tutti.ErrUnsupported }

func removeObjects(spaceRef, []string, bool) error { return tutti.ErrUnsupported }

func showSpaces(string, []string, bool) error { return tutti.ErrUnsupported }

func spaceNames(string) []string { return nil }

func objectNames(spaceRef, string) []string { return nil }

func terminalOf(*os.File) string { return "" }

func helperMain([]string) (code int, ok bool) { return 0, false }
