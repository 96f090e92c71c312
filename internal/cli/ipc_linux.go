package cli

import (
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

	"github.com/tutti-run/tutti/ipc"
)

// lookInto looks what is in a space, which must be there.
func lookInto(r spaceRef) (st ipc.Stat, err error) {
	names, err := ipc.Names(ipc.Options{Folder: r.Folder})
	if err != nil {
		return st, err
	}
	if !slices.Contains(names, r.Name) {
		return st, fmt.Errorf("there is no space %q; tutti ipc ls lists them", r.Name)
	}
	s, err := ipc.OpenWith(r.Name, 0, r.options())
	if err != nil {
		return st, err
	}
	st, err = s.Stat()
	st.Members = others(st)
	return st, errors.Join(err, s.Close())
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
		st, err := lookInto(spaceRef{name, folder})
		if err != nil {
			fmt.Fprintf(w, "%s\t-\t-\t(%s)\n", name, oneLine(err))
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", name, bytesText(st.Bytes), len(shownObjects(st)), membersText(st.Members))
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
		if !force {
			if err := removable(r); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		if err := ipc.Remove(name, r.options()); err != nil && !(force && errors.Is(err, fs.ErrNotExist)) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &exitError{1, err}
	}
	return nil
}

// removable reports why a space is not to be removed.
func removable(r spaceRef) error {
	st, err := lookInto(r)
	switch {
	case errors.Is(err, ipc.ErrNotASpace), errors.Is(err, ipc.ErrVersion):
		return fmt.Errorf("%w; tutti ipc rm -f removes it", err)
	case err != nil:
		return err
	case len(st.Members) > 0:
		return fmt.Errorf("space %q is open in %s; wait for their end, or remove it with -f: they go on with it, and locks do not hold between them and who comes later", r.Name, membersText(st.Members))
	}
	return nil
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
	fmt.Fprintf(to, "%s: %s, made %s\n", name, bytesText(st.Bytes), st.Made.Format(time.DateTime))
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
		if !c.Exclusive && o.Kind == "rwmutex" {
			text += " shared"
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
