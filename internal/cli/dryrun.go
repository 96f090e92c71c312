package cli

import (
	"bufio"
	"io"
	"iter"
	"runtime"
	"runtime/debug"

	"github.com/tutti-run/tutti/internal/command"
)

// collectEvery is how many commands are printed between two collections of
// garbage. A count and not the collector's own pace, which lets the heap grow with
// the rate: so ten million inputs take the memory that ten thousand take (7.6 MB
// against 8.1), and one CPU prints 4 million lines a second.
const collectEvery = 4096

// dryRun prints the commands in the order of the inputs and starts nothing. The
// slots are given in turn, as to jobs that all take the same time. done is told of
// each job.
func dryRun(jobs iter.Seq[*job], slots int, done func(*job), to io.Writer) error {
	runtime.GOMAXPROCS(1) // or each collection wakes threads on all CPUs
	debug.SetGCPercent(-1)
	out := bufio.NewWriterSize(to, dryRunBuffer)
	for j := range jobs {
		if j.seq%collectEvery == 0 {
			runtime.GC()
		}
		done(j)
		if j.skip {
			continue
		}
		if j.fault != nil {
			_ = out.Flush()
			return j.fault
		}
		slot := int((j.seq-1)%int64(slots)) + 1
		for _, text := range []string{command.FillSlot(j.mark.Before, slot), j.rendered.Text(slot), j.mark.After, "\n"} {
			_, _ = out.WriteString(text) // the first error stays and Flush returns it
		}
	}
	return out.Flush()
}

// dryRunBuffer is how much is gathered for one write.
const dryRunBuffer = 256 << 10
