package ipc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
)

const (
	killSpaceEnv = "IPC_TEST_SPACE"
	killKeys     = 5
)

func init() { childModes["values"] = changeValues }

// changeValues changes values until it is killed.
func changeValues() error {
	s, err := Open(os.Getenv(killSpaceEnv), 0)
	if err != nil {
		return err
	}
	v, err := OpenVar(s, "v", record{})
	if err != nil {
		return err
	}
	m, err := OpenMap[int, record](s, "m", killKeys+1)
	if err != nil {
		return err
	}
	c, err := s.Counter("c")
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		_, err := v.Update(context.Background(), func(old record) (record, error) { return newRecord(old.N+1, n%30), nil })
		_, mapErr := m.Update(context.Background(), n%killKeys, func(old record, _ bool) (record, error) { return newRecord(old.N+1, n%20), nil })
		storeErr := m.Store(killKeys, newRecord(n, n%5))
		_, deleteErr := m.Delete(killKeys)
		if err := errors.Join(err, mapErr, storeErr, deleteErr); err != nil && !errors.Is(err, ErrTooMany) {
			return err
		}
		c.Add(1)
	}
}

// Whenever a process is killed that changes values, the others see whole ones, none of
// what was acknowledged is lost, and neither is memory.
func TestKilledInValues(t *testing.T) {
	name := fmt.Sprintf("test-values-%d", os.Getpid())
	s, err := Open(name, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(s.Close(), Remove(name, Options{})); err != nil {
			t.Error(err)
		}
	}()
	v, m, c := must(OpenVar(s, "v", newRecord(0, 0))), must(OpenMap[int, record](s, "m", killKeys+1)), must(s.Counter("c"))
	const kills = 25
	var children []*exec.Cmd
	start := func() *exec.Cmd {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), childEnv+"=values", killSpaceEnv+"="+name)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}
	children = append(children, start(), start())
	for n := range kills {
		until := c.Load() + rand.Int64N(200)
		for ctx, last := soon(t), 0; c.Load() < until; {
			r, err := v.Load()
			if err != nil || !r.whole() || r.N < last {
				t.Fatalf("%v after %d, error %v", r, last, err)
			}
			last = r.N
			if err := ctx.Err(); err != nil {
				t.Fatalf("the values change no more: %+v", must(s.Stat()))
			}
		}
		kill(children[n%2])
		children[n%2] = start()
	}
	for _, cmd := range children {
		kill(cmd)
	}
	for ctx := soon(t); len(must(s.Stat()).Members) > 1 && ctx.Err() == nil; pause() {
		s.buryTheDead()
	}
	checkKilled(t, s, v, m, c)
	checkMemory(t, s, kills+2)
}

// checkKilled checks the values after the last death.
func checkKilled(t *testing.T, s *Space, v *Var[record], m *Map[int, record], c *Counter) {
	t.Helper()
	done := c.Load()
	if r, err := v.Load(); err != nil || !r.whole() || int64(r.N) < done {
		t.Errorf("%v after %d updates, error %v", r, done, err)
	}
	sum := int64(0)
	for k, r := range m.All() {
		if !r.whole() {
			t.Errorf("key %d: %v", k, r)
		}
		if k < killKeys {
			sum += int64(r.N)
		}
	}
	if n, err := m.Len(); sum < done || n > killKeys+1 || err != nil {
		t.Errorf("%d keys count up to %d after %d updates, error %v", n, sum, done, err)
	}
	for _, member := range must(s.Stat()).Members {
		if !member.Self {
			t.Errorf("left over: %+v", member)
		}
	}
}
