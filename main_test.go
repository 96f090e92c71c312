package tutti_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/tutti-run/tutti"
)

// Switches in the environment, by which a test has this binary started again
// behave as some other program.
const (
	envHang   = "TUTTI_TEST_HANG"    // a worker that never calls Main
	envExit   = "TUTTI_TEST_EXIT"    // a worker that ends before it calls Main
	envNoMain = "TUTTI_TEST_NO_MAIN" // a program that opens a pool and never calls Main
	envLack   = "TUTTI_TEST_LACK"    // a worker whose program has no function test.lacked
)

// envQueue has a worker begin when it gets a byte from descriptor 6.
const envQueue = "TUTTI_TEST_QUEUE"

// Self tells which process runs it.
var Self = tutti.NewFunc("test.self", func(context.Context, int) (int, error) { return os.Getpid(), nil })

// Echo is the shortest of tasks.
var Echo = tutti.NewFunc("test.echo", func(_ context.Context, n int) (int, error) { return n, nil })

// Lacked is a function of this program that its workers lack where the
// environment says so, as they would if they were another program's.
var Lacked = func() *tutti.Func[int, int] {
	if os.Getenv(envLack) != "" {
		return nil
	}
	return tutti.NewFunc("test.lacked", func(_ context.Context, n int) (int, error) { return n, nil })
}()

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envHang) != "":
		hang()
	case os.Getenv(envExit) != "":
		fmt.Fprintln(os.Stderr, "refusing to work")
		os.Exit(9)
	case os.Getenv(envNoMain) != "":
		openWithoutMain()
	case os.Getenv(envQueue) != "":
		_, _ = os.NewFile(6, "queue").Read(make([]byte, 1))
	}
	tutti.Main()
	if pool, err := tutti.Open(context.Background(), tutti.Config{Workers: 1}); err == nil {
		_ = pool.Close() // what is opened once and kept is not left over
	}
	before := census()
	code := m.Run()
	if left := before.leftovers(); code == 0 && len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left over:", left)
		code = 1
	}
	os.Exit(code)
}

// hang tells through descriptor 6, if that is there, that it has begun, and
// never ends.
func hang() {
	if f := os.NewFile(6, "begun"); f != nil {
		_, _ = f.Write([]byte{1})
	}
	select {}
}

func openWithoutMain() {
	_, err := tutti.Open(context.Background(), tutti.Config{})
	fmt.Println(err)
	os.Exit(0)
}
