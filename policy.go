package tutti

import (
	"fmt"
	"hash/fnv"
	"maps"
	"sync"
	"time"

	"github.com/tutti-run/tutti/internal/engine"
	"github.com/tutti-run/tutti/sched"
)

// policies holds the program's own policies.
var policies = struct {
	sync.Mutex
	own sched.Registry
}{own: sched.Registry{}}

// RegisterPolicy makes a policy of the program's own known by a name, for
// Config.Policy, and returns that. Master and workers each ask it themselves, so
// call it where both pass, in a package-level variable:
//
//	var Mine = tutti.RegisterPolicy("mine", func() sched.Policy { return &mine{} })
//
// newPolicy must return a new value each time: a worker has one for its own looks
// and one for what its tasks submit. RegisterPolicy panics when the name is taken,
// by a policy of package sched or another of the program's, is empty or longer
// than 32 bytes, and when newPolicy is nil.
func RegisterPolicy(name string, newPolicy func() sched.Policy) string {
	policies.Lock()
	defer policies.Unlock()
	var err string
	switch {
	case name == "":
		err = "a policy needs a name"
	case len(name) > engine.PolicyNameMax:
		err = fmt.Sprintf("a name has at most %d bytes", engine.PolicyNameMax)
	case newPolicy == nil:
		err = "there is no function that makes it: it is nil"
	case sched.IsBuiltin(name):
		err = "package sched has a policy of this name; choose another"
	case policies.own[name] != nil:
		err = "two policies have this name"
	default:
		policies.own[name] = newPolicy
		return name
	}
	panic(fmt.Sprintf("tutti: RegisterPolicy(%q): %s", name, err))
}

func ownPolicies() sched.Registry {
	policies.Lock()
	defer policies.Unlock()
	return maps.Clone(policies.own)
}

// Hints are what a policy may go by when it places and orders a task. They change
// no result. Which policy looks at which is told in package sched.
type Hints struct {
	Priority int           // see the option Priority
	Expected time.Duration // how long it will take; 0 when unknown
	Deadline time.Time     // when its result is wanted; zero for no time
	Locality string        // names the data that it works on; "" for none
}

// engine translates them. A deadline that has passed is still one.
func (h Hints) engine() engine.Hints {
	e := engine.Hints{Priority: h.Priority, ExpectedNs: max(0, int64(h.Expected))}
	if !h.Deadline.IsZero() {
		e.DeadlineNs = max(1, engine.Now()+int64(time.Until(h.Deadline)))
	}
	if h.Locality != "" {
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(h.Locality))
		e.Locality = max(1, hash.Sum64())
	}
	return e
}

// Expected says how long tasks will take, for policies that go by it. A guess that
// is wrong costs time and nothing else.
func Expected(d time.Duration) Option { return func(o *options) { o.hints.Expected = d } }

// Deadline says when results are wanted, for policies that go by it. It ends
// nothing: Timeout does that.
func Deadline(t time.Time) Option { return func(o *options) { o.hints.Deadline = t } }

// Locality names the data that tasks work on, for policies that send all tasks
// with the same data to the same worker.
func Locality(data string) Option { return func(o *options) { o.hints.Locality = data } }

// PerTask has each task of a call get the hints that f gives for its input, in
// place of those of other options. The tasks of a Map are then placed one by one,
// and not in lots, which for short ones is slower. f is called where the input is
// read. A call of a function with another type of input fails.
func PerTask[In any](f func(In) Hints) Option { return func(o *options) { o.perTask = f } }

// hinter returns what gives the hints of each input; nil where all have the same.
func (f *Func[In, Out]) hinter(o *options) (func(In) Hints, error) {
	if o.perTask == nil {
		return nil, nil
	}
	h, ok := o.perTask.(func(In) Hints)
	if !ok {
		return nil, fmt.Errorf("tutti: PerTask(%T): function %q takes %T; the option must be given a function of that type", o.perTask, f.name, *new(In))
	}
	if h == nil {
		return nil, fmt.Errorf("tutti: PerTask(nil): function %q needs a function that gives the hints of an input", f.name)
	}
	return h, nil
}
