package options

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Sources is where options come from besides the command line.
type Sources struct {
	Getenv   func(name string) string
	ReadFile func(name string) ([]byte, error)
}

// Expand brings the command line argv (without the program's name) into a plain
// form that the flag library reads without doubt: every option as --name or
// --name=value by its canonical name, then --, then the command's words. Options
// come from /etc/parallel/config, the config files in $PARALLEL_HOME,
// $XDG_CONFIG_HOME/parallel, $XDG_CONFIG_DIRS and ~/.parallel, ~/.parallelrc (or
// the profiles of -J instead of all these), then $PARALLEL and $PARALLEL_CSH,
// then argv; so what stands later wins. Words that are no options there are put
// before the command.
func Expand(argv []string, from Sources) ([]string, error) {
	argv, wrapped, err := shebang(argv)
	if err != nil {
		return nil, err
	}
	line, err := scan(argv)
	if err != nil {
		return nil, err
	}
	var before []scanned
	if !line.has("plain") {
		if before, err = configured(line.values("profile"), from); err != nil {
			return nil, err
		}
	}
	var flags, words []string
	for _, s := range append(before, line) {
		if s.has("shebang") || s.has("shebang-wrap") {
			return nil, errors.New("option --shebang must be the first word, on the first line of a script: #!/usr/bin/env -S tutti map --shebang")
		}
		flags = append(flags, s.flags...)
		words = append(words, s.rest...)
	}
	if wrapped != nil {
		all := scanned{flags: flags}
		words = append(words, wrapped.words(all.has("pipe") || all.has("pipe-part"))...)
	}
	return append(append(flags, "--"), words...), nil
}

// has reports whether an option stands among the flags.
func (s *scanned) has(name string) bool {
	for _, f := range s.flags {
		if f == "--"+name {
			return true
		}
	}
	return false
}

// values returns what an option was given, each time.
func (s *scanned) values(name string) []string {
	var all []string
	for _, f := range s.flags {
		if v, ok := strings.CutPrefix(f, "--"+name+"="); ok {
			all = append(all, v)
		}
	}
	return all
}

// configured reads the configuration files or profiles, and the environment.
func configured(profiles []string, from Sources) ([]scanned, error) {
	files, err := configLines(profiles, from)
	if err != nil {
		return nil, err
	}
	all := []source{{words: files.words, name: files.name}}
	for _, name := range []string{"PARALLEL", "PARALLEL_CSH"} {
		words, err := splitWords(from.Getenv(name))
		if err != nil {
			return nil, fmt.Errorf("$%s: %w", name, err)
		}
		all = append(all, source{words: words, name: "$" + name})
	}
	var read []scanned
	for _, src := range all {
		s, err := scan(src.words)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", src.name, err)
		}
		for _, name := range []string{"profile", "plain"} { // too late there
			s.drop(name)
		}
		read = append(read, s)
	}
	return read, nil
}

// source is words from somewhere, and where that is.
type source struct {
	name  string
	words []string
}

func (s *scanned) drop(name string) {
	kept := s.flags[:0]
	for _, f := range s.flags {
		if f != "--"+name && !strings.HasPrefix(f, "--"+name+"=") {
			kept = append(kept, f)
		}
	}
	s.flags = kept
}

// configLines returns the words of all configuration files, one after the other.
// As in GNU parallel a config file that cannot be read is as good as none; a
// profile that was asked for must be there.
func configLines(profiles []string, from Sources) (source, error) {
	dirs := configDirs(from.Getenv)
	var all source
	take := func(name string) (bool, error) {
		text, err := from.ReadFile(name)
		if err != nil {
			return false, nil
		}
		words, err := configWords(string(text))
		if err != nil {
			return true, fmt.Errorf("%s, %w", name, err)
		}
		if len(words) > 0 && all.name != "" {
			all.name += ", "
		}
		if len(words) > 0 {
			all.name += name
		}
		all.words = append(all.words, words...)
		return true, nil
	}
	if len(profiles) == 0 {
		names := []string{"/etc/parallel/config"}
		for _, dir := range dirs {
			names = append(names, path.Join(dir, "config"))
		}
		for _, name := range append(names, path.Join(from.Getenv("HOME"), ".parallelrc")) {
			if _, err := take(name); err != nil {
				return all, err
			}
		}
		return all, nil
	}
	for _, profile := range profiles {
		names := []string{profile}
		if !strings.HasPrefix(profile, "/") && !strings.HasPrefix(profile, "./") {
			names = nil
			for _, dir := range dirs {
				names = append(names, path.Join(dir, profile))
			}
		}
		found := false
		for _, name := range names {
			ok, err := take(name)
			if err != nil {
				return all, err
			}
			found = found || ok
		}
		if !found {
			return all, fmt.Errorf("profile %q cannot be read; -J takes a file in ~/.parallel, or a path that begins with / or ./", profile)
		}
	}
	return all, nil
}

// configDirs returns the folders that may hold profiles, in GNU parallel's order.
func configDirs(getenv func(string) string) []string {
	var dirs []string
	if home := getenv("PARALLEL_HOME"); home != "" {
		dirs = append(dirs, home)
	}
	for _, dir := range append([]string{getenv("XDG_CONFIG_HOME")}, strings.Split(getenv("XDG_CONFIG_DIRS"), ":")...) {
		if dir != "" {
			dirs = append(dirs, path.Join(dir, "parallel"))
		}
	}
	return append(dirs, path.Join(getenv("HOME"), ".parallel"))
}

// configWords splits a configuration file into words. Lines that begin with #
// are remarks.
func configWords(text string) ([]string, error) {
	var words []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		more, err := splitWords(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		words = append(words, more...)
	}
	return words, nil
}

// wrapping is a script that runs under --shebang-wrap.
type wrapping struct {
	script string
	args   []string
}

// words returns the script, quoted for the shell, and its arguments as inputs,
// or as files where they are data.
func (w *wrapping) words(data bool) []string {
	words := []string{shellWord(w.script)}
	switch {
	case len(w.args) == 0: // inputs are read from standard input
		return words
	case data:
		words = append(words, "::::")
	default:
		words = append(words, ":::")
	}
	return append(words, w.args...)
}

// shebang rewrites the command line of a script whose first line calls this
// program with --shebang or --shebang-wrap. The kernel hands over all that
// follows the program's name as one word.
func shebang(argv []string) ([]string, *wrapping, error) {
	if len(argv) == 0 {
		return argv, nil, nil
	}
	for _, name := range []string{"--shebang-wrap", "--shebangwrap", "--shebang", "--hashbang"} {
		line, ok := strings.CutPrefix(argv[0], name)
		if !ok || line != "" && line[0] != ' ' {
			continue
		}
		words, err := splitWords(line)
		if err != nil {
			return nil, nil, fmt.Errorf("the first line of the script: %w", err)
		}
		if len(argv) < 2 {
			return nil, nil, fmt.Errorf("option %s is for the first line of a script: #!/usr/bin/env -S tutti map %s", name, name)
		}
		if strings.HasSuffix(name, "wrap") {
			if len(words) == 0 {
				return nil, nil, fmt.Errorf("option %s must stand in one word with its options and the interpreter: #!/usr/bin/env -S tutti map \"%s -k perl\"", name, name)
			}
			return words, &wrapping{script: argv[1], args: argv[2:]}, nil
		}
		last := len(argv) - 1
		words = append([]string{"--skip-first-line", "--arg-file=" + argv[last]}, words...)
		return append(words, argv[1:last]...), nil, nil
	}
	return argv, nil, nil
}

// shellWord quotes a word for the shell if that is needed.
func shellWord(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@%"
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
