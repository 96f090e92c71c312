package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/nearest"
	"github.com/tutti-run/tutti/ipc"
)

// lookInto looks what is in a space, which must be there.
func lookInto(r spaceRef) (st ipc.Stat, err error) {
	st, err = r.peek()
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no space %q; tutti ipc ls lists them", r.Name)
	}
	return st, err
}

// listSpaces prints the spaces of a folder.
func listSpaces(folder string) error {
	names, err := ipc.Names(ipc.Options{Folder: folder})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSIZE\tOBJECTS\tOPEN IN")
	for _, name := range names {
		st, err := spaceRef{name, folder}.peek()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed this moment
		}
		if err != nil {
			fmt.Fprintf(w, "%s\t-\t-\t(%s)\n", name, oneLine(err))
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", name, bytesText(st.Used), len(shownObjects(st)), membersText(st.Members))
	}
	return w.Flush()
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// shownObjects are those that are not tutti's own.
func shownObjects(st ipc.Stat) []ipc.ObjectStat {
	return slices.DeleteFunc(slices.Clone(st.Objects), func(o ipc.ObjectStat) bool {
		return isOwn(o.Name)
	})
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

func membersText(members []ipc.MemberStat) string {
	var all []string
	for _, m := range members {
		all = append(all, fmt.Sprintf("%s (%d)", m.Name, m.PID))
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ", ")
}

// removeSpaces removes spaces.
func removeSpaces(folder string, names []string, force bool) error {
	var errs []error
	for _, name := range names {
		r := spaceRef{name, folder}
		remove := r.remove
		if force {
			remove = func() error { return ipc.Remove(name, r.options()) }
		}
		err := remove()
		if err != nil && !(force && errors.Is(err, fs.ErrNotExist)) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &exitError{1, err}
	}
	return nil
}

// remove removes a space that nobody has open.
func (r spaceRef) remove() error {
	st, err := lookInto(r)
	switch {
	case errors.Is(err, ipc.ErrNotASpace), errors.Is(err, ipc.ErrVersion):
		return fmt.Errorf("%w; tutti ipc rm -f removes it", err)
	case err != nil:
		return err
	case len(st.Members) > 0:
		return r.inUse(st)
	}
	s, err := enterShellSpace(r)
	if err != nil {
		return err
	}
	defer unix.Close(s.fd)
	defer s.Close()
	// Who comes now waits, and finds it gone.
	if err := flock(s.fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return r.inUse(st)
	}
	if st, err = r.peek(); err != nil {
		return err
	}
	st.Members = slices.DeleteFunc(st.Members, func(m ipc.MemberStat) bool { return m.PID == os.Getpid() })
	if len(st.Members) > 0 {
		return r.inUse(st)
	}
	return ipc.Remove(r.Name, r.options())
}

// removeObjects removes names in a space, which must be there.
func removeObjects(r spaceRef, names []string, force bool) error {
	st, err := lookInto(r)
	if err != nil {
		return &exitError{1, err}
	}
	s, err := enterShellSpace(r)
	if err != nil {
		return &exitError{1, err}
	}
	var errs []error
	for _, name := range names {
		switch err := s.Remove(name); {
		case !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, err)
		case !force:
			errs = append(errs, noObject(r.Name, name, st))
		}
	}
	if err := errors.Join(append(errs, s.leave())...); err != nil {
		return &exitError{1, err}
	}
	return nil
}

// noObject says that a name is not in a space, and which one was probably meant: a
// channel's is written with its kind there.
func noObject(space, name string, st ipc.Stat) error {
	near := ""
	var names []string
	for _, o := range st.Objects {
		if names = append(names, o.Name); strings.HasSuffix(o.Name, ":"+name) {
			near = o.Name
		}
	}
	if near = cmp.Or(near, nearest.Of(name, names)); near != "" {
		near = fmt.Sprintf("; did you mean %q?", near)
	} else {
		near = ";"
	}
	return fmt.Errorf("there is no %q in space %q%s tutti ipc stat %s lists what there is", name, space, near, space)
}

func (r spaceRef) inUse(st ipc.Stat) error {
	in := "another process"
	if len(st.Members) > 0 {
		in = membersText(st.Members)
	}
	return fmt.Errorf("space %q is open in %s; wait for its end, or remove it with -f: who has it goes on with it, and locks do not hold between that and who comes later", r.Name, in)
}

// showSpaces prints what is in spaces.
func showSpaces(folder string, names []string, asJSON bool) error {
	var errs []error
	for i, name := range names {
		st, err := lookInto(spaceRef{name, folder})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		st.Objects = shownObjects(st)
		if asJSON {
			line, err := json.Marshal(struct {
				Name string `json:"name"`
				ipc.Stat
			}{name, st})
			if err == nil {
				_, err = fmt.Printf("%s\n", line)
			}
			errs = append(errs, err)
			continue
		}
		if i > 0 {
			fmt.Println()
		}
		errs = append(errs, writeSpace(os.Stdout, name, st, time.Now()))
	}
	if err := errors.Join(errs...); err != nil {
		return &exitError{1, err}
	}
	return nil
}

// writeSpace says for people what is in a space.
func writeSpace(to io.Writer, name string, st ipc.Stat, now time.Time) error {
	fmt.Fprintf(to, "%s: %s, made %s\n", name, bytesText(st.Used), st.Made.Format(time.DateTime))
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if len(st.Members) > 0 {
		fmt.Fprintln(w, "PROCESS\tPROGRAM\tSINCE")
		for _, m := range st.Members {
			fmt.Fprintf(w, "%d\t%s\t%s\n", m.PID, m.Name, agoText(m.Joined, now))
		}
	}
	if len(st.Objects) > 0 {
		fmt.Fprintln(w, "OBJECT\tKIND\tHELD BY\tWAITING\tREMARKS")
		for _, o := range st.Objects {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", o.Name, o.Kind, claimsText(o, o.Holders, now), claimsText(o, o.Waiters, now), remarks(o))
		}
	}
	return w.Flush()
}

func claimsText(o ipc.ObjectStat, claims []ipc.ClaimStat, now time.Time) string {
	var all []string
	for _, c := range claims {
		text := fmt.Sprint(c.PID)
		if role := roleText(o.Kind, c); role != "" {
			text += " " + role
		}
		if !c.Since.IsZero() {
			text += " for " + agoText(c.Since, now)
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "-"
	}
	return strings.Join(all, ", ")
}

// roleText is what a process does with an object, where that is not one and the same.
func roleText(kind string, c ipc.ClaimStat) string {
	roles := map[string][2]string{ // as c.Exclusive says
		"rwmutex": {"shared", ""}, "byte channel": {"receives", "sends"}, "byte topic": {"reads", "publishes"},
	}[kind]
	switch {
	case kind != "rwmutex" && c.Units != 0: // it waits
		return ""
	case c.Exclusive:
		return roles[1]
	}
	return roles[0]
}

// agoText is how long ago a time was.
func agoText(t, now time.Time) string {
	d := max(now.Sub(t), 0)
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func remarks(o ipc.ObjectStat) string {
	var all []string
	if o.Capacity > 0 {
		size := fmt.Sprintf("%d B", o.MessageBytes)
		if o.MessageBytes >= 1<<10 {
			size = bytesText(o.MessageBytes)
		}
		all = append(all, fmt.Sprintf("%d of %d messages, %s", o.Messages, o.Capacity, size))
	}
	for _, r := range []struct {
		on   bool
		text string
	}{
		{o.OwnerDied, "a holder was killed"}, {o.Lost, "useless since a holder was killed"},
		{o.Closed, "closed"}, {o.Broken, "broken"},
	} {
		if r.on {
			all = append(all, r.text)
		}
	}
	return strings.Join(all, ", ")
}
