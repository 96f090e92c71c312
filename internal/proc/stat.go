package proc

import (
	"bytes"
	"errors"
	"strconv"
)

// procStat is what is used of /proc/PID/stat.
type procStat struct {
	pid     int
	comm    string
	state   byte
	ppid    int
	pgrp    int
	session int
	start   uint64 // clock ticks since boot; with pid it names a process for good
}

var errStat = errors.New("malformed process status line")

// Places in the line after the name in parentheses, counted from 0.
const (
	statState   = 0
	statParent  = 1
	statGroup   = 2
	statSession = 3
	statStart   = 19
)

// parseStat reads a line of /proc/PID/stat. The name in it is the program's own
// choice and may hold spaces, parentheses and newlines, so the last ')' ends it.
func parseStat(line []byte) (procStat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 1 || end < open {
		return procStat{}, errStat
	}
	fields := bytes.Fields(line[end+1:])
	if len(fields) <= statStart || len(fields[statState]) != 1 {
		return procStat{}, errStat
	}
	p := procStat{comm: string(line[open+1 : end]), state: fields[statState][0]}
	for _, f := range []struct {
		text []byte
		into *int
	}{
		{bytes.TrimSpace(line[:open]), &p.pid},
		{fields[statParent], &p.ppid},
		{fields[statGroup], &p.pgrp},
		{fields[statSession], &p.session},
	} {
		n, err := strconv.Atoi(string(f.text))
		if err != nil {
			return procStat{}, errStat
		}
		*f.into = n
	}
	start, err := strconv.ParseUint(string(fields[statStart]), 10, 64)
	if err != nil {
		return procStat{}, errStat
	}
	p.start = start
	return p, nil
}

// appendPIDs appends the numbers of a /proc/PID/task/TID/children file.
func appendPIDs(dst []int, list []byte) []int {
	for field := range bytes.FieldsSeq(list) {
		if n, err := strconv.Atoi(string(field)); err == nil && n > 0 {
			dst = append(dst, n)
		}
	}
	return dst
}

// variable finds name in a block of NUL-separated NAME=value entries.
func variable(block []byte, name string) (value string, ok bool) {
	for entry := range bytes.SplitSeq(block, []byte{0}) {
		if rest, found := bytes.CutPrefix(entry, []byte(name)); found && len(rest) > 0 && rest[0] == '=' {
			return string(rest[1:]), true
		}
	}
	return "", false
}

// counter finds the number that follows key at the start of a line.
func counter(text []byte, key string) (n uint64, ok bool) {
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte(key+" "))
		if !found {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(rest)), 10, 64)
		return n, err == nil
	}
	return 0, false
}
