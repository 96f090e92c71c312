//go:build linux

package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/tutti-run/tutti"
)

var (
	IsPrime = tutti.NewFunc("isprime", func(ctx context.Context, n int64) (bool, error) {
		return big.NewInt(n).ProbablyPrime(20), nil // runs in a worker process
	})
	Upper = tutti.NewFunc("upper", func(ctx context.Context, s string) (string, error) {
		if s == "" {
			return "", ErrEmpty
		}
		return strings.ToUpper(s), nil
	})
	Sum = tutti.NewFunc("sum", func(ctx context.Context, part tutti.View[float64]) (float64, error) {
		values, err := part.Data()
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return sum, err
	})
	Wait = tutti.NewFunc("wait", func(ctx context.Context, _ struct{}) (struct{}, error) {
		<-ctx.Done()
		return struct{}{}, ctx.Err()
	})
)

// ErrEmpty keeps its identity on its way from the workers.
var ErrEmpty = tutti.RegisterError("empty", errors.New("the text is empty"))

// openExample is tutti.Open for a program that has nothing better to do with an
// error than to end.
func openExample() *tutti.Pool {
	pool, err := tutti.Open(context.Background(), tutti.Config{Workers: 2})
	if err != nil {
		panic(err)
	}
	return pool
}

// A whole program has tutti.Main() as the first line of main; here TestMain
// calls it.
func Example() {
	ctx := context.Background()
	pool, err := tutti.Open(ctx, tutti.Config{}) // one worker per CPU
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	for prime, err := range IsPrime.Map(ctx, pool, slices.Values([]int64{1_000_000_007, 1_000_000_011})) {
		fmt.Println(prime, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleFunc_Call() {
	pool := openExample()
	defer pool.Close()
	text, err := Upper.Call(context.Background(), pool, "quiet")
	fmt.Println(text, err)
	// Output: QUIET <nil>
}

func ExampleFunc_Go() {
	ctx, pool := context.Background(), openExample()
	defer pool.Close()
	first, err := Upper.Go(ctx, pool, "first")
	if err != nil {
		panic(err)
	}
	second, err := Upper.Go(ctx, pool, "second")
	if err != nil {
		panic(err)
	}
	fmt.Println(second.Wait(ctx))
	fmt.Println(first.Wait(ctx))
	// Output:
	// SECOND <nil>
	// FIRST <nil>
}

func ExampleFunc_Map() {
	pool := openExample()
	defer pool.Close()
	words := slices.Values([]string{"one", "", "three"})
	for text, err := range Upper.Map(context.Background(), pool, words) {
		fmt.Printf("%q failed: %v\n", text, err != nil)
	}
	// Output:
	// "ONE" failed: false
	// "" failed: true
	// "THREE" failed: false
}

func ExampleFunc_MapCompleted() {
	pool := openExample()
	defer pool.Close()
	words := []string{"one", "two", "three"}
	for done, err := range Upper.MapCompleted(context.Background(), pool, slices.Values(words)) {
		if err != nil {
			panic(err)
		}
		fmt.Println(words[done.Index], done.Value)
	}
	// Unordered output:
	// one ONE
	// two TWO
	// three THREE
}

func ExampleFunc_ForEach() {
	pool := openExample()
	defer pool.Close()
	err := Upper.ForEach(context.Background(), pool, slices.Values([]string{"fine", ""}))
	fmt.Println(errors.Is(err, ErrEmpty))
	// Output: true
}

func ExampleReduce() {
	pool := openExample()
	defer pool.Close()
	numbers := func(yield func(int64) bool) {
		for n := int64(1); n <= 1000 && yield(n); n++ {
		}
	}
	primes, err := tutti.Reduce(context.Background(), pool, IsPrime, numbers, 0, func(count int, prime bool) int {
		if prime {
			count++
		}
		return count
	})
	fmt.Println(primes, err)
	// Output: 168 <nil>
}

// All workers add up parts of one array, which nobody copies.
func ExampleSlice() {
	const (
		elements = 1 << 17 // 1 MiB; with 1 << 27 it is 1 GiB
		parts    = 16
	)
	ctx, pool := context.Background(), openExample()
	defer pool.Close()
	data, err := tutti.NewSlice[float64](pool, elements)
	if err != nil {
		panic(err)
	}
	values, err := data.Data()
	if err != nil {
		panic(err)
	}
	for i := range values {
		values[i] = 0.5
	}
	sum, err := tutti.Reduce(ctx, pool, Sum, func(yield func(tutti.View[float64]) bool) {
		for i := range parts {
			if !yield(data.Slice(i*elements/parts, (i+1)*elements/parts)) {
				return
			}
		}
	}, 0.0, func(a, b float64) float64 { return a + b })
	fmt.Println(sum, err, data.Free())
	// Output: 65536 <nil> <nil>
}

// Numbers is the function of ExampleFromContext: it calls itself.
var Numbers *tutti.Func[int, int]

func init() {
	Numbers = tutti.NewFunc("fibonacci", func(ctx context.Context, n int) (int, error) {
		if n < 2 {
			return n, nil
		}
		pool := tutti.FromContext(ctx)
		left, err := Numbers.Go(ctx, pool, n-1)
		if err != nil {
			return 0, err
		}
		right, err := Numbers.Call(ctx, pool, n-2)
		if err != nil {
			return 0, err
		}
		sum, err := left.Wait(ctx)
		return sum + right, err
	})
}

// A task calls others, and its worker runs those while it waits.
func ExampleFromContext() {
	pool := openExample()
	defer pool.Close()
	fmt.Println(Numbers.Call(context.Background(), pool, 12))
	// Output: 144 <nil>
}

func ExampleRegisterError() {
	pool := openExample()
	defer pool.Close()
	_, err := Upper.Call(context.Background(), pool, "")
	fmt.Println(errors.Is(err, ErrEmpty))
	// Output: true
}

func ExampleTimeout() {
	pool := openExample()
	defer pool.Close()
	_, err := Wait.Call(context.Background(), pool, struct{}{}, tutti.Timeout(10*time.Millisecond))
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}
