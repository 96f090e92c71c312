// Command goplugin measures hashicorp/go-plugin, the way Go programs usually
// run functions in another process today. It is a module of its own, so that
// go-plugin and gRPC never become dependencies of tutti.
//
// It starts itself again as the plugin and prints one line of JSON:
//
//	goplugin <netrpc|grpc> <call|map|record|open> <n>
//
// call is one call outstanding, map two plugin processes with 64 callers, record
// the same with a structure of 1 KiB, open the start of two plugins until each
// gave a result (n times; the median is printed as the time of one).
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

// callers is how many calls are outstanding in map and record: enough that both
// plugins always have one to work on.
const callers = 64

// outcome is the line the bench reads.
type outcome struct {
	N   int64 `json:"n"`
	Ns  int64 `json:"ns"`
	Sum int64 `json:"sum"`
}

// adder is what the plugin offers, over either transport.
type adder interface {
	AddOne(x int64) (int64, error)
}

// call makes one call, numbered i, to a plugin.
type call func(s adder, i int64) (int64, error)

var handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "TUTTI_BENCH_GOPLUGIN",
	MagicCookieValue: "1",
}

var plugins = map[string]plugin.Plugin{"netrpc": netrpcPlugin{}, "grpc": grpcPlugin{}}

func main() {
	if os.Getenv(handshake.MagicCookieKey) == handshake.MagicCookieValue {
		servePlugin(os.Args[1])
		return
	}
	out, err := run(os.Args[1:])
	plugin.CleanupClients()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "goplugin:", err)
		os.Exit(1)
	}
}

// servePlugin is the plugin's process. A gRPC server must be offered for the
// gRPC transport alone, since its presence is what selects the transport.
func servePlugin(transport string) {
	config := &plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{transport: plugins[transport]},
		Logger:          hclog.NewNullLogger(),
	}
	if transport == "grpc" {
		config.GRPCServer = plugin.DefaultGRPCServer
	}
	plugin.Serve(config)
}

func run(args []string) (outcome, error) {
	if len(args) != 3 || plugins[args[0]] == nil {
		return outcome{}, fmt.Errorf("usage: goplugin netrpc|grpc call|map|record|open N")
	}
	n, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return outcome{}, err
	}
	transport := args[0]
	switch args[1] {
	case "open":
		return open(transport, n)
	case "call":
		return serve(transport, 1, 1, n, addOne)
	case "map":
		return serve(transport, 2, callers, n, addOne)
	case "record":
		return serve(transport, 2, callers, n, recordID)
	}
	return outcome{}, fmt.Errorf("unknown measurement %q", args[1])
}

func addOne(s adder, i int64) (int64, error) { return s.AddOne(i) }

func recordID(s adder, i int64) (int64, error) {
	n, ok := s.(*netrpcClient)
	if !ok {
		return 0, fmt.Errorf("records are measured over net/rpc alone")
	}
	return n.RecordID(newRecord(i))
}

// serve starts the plugins, warms them up and times n calls by the callers.
func serve(transport string, processes, callers int, n int64, do call) (outcome, error) {
	services := make([]adder, processes)
	for i := range services {
		client, s, err := start(transport)
		if err != nil {
			return outcome{}, err
		}
		defer client.Kill()
		services[i] = s
	}
	if _, err := drive(services, callers, max(n/10, 1), do); err != nil {
		return outcome{}, err
	}
	return drive(services, callers, n, do)
}

func drive(services []adder, callers int, n int64, do call) (outcome, error) {
	var next, sum atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, callers)
	begin := time.Now()
	for c := range callers {
		wg.Go(func() {
			s := services[c%len(services)]
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				got, err := do(s, i)
				if err != nil {
					failed <- err
					return
				}
				sum.Add(got)
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(begin)
	select {
	case err := <-failed:
		return outcome{}, err
	default:
		return outcome{N: n, Ns: elapsed.Nanoseconds(), Sum: sum.Load()}, nil
	}
}

// open times the start of two plugins until each has given one result.
func open(transport string, n int64) (outcome, error) {
	var times []int64
	var sum int64
	for range n {
		begin := time.Now()
		var wg sync.WaitGroup
		var clients [2]*plugin.Client
		var results [2]int64
		var errs [2]error
		for i := range clients {
			wg.Go(func() {
				var s adder
				if clients[i], s, errs[i] = start(transport); errs[i] == nil {
					results[i], errs[i] = s.AddOne(0)
				}
			})
		}
		wg.Wait()
		times = append(times, time.Since(begin).Nanoseconds())
		for i, c := range clients {
			if errs[i] != nil {
				return outcome{}, errs[i]
			}
			sum += results[i]
			c.Kill()
		}
	}
	slices.Sort(times)
	return outcome{N: n, Ns: times[len(times)/2] * n, Sum: sum}, nil
}

func start(transport string) (*plugin.Client, adder, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugins,
		Cmd:              exec.Command(self, transport),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolNetRPC, plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
		Managed:          true,
	})
	protocol, err := client.Client()
	if err != nil {
		return nil, nil, err
	}
	raw, err := protocol.Dispense(transport)
	if err != nil {
		client.Kill()
		return nil, nil, err
	}
	return client, raw.(adder), nil
}
