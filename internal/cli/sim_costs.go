package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/whatif"
	"github.com/tutti-run/tutti/sim"
	"github.com/tutti-run/tutti/topo"
)

// costsFile is where the costs of this machine are kept, beside the journals.
func costsFile() (string, error) {
	folder, err := journal.RunsFolder(os.Getenv)
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, "costs.json"), nil
}

// storedCosts are the costs that were measured here or, before that, usual ones, and
// which of the two.
func storedCosts() (c whatif.Costs, which string, err error) {
	c, which = whatif.UsualCosts, "usual costs"
	name, err := costsFile()
	if err != nil {
		return c, which, nil // there is no home: nothing can have been kept
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, which, nil
	}
	if err == nil {
		c, err = whatif.ParseCosts(text, c)
	}
	if err != nil {
		return c, which, fmt.Errorf("costs that were measured earlier, %s: %w; tutti sim --calibrate measures them again", name, err)
	}
	return c, "costs as measured here", nil
}

// calibrate measures the costs of this machine, stores and prints them.
func calibrate(ctx context.Context, w io.Writer) error {
	name, err := costsFile()
	if err != nil {
		return err
	}
	machine, err := topo.Detect()
	if err != nil {
		return err
	}
	costs, notes, err := measureCosts(ctx, machine)
	if err != nil {
		return fmt.Errorf("measure costs: %w", err)
	}
	if err := storeCosts(name, costs); err != nil {
		return fmt.Errorf("keep the costs: %w", err)
	}
	_, err = io.WriteString(w, costsText(name, costs, notes))
	return err
}

// storeCosts replaces the file as a whole: who reads it sees the old costs or the new.
func storeCosts(name string, costs whatif.Costs) error {
	text, err := json.MarshalIndent(whatif.NewCostsFile(costs), "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	part := fmt.Sprintf("%s.%d", name, os.Getpid())
	if err = os.WriteFile(part, append(text, '\n'), 0o600); err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	return err
}

// costsText is costs as people read them, beside the usual ones.
func costsText(name string, c whatif.Costs, notes []string) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	u := whatif.UsualCosts
	fmt.Fprintln(table, "STEP\tHERE\tUSUAL")
	for _, row := range []struct {
		step        string
		here, usual sim.Span
	}{
		{"submit a task", c.Submit, u.Submit},
		{"dispatch a task", c.Dispatch, u.Dispatch},
		{"command, beside its own time", c.Process, u.Process},
		{"wake a worker", c.Wake, u.Wake},
		{"steal from a near worker", c.StealNear, u.StealNear},
		{"steal from a far worker", c.StealFar, u.StealFar},
		{"notice a death", c.Notice, u.Notice},
		{"start a worker", c.Start, u.Start},
	} {
		fmt.Fprintf(table, "%s\t%s\t%s\n", row.step, spanText(float64(row.here)/1e9), spanText(float64(row.usual)/1e9))
	}
	_ = table.Flush() // a strings.Builder takes all
	for _, n := range append(notes, "kept in "+name+" for later simulations") {
		b.WriteString(capital(n) + ".\n")
	}
	return b.String()
}
