package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
)

// orphanWorkers is how many workers the master has that is killed.
const orphanWorkers = 2

// holdCommand runs a command that does not end and writes its process id to the
// first of tutti.Config.Files.
var holdCommand = tutti.NewFunc("bench.holdCommand", func(ctx context.Context, _ int64) (int64, error) {
	cmd := exec.CommandContext(ctx, "/bin/sleep", "1000000")
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintln(os.NewFile(casualtiesFD, "pids"), cmd.Process.Pid); err != nil {
		return 0, err
	}
	return 0, cmd.Wait()
})

// beMaster is the role of a program with a pool, idle or with a command in each
// worker. It writes the ids of all that must end with it in a line to descriptor 4,
// and waits for the end of descriptor 3.
func beMaster(commands bool) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	pool, err := tutti.Open(ctx, tutti.Config{Workers: orphanWorkers, Files: []*os.File{w}})
	if err != nil {
		return err
	}
	var pids []string
	for _, s := range pool.Stats().Workers {
		pids = append(pids, strconv.Itoa(s.PID))
	}
	if commands {
		lines := bufio.NewScanner(r)
		for i := range int64(orphanWorkers) {
			if _, err := holdCommand.Go(ctx, pool, i); err != nil {
				return err
			}
			if !lines.Scan() {
				return fmt.Errorf("no command was started: %w", errors.Join(lines.Err(), io.ErrUnexpectedEOF))
			}
			pids = append(pids, lines.Text())
		}
	}
	if _, err := fmt.Fprintln(os.NewFile(4, "hear"), strings.Join(pids, " ")); err != nil {
		return err
	}
	_, _ = os.NewFile(3, "ask").Read(make([]byte, 1))
	return nil
}

// oursMasterDeath is the median of the ms from SIGKILL of a master until all of its
// processes are gone.
func oursMasterDeath(name, role string, processes int, n int64) contender {
	return contender{name: name, kind: ours, round: func(ctx context.Context) (figure, error) {
		return medianOf(n, time.Millisecond, func() (time.Duration, error) { return killMaster(ctx, role, processes) })
	}}
}

func killMaster(ctx context.Context, role string, processes int) (time.Duration, error) {
	e, err := startEcho(role)
	if err != nil {
		return 0, err
	}
	defer e.stop()
	defer context.AfterFunc(ctx, func() { _ = e.cmd.Process.Kill() })()
	line, err := bufio.NewReader(e.hear).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("the master says %q: %w", line, err)
	}
	var orphans []int
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return 0, fmt.Errorf("process %d of the master: %w", pid, err)
		}
		defer unix.Close(pidfd)
		orphans = append(orphans, pidfd)
	}
	if len(orphans) != processes {
		return 0, fmt.Errorf("the master has %d processes, not %d", len(orphans), processes)
	}
	begin := time.Now()
	if err := unix.Kill(e.cmd.Process.Pid, unix.SIGKILL); err != nil {
		return 0, err
	}
	for _, pidfd := range orphans {
		if err := awaitEnd(pidfd); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// awaitEnd waits until a process has ended.
func awaitEnd(pidfd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(time.Minute/time.Millisecond))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return errors.New("a process outlives its master by a minute")
		}
		return nil
	}
}

func (w *workshop) masterDeath() []row {
	n := max(w.size(50), 5)
	deaths := fmt.Sprintf("the median of %d deaths a round", n)
	return []row{
		{
			name: "master-death", unit: milliseconds,
			title: "from SIGKILL of the master until its two idle workers are gone; " + deaths,
			contenders: []contender{
				oursMasterDeath("tutti, two idle workers", "master", orphanWorkers, n),
				{name: "pidfd tells of a death", kind: floor, round: deathNotice(n)},
			},
			targets: []target{{bound: 100}},
		},
		{
			name: "master-death-commands", unit: milliseconds,
			title: "from SIGKILL of the master until its two workers and the command that each runs are gone; " + deaths,
			contenders: []contender{
				oursMasterDeath("tutti, two workers with a command each", "master-commands", 2*orphanWorkers, n),
				{name: "pidfd tells of a death", kind: floor, round: deathNotice(n)},
			},
			targets: []target{{bound: 1000}},
		},
	}
}
