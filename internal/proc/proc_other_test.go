//go:build !linux

package proc

import (
	"errors"
	"testing"
)

func TestUnsupported(t *testing.T) {
	t.Parallel()
	if _, err := Start(Spec{Path: Self()}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if res := Run(t.Context(), Command{Argv: []string{"true"}}); !errors.Is(res.StartErr, errors.ErrUnsupported) {
		t.Error(res.StartErr)
	}
}
