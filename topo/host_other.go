//go:build !linux

package topo

import (
	"io/fs"
	"os"
)

func hostFiles() fs.FS { return os.DirFS("/") }
