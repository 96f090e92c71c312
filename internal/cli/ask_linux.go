package cli

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
)

// reply is what a person says to a question.
type reply int

const (
	replyNo   reply = iota
	replyYes        // run it
	replyNone       // the run ended before there was one
)

// mayAsk returns why nobody can be asked who should be: else each job would have no for
// an answer.
func (p *plan) mayAsk() error {
	if !p.Interactive || p.DryRun {
		return nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("--interactive asks at the terminal, and there is none (%w); leave it out, or see with --dry-run what would run", err)
	}
	return tty.Close()
}

// ask asks a person whether to run a command, after all that has ended was printed.
// While the question stands nothing else is written to the terminal, so that it is
// the last thing there until it has an answer.
func (r *mapRun) ask(command string) reply {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		r.screen.say("--interactive asks at the terminal, and there is none any more: %v", err)
		return replyNo
	}
	defer tty.Close()
	printed := make(chan struct{})
	r.deliver(&finished{printed: printed})
	<-printed
	if r.screen.ask(tty, command+" ?...") != nil {
		return replyNo
	}
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-r.supply.stop:
			_ = tty.SetReadDeadline(time.Now()) // nobody need answer any more
		case <-answered:
		}
	}()
	line, err := bufio.NewReader(tty).ReadString('\n')
	r.screen.answered(err == nil)
	select {
	case <-r.supply.stop:
		return replyNone
	default:
	}
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y") {
		return replyYes
	}
	return replyNo
}

// question stands on the terminal until it is answered.
type question struct {
	tty  *os.File
	text string // "": none
}

// own waits until nothing stands on the terminal that others may not write below,
// and locks the screen.
func (s *screen) own() {
	s.mu.Lock()
	for s.question.text != "" {
		s.free.Wait()
	}
}

// ask puts a question on the terminal.
func (s *screen) ask(tty *os.File, text string) error {
	s.own()
	defer s.mu.Unlock()
	_ = s.painter.Clear()
	if _, err := tty.WriteString(text); err != nil {
		return err
	}
	s.question = question{tty, text}
	return nil
}

// answered takes the question as answered; ended says that its line has ended, by
// the answer.
func (s *screen) answered(ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ended {
		_, _ = s.question.tty.WriteString("\n")
	}
	s.painter.Wrote([]byte("\n"))
	s.question = question{}
	s.free.Broadcast()
}

// leave takes what is drawn away, for as long as this process is stopped: the shell
// writes below it, and so does the next program.
func (s *screen) leave() {
	s.mu.Lock() // not own: a question does not hold up Ctrl-Z
	defer s.mu.Unlock()
	s.echoedLocked()
	s.away = true
}

// pressed takes away the key that ended the run, which the terminal has shown.
func (s *screen) pressed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.echoedLocked()
}

func (s *screen) echoedLocked() {
	if s.person && s.question.text == "" {
		_ = s.painter.Echoed()
	}
}

// back has the screen drawn again after leave.
func (s *screen) back() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.away {
		return
	}
	s.away = false
	s.painter.Wrote([]byte("\n")) // the shell said what goes on
	if s.question.text != "" {
		_, _ = s.question.tty.WriteString(s.question.text)
	}
}
