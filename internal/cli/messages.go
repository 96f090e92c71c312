package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// What tutti chan and tutti topic have in common: how messages are read, how they are
// written, and the options about that.

// exitMissed is the exit code of a reader that got to the end and was too slow.
const exitMissed = 3

// sendCall is one call of tutti chan send or tutti topic pub.
type sendCall struct {
	topic  bool
	space  spaceRef
	name   string
	values []string // "" none: what is on standard input
	cut    cutting
	size   int
	give   time.Duration // until it waits no longer for room; 0: never
	end    bool
}

// recvCall is one call of tutti chan recv or tutti topic sub.
type recvCall struct {
	topic  bool
	space  spaceRef
	name   string
	size   int
	give   time.Duration // until it waits no longer for a message; 0: never
	most   int           // messages; 0: all
	oldest bool
	end    string // what is written behind each
}

// messageFlags are the options that several of the commands have.
type messageFlags struct {
	space, timeout, size, count string
	null, raw                   bool
}

// object is what a channel or topic is in its space.
func messageObject(topic bool, name string) string {
	if topic {
		return topicPrefix + name
	}
	return chanPrefix + name
}

func messageWord(topic bool) string {
	if topic {
		return "topic"
	}
	return "channel"
}

// readName reads the name of a channel or topic, the first of args.
func readName(cmd *cobra.Command, topic bool, args []string, example string) (string, error) {
	if dash := cmd.ArgsLenAtDash(); len(args) == 0 || dash == 0 {
		return "", fmt.Errorf("say which %s, as in: %s", messageWord(topic), example)
	}
	if name := args[0]; name != "" && len(name) <= objectNameMax {
		return name, nil
	}
	return "", fmt.Errorf("%s %q: say a name of 1 to %d bytes", messageWord(topic), args[0], objectNameMax)
}

// number reads the value of an option that counts.
func number(option, text string, most int) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s %q: say how many messages, 1 to %d", option, text, most)
	}
	return n, nil
}

// cutting is how standard input is cut into messages.
type cutting int

const (
	cutLines cutting = iota
	cutNull
	cutNone // all of it is one
)

// cutter reads messages from a stream.
type cutter struct {
	from  *bufio.Reader
	cut   cutting
	most  int // bytes of one
	ended bool
}

func newCutter(r io.Reader, cut cutting, most int) *cutter {
	return &cutter{from: bufio.NewReaderSize(r, 64<<10), cut: cut, most: most}
}

// errTooLong is about a message that is longer than can be.
var errTooLong = errors.New("too long")

// next returns the next message, or io.EOF. What is behind the last end is one more if
// there is anything.
func (c *cutter) next() ([]byte, error) {
	if c.ended {
		return nil, io.EOF
	}
	if c.cut == cutNone {
		return c.whole()
	}
	end := byte('\n')
	if c.cut == cutNull {
		end = 0
	}
	var msg []byte
	for {
		piece, err := c.from.ReadSlice(end)
		msg = append(msg, piece...)
		if err == nil {
			msg = msg[:len(msg)-1]
		}
		switch {
		case len(msg) > c.most:
			return nil, errTooLong
		case err == nil:
			return msg, nil
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(msg) > 0:
			c.ended = true
			return msg, nil
		default:
			return nil, err
		}
	}
}

// whole reads all there is as one message.
func (c *cutter) whole() ([]byte, error) {
	c.ended = true
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(c.from, int64(c.most)+1))
	if err == nil && n > int64(c.most) {
		err = errTooLong
	}
	return b.Bytes(), err
}

// countText is a number of messages, for people.
func countText(n int) string {
	switch n {
	case 0:
		return "no messages were"
	case 1:
		return "1 message was"
	}
	return fmt.Sprintf("%d messages were", n)
}
