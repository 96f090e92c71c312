package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/tutti-run/tutti/internal/core"
)

// tickOf is the unit of /proc/stat: 1/100 s on all that Linux runs on.
const tickOf = core.Span(10 * time.Millisecond)

// busyOf is for how long the CPUs that count did anything, by the text of /proc/stat:
// all but idling and waiting for disks. What a hypervisor gave to others counts, as it
// was taken from us.
func busyOf(stat string, counts func(cpu int) bool) core.Span {
	const idle, ioWait, guest = 3, 4, 8 // guests are in the user's time already
	sum := int64(0)
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		cpu, err := strconv.Atoi(fields[0][len("cpu"):])
		if err != nil || !counts(cpu) { // the first line is of all
			continue
		}
		for i, f := range fields[1:] {
			if n, err := strconv.ParseInt(f, 10, 64); err == nil && i != idle && i != ioWait && i < guest {
				sum += n
			}
		}
	}
	return core.Span(sum) * tickOf
}

// stalledOf is for how long some program waited for a resource, by the text of a file
// in /proc/pressure.
func stalledOf(pressure string) core.Span {
	for line := range strings.Lines(pressure) {
		rest, ok := strings.CutPrefix(line, "some ")
		if !ok {
			continue
		}
		if _, total, ok := strings.Cut(rest, "total="); ok {
			micros, _ := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
			return core.Span(micros) * core.Span(time.Microsecond)
		}
	}
	return 0
}
