// Command tutti runs commands on every core of this computer: see tutti help.
package main

import (
	"os"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/cli"
)

func main() {
	tutti.Main() // in a worker process: run commands, never return
	os.Exit(cli.Main(os.Args))
}
