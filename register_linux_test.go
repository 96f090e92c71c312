package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

// registering returns what NewFunc panics with.
func registering[In, Out any](name string) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	tutti.NewFunc(name, func(context.Context, In) (out Out, err error) { return out, err })
	return ""
}

func registeringNil() (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	tutti.NewFunc[int, int]("r", nil)
	return ""
}

type (
	inner struct{ Deep struct{ C chan int } }
	//lint:ignore U1000 the field is there to be refused
	hidden  struct{ secret string }
	skipped struct {
		Name string
		Skip int `json:"-"`
	}
	twice struct {
		A string `cbor:"x"`
		B int    `cbor:"x"`
	}
	left      struct{ Same, L string }
	right     struct{ Same, R string }
	ambiguous struct {
		left
		right
	}
	shadowing struct {
		left
		Same string
	}
	narcissist struct {
		//lint:ignore U1000 it is there to be walked
		*narcissist
		Name string
	}
)

func TestWhatCannotTravelIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ panics, says string }{
		"channel":      {registering[chan int, int]("r"), "In is a chan int"},
		"deep channel": {registering[[]map[string]inner, int]("r"), "In.Deep.C is a chan int"},
		"function":     {registering[int, func()]("r"), "Out is a func()"},
		"interface":    {registering[struct{ V any }, int]("r"), "In.V is the interface"},
		"error":        {registering[int, struct{ E error }]("r"), "Out.E is the interface"},
		"unexported":   {registering[hidden, int]("r"), "In.secret is unexported"},
		"complex": {registering[struct {
			S string
			C complex128
		}, int]("r"), "In.C is a complex128"},
		"map key":       {registering[map[any]int, int]("r"), "In (key) is the interface"},
		"uintptr":       {registering[int, uintptr]("r"), "Out is a uintptr"},
		"tagged away":   {registering[skipped, int]("r"), "In.Skip"},
		"one name":      {registering[twice, int]("r"), "In.B"},
		"ambiguous":     {registering[ambiguous, int]("r"), "In.right.Same"},
		"shadowed":      {registering[shadowing, int]("r"), "In.Same"},
		"embeds itself": {registering[narcissist, int]("r"), "In"},
		"embedded codec": {registering[struct {
			time.Time
			Name string
		}, int]("r"), "In.Time is embedded"},
		"pointer key":    {registering[map[*int]string, int]("r"), "In (key) is a *int"},
		"nil":            {registeringNil(), "it is nil"},
		"no name":        {registering[int, int](""), "needs a name"},
		"long name":      {registering[int, int](strings.Repeat("n", 125)), "at most 124 bytes"},
		"name taken":     {registering[int, int](Echo.Name()), "two functions"},
		"name mentioned": {registering[chan int, int]("the name"), `NewFunc("the name")`},
	} {
		if !strings.Contains(c.panics, c.says) || !strings.HasPrefix(c.panics, "tutti: ") {
			t.Errorf("%s: panics with %q, which does not say %q", name, c.panics, c.says)
		}
	}
}

func TestWhatCanTravelIsTaken(t *testing.T) {
	t.Parallel()
	for what, register := range map[string]func(name string) string{
		"time":  registering[struct{ T time.Time }, time.Time],
		"slice": registering[tutti.Slice[int], tutti.View[byte]],
		"inside": registering[struct {
			Name string
			S    tutti.Slice[int]
			V    []tutti.View[byte]
		}, int],
		"recursive": registering[tree, map[string]*tree],
		"array": registering[struct {
			_ struct{} `cbor:",toarray"`
			A string
		}, int],
	} {
		name := fmt.Sprintf("%0124d", registered.Add(1)) // the longest that is possible
		if panics := register(name); panics != "<nil>" {
			t.Errorf("%s: %s", what, panics)
		}
		if panics := register(name); !strings.Contains(panics, "two functions") {
			t.Errorf("%s, registered twice: %s", what, panics)
		}
	}
}

// registered numbers the names, so that the test can run more than once.
var registered atomic.Int64

func TestRegisterErrorRefuses(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("again")} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("RegisterError(%v) did not panic", err)
				}
			}()
			if tutti.RegisterError("test.busy", err); err == nil {
				t.Error("nil was registered")
			}
		}()
	}
}
