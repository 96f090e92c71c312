package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/whatif"
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
