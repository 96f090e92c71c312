package jobserver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Auth says where a pool of tokens is.
type Auth struct {
	Fifo        string // its path; "": descriptors
	Read, Write int
	Jobs        int // that the pool allows at once; 0: not known
}

// FlagsVariable is the environment variable that tells of a pool.
const FlagsVariable = "MAKEFLAGS"

const authFlag, fdsFlag, fifoPrefix = "--jobserver-auth=", "--jobserver-fds=", "fifo:"

// isAuth reports whether a word of MAKEFLAGS names a pool, and what it says of it.
func isAuth(word string) (value string, ok bool) {
	for _, flag := range []string{authFlag, fdsFlag} { // the second is make's before 4.2
		if value, ok = strings.CutPrefix(word, flag); ok {
			return value, true
		}
	}
	return "", false
}

// Parse reads MAKEFLAGS. found says that a pool is named there, err that it is not
// for this process, or how it is named wrongly.
func Parse(flags string) (a Auth, found bool, err error) {
	value := ""
	options, _ := split(flags)
	for _, word := range options {
		if v, ok := isAuth(word); ok {
			value, found = v, true
		} else if n, ok := strings.CutPrefix(word, "-j"); ok {
			if jobs, err := strconv.Atoi(n); err == nil && jobs > 0 {
				a.Jobs = jobs
			}
		}
	}
	if !found {
		return Auth{}, false, nil
	}
	if path, ok := strings.CutPrefix(value, fifoPrefix); ok {
		if a.Fifo = path; path == "" {
			return a, true, errors.New("the fifo has no name")
		}
		return a, true, nil
	}
	read, write, _ := strings.Cut(value, ",")
	if a.Read, err = strconv.Atoi(read); err == nil {
		a.Write, err = strconv.Atoi(write)
	}
	if err != nil {
		return a, true, fmt.Errorf("%q is neither two descriptors nor a fifo", value)
	}
	if a.Read < 0 || a.Write < 0 {
		return a, true, errors.New("its descriptors were not handed to this process")
	}
	return a, true, nil
}

// split gives the options in MAKEFLAGS, and what follows them: the definitions of
// variables, in which a blank stands behind a backslash.
func split(flags string) (options []string, variables string) {
	for {
		flags = strings.TrimLeft(flags, " \t\n")
		word := flags
		if end := strings.IndexAny(flags, " \t\n"); end >= 0 {
			word = flags[:end]
		}
		flags = flags[len(word):]
		if word == "" || word == "--" {
			return options, strings.TrimLeft(flags, " \t\n")
		}
		options = append(options, word)
	}
}

// Flags is MAKEFLAGS that names this pool, and is as it was otherwise.
func (a Auth) Flags(flags string) string {
	var all []string
	options, variables := split(flags)
	for _, word := range options {
		_, auth := isAuth(word)
		number, jobs := strings.CutPrefix(word, "-j")
		if !auth && !(jobs && strings.Trim(number, "0123456789") == "") {
			all = append(all, word)
		}
	}
	if len(all) == 0 || strings.HasPrefix(all[0], "-") {
		all = append([]string{""}, all...) // a first word without a dash would be letters
	}
	where := fmt.Sprintf("%d,%d", a.Read, a.Write)
	if a.Fifo != "" {
		where = fifoPrefix + a.Fifo
	}
	text := strings.Join(append(all, fmt.Sprintf("-j%d", a.Jobs), authFlag+where), " ")
	if variables != "" {
		text += " -- " + variables
	}
	return text
}

// Tokens are n tokens, as make writes them.
func Tokens(n int) string { return strings.Repeat("+", n) }
