package core

import (
	"strings"
	"testing"
)

// Each step is a call, and "!" before it says that it is refused.
func TestExclusion(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		"begin begin share !isolate leave !isolate leave !isolate leave isolate",
		"isolate !isolate !share !begin rejoin begin",
		"isolate rejoin isolate rejoin share leave isolate",
		"begin want !begin share !isolate leave leave !begin isolate unwant !begin rejoin begin",
		"want want !begin unwant !begin unwant begin",
	} {
		var e Exclusion
		yes := func(f func()) func() bool { return func() bool { f(); return true } }
		calls := map[string]func() bool{
			"begin": e.Begin, "share": e.Share, "isolate": e.Isolate,
			"leave": yes(e.Leave), "rejoin": yes(e.Rejoin), "want": yes(e.Want), "unwant": yes(e.Unwant),
		}
		for i, step := range strings.Fields(script) {
			name, refused := strings.CutPrefix(step, "!")
			if calls[name]() == refused {
				t.Errorf("%s: step %d, %s, gave %v", script, i, step, refused)
			}
		}
	}
}
