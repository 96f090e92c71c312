package options

import (
	"errors"
	"fmt"
	"strings"
)

// Check refuses what makes no sense together, and then settles what options
// imply: after it the fields of m say all, and nobody need know that --group-by
// means --pipe. Call it once, after the flags were read.
func (m *Map) Check() error {
	m.settleFirst()
	for _, check := range []func() error{m.checkOutput, m.checkPipe, m.checkRecords, m.checkResources, m.checkPersistent, m.checkTurns, m.checkGroups, m.checkRest} {
		if err := check(); err != nil {
			return err
		}
	}
	m.settleLast()
	return nil
}

// settleFirst does what checks look at.
func (m *Map) settleFirst() {
	if m.NoKeepOrder {
		m.KeepOrder = false
	}
	if m.DryRun { // there is nothing to mix
		m.Ungroup, m.LineBuffer, m.LatestLine = false, false, false
	}
	if (m.Cat || m.Fifo || m.Given("group-by")) && !m.PipePart {
		m.Pipe = true
	}
}

// settleLast gives what was left out the value that other options suggest.
func (m *Map) settleLast() {
	if m.TTY {
		if !m.Given("jobs") {
			m.Jobs = "1"
		}
		m.Ungroup = m.Ungroup || !m.Group && !m.LineBuffer && !m.DryRun
	}
	if m.Tee && !m.Given("jobs") {
		m.Jobs = "0"
	}
	m.CountBy = "threads"
	switch {
	case m.useCores:
		m.CountBy = "cores"
	case m.useSockets:
		m.CountBy = "sockets"
	}
	if m.CTag || m.Given("ctagstring") {
		m.Color = true
	}
	if !m.Given("tagstring") && m.Given("ctagstring") {
		m.TagString = m.CTagString
	}
	m.Tag = m.Tag || m.CTag
	if m.Tag && m.TagString == "" {
		m.TagString = "{}"
		if m.Replace != "" {
			m.TagString = m.Replace
		}
	}
	m.LineBuffer = m.LineBuffer || m.LatestLine
	m.Compress = m.Compress || m.CompressProgram != ""
	if m.Compress && m.CompressProgram != "" && m.DecompressProgram == "" {
		m.DecompressProgram = m.CompressProgram + " -dc"
	}
	if m.Silent {
		m.Print = 0
	}
	m.Verbose = m.Verbose || m.Interactive
	m.settleInputs()
}

func (m *Map) settleInputs() {
	if !m.Given("trim") {
		m.Trim = "n"
		if m.Given("colsep") {
			m.Trim = "lr"
		}
	}
	if !m.Given("colsep") {
		switch {
		case m.CSV:
			m.ColSep = ","
		case m.Header != "":
			m.ColSep = "\t"
		}
	}
	if !m.Given("recstart") && !m.Given("recend") {
		m.RecEnd = "\n"
	}
}

// clash is the error for two options that cannot both be followed.
func clash(a, b, why string) error {
	return fmt.Errorf("%s and %s cannot go together: %s; leave one of them out", a, b, why)
}

func (m *Map) checkOutput() error {
	switch {
	case m.Group && m.Ungroup:
		return clash("--group", "--ungroup", "one holds output back and the other does not")
	case m.Group && (m.LineBuffer || m.LatestLine):
		return clash("--group", "--line-buffer", "one prints whole jobs and the other single lines")
	case m.Ungroup && (m.LineBuffer || m.LatestLine):
		return clash("--ungroup", "--line-buffer", "one does not look at output and the other at each line")
	case m.Ungroup && m.KeepOrder:
		return errors.New("-k orders output, and with -u output is not looked at; leave one of them out, or say --no-keep-order")
	case m.Ungroup && (m.Tag || m.CTag || m.Given("tagstring") || m.Given("ctagstring")):
		return errors.New("--tag marks whole lines, and with -u output is not looked at; say --line-buffer in place of -u")
	case m.Ungroup && (m.Files || m.Files0):
		return errors.New("--files keeps the output, and with -u output is not looked at; leave one of them out")
	case m.Given("results") && m.Results == "":
		return errors.New("--results \"\": no name; say a folder, a name with {} in it, or FILE.csv, FILE.tsv, FILE.json")
	}
	return nil
}

func (m *Map) checkPipe() error {
	reads := m.Pipe || m.PipePart
	for _, o := range []struct {
		on   bool
		name string
	}{{m.RoundRobin, "--round-robin"}, {m.Tee, "--tee"}, {m.Given("shard"), "--shard"}, {m.Given("bin"), "--bin"}} {
		if o.on && !reads {
			return fmt.Errorf("%s hands out blocks of standard input, and nothing says that they are wanted; add --pipe", o.name)
		}
	}
	switch {
	case m.Fifo && m.Cat:
		return clash("--fifo", "--cat", "{} is either a named pipe or a file")
	case (m.Given("retries") || m.Given("retry-on")) && m.RoundRobin:
		return clash("--retries", "--round-robin", "what a job has read cannot be given to another")
	case m.Shuffle && m.Pipe && !m.Tee:
		return clash("--shuf", "--pipe", "one orders inputs and the other reads data")
	case m.Pipe && m.PipePart:
		return clash("--pipe", "--pipe-part", "one cuts standard input and the other the files of -a")
	case m.PipePart && (m.LinesJoined >= 0 || m.ReplaceArgs >= 0):
		return errors.New("--pipe-part does not count records, and -L, -l and -N do; leave them out, or use --pipe and < FILE")
	case m.Given("group-by") && (m.RemoveRecSep || m.RecStart != "" || m.Given("recend") && m.RecEnd != "\n"):
		return errors.New("--group-by takes lines for records; leave out --recstart, --recend and --remove-rec-sep")
	case several(m.RoundRobin, m.Tee, m.Given("shard"), m.Given("bin")):
		return errors.New("--round-robin, --tee, --shard and --bin each say which job reads what; leave all but one out")
	case m.Tee && (m.ReplaceArgs >= 0 || m.LinesJoined >= 0):
		return errors.New("--tee gives everything to every job, and -N and -L cut it into parts; leave one of them out")
	case m.Given("block") && strings.HasPrefix(m.Block, "-") && !m.PipePart:
		return fmt.Errorf("--block %s: so many blocks a slot can be made only of files; use --pipe-part -a FILE", m.Block)
	}
	return nil
}

// several reports whether more than one holds.
func several(all ...bool) bool {
	n := 0
	for _, b := range all {
		if b {
			n++
		}
	}
	return n > 1
}

func (m *Map) checkRecords() error {
	switch {
	case m.Given("joblog") && m.JobLog == "":
		return errors.New("--joblog \"\": no name; say a file")
	case m.RetryFailed && m.JobLog == "":
		return errors.New("--retry-failed finds the failed jobs in the job log; name it with --joblog FILE")
	case (m.Resume || m.ResumeFailed) && m.JobLog == "" && m.Results == "":
		return errors.New("--resume and --resume-failed read what is done in the job log or in the results; name one with --joblog FILE or --results DIR")
	case m.ResumeFailed && m.JobLog == "":
		return errors.New("--resume-failed reads in the job log what failed; name it with --joblog FILE")
	}
	return nil
}

// checkResources refuses to have jobs wait for each other that all read at once.
func (m *Map) checkResources() error {
	for _, o := range []struct {
		on   bool
		name string
	}{{m.RoundRobin, "--round-robin"}, {m.Tee, "--tee"}, {m.Given("shard"), "--shard"}, {m.Given("bin"), "--bin"}} {
		if o.on && len(m.Resource) > 0 {
			return clash("--resource", o.name, "jobs that all read at the same time cannot wait for each other's")
		}
	}
	if m.Tee && m.Given("cpus") {
		return clash("--cpus", "--tee", "there all jobs run at the same time")
	}
	return nil
}

func (m *Map) checkRest() error {
	switch {
	case m.tollef && !m.gnu:
		return index().byName["tollef"].refusal()
	case m.Null && m.Given("delimiter") && m.Delimiter != `\0`:
		return clash("-0", "-d", "inputs end with one thing")
	case m.ArgSep == "" || m.ArgFileSep == "":
		return errors.New("--arg-sep and --arg-file-sep need a word; say one that the command does not hold")
	case m.ArgSep == m.ArgFileSep:
		return fmt.Errorf("--arg-sep and --arg-file-sep are both %q; say two words", m.ArgSep)
	case m.Given("seed") && !m.Shuffle && m.Order != "random":
		return errors.New("--seed chooses a random order, and none was asked for; add --shuf or --order random")
	case m.Given("order") && m.Shuffle:
		return clash("--order", "--shuf", "each says in which order jobs start")
	case m.Given("order") && m.Interactive:
		return clash("--order", "--interactive", "questions come in the order of the inputs")
	case m.Given("order") && (m.Pipe || m.PipePart):
		return clash("--order", "--pipe", "blocks start as they are read")
	case m.Given("retry-on") && m.Given("retries") && m.Retries == "1":
		return clash("--retry-on", "--retries 1", "one says what is tried again and the other that nothing is")
	case m.useCores && m.useSockets:
		return errors.New("CPUs are either cores or sockets; leave one of the --use-… options out")
	}
	return m.checkTemplates()
}

func (m *Map) checkTemplates() error {
	for _, t := range m.Templates {
		file, name, ok := strings.Cut(t, "=")
		if !ok || file == "" || name == "" {
			return fmt.Errorf("--template %q: say FILE=NAME, the file to fill in and what stands for it in the command", t)
		}
	}
	if m.Given("process-slot-var") && !isVariable(m.SlotVar) {
		return fmt.Errorf("--process-slot-var %q: not the name of a variable; say letters, digits and _, no digit first", m.SlotVar)
	}
	return nil
}

// isVariable reports whether s can be the name of a variable in the environment.
func isVariable(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// checkPersistent refuses what makes no sense for a program that runs on from input to
// input.
func (m *Map) checkPersistent() error {
	if !m.Given("persistent") {
		if m.Given("framing") {
			return errors.New("--framing says where inputs of a program end that runs on, and there is none; name it with --persistent PROGRAM")
		}
		return nil
	}
	if strings.TrimSpace(m.Persistent) == "" {
		return errors.New("--persistent \"\": no program; say one, as in --persistent 'python3 infer.py'")
	}
	for _, o := range []struct{ why, names string }{
		{"its inputs are the jobs, and are given to it one by one", "pipe pipe-part cat fifo group-by m X xargs quote shell-quote"},
		{"it is started once, and not for each job", "interactive template cleanup delay load memfree memsuspend noswap limit"},
		{"its standard input and output are for its inputs and answers", "ungroup tty open-tty"},
		{"the job log has commands that can be run by themselves; leave --persistent out", "retry-failed"},
	} {
		for name := range strings.FieldsSeq(o.names) {
			if m.Given(name) {
				return clash("--persistent", index().byName[name].Spelling(), o.why)
			}
		}
	}
	return nil
}

// checkTurns refuses what makes no sense where commands are suspended for others.
func (m *Map) checkTurns() error {
	const all, suspending = "quantum preempt priority", "quantum preempt"
	for _, o := range []struct{ turns, why, names string }{
		{all, "its programs run on from job to job", "persistent"},
		{all, "these jobs all read at the same time", "round-robin tee shard bin"},
		{all, "there is one terminal, and who has it keeps it", "tty open-tty"},
		{all, "it decides too what is suspended", "memsuspend"},
		{suspending, "who is suspended keeps what it has, and who has its slot may wait for that", "cpus resource"},
	} {
		for turns := range strings.FieldsSeq(o.turns) {
			for name := range strings.FieldsSeq(o.names) {
				if m.Given(turns) && m.Given(name) {
					return clash("--"+turns, index().byName[name].Spelling(), o.why)
				}
			}
		}
	}
	return nil
}

// checkGroups refuses what makes no sense with workers of different kinds.
func (m *Map) checkGroups() error {
	if len(m.WorkerGroups) == 0 {
		return nil
	}
	if m.Arch == "smp" {
		return clash("--worker-group", "--arch smp", "where all workers are equal there are no kinds of them")
	}
	for _, o := range []struct{ why, names string }{
		{"its COUNT says how many jobs run at once", "jobs"},
		{"the master talks to programs itself", "persistent"},
		{"all jobs must run at once", "round-robin tee shard bin"},
		{"each worker has one job at a time, a suspended one too", "quantum preempt"},
	} {
		for name := range strings.FieldsSeq(o.names) {
			if m.Given(name) {
				return clash("--worker-group", index().byName[name].Spelling(), o.why)
			}
		}
	}
	return nil
}

// Notes returns what a person should know of options that can be followed but
// change nothing, a line each. They are no errors, since profiles hold options
// for several uses.
func (m *Map) Notes() []string {
	var notes []string
	if !m.Pipe && !m.PipePart {
		for _, name := range []string{"block", "block-timeout", "recstart", "recend", "regexp", "remove-rec-sep"} {
			if m.Given(name) {
				notes = append(notes, fmt.Sprintf("--%s changes nothing without --pipe or --pipe-part", name))
			}
		}
	}
	if m.Given("retry-delay") && !m.Given("retry-on") && m.Retries == "1" {
		notes = append(notes, "--retry-delay changes nothing without --retries or --retry-on")
	}
	if m.Given("order") && m.DryRun {
		notes = append(notes, "--order changes nothing with --dry-run: commands are printed in the order of the inputs")
	}
	if m.Ungroup && (m.Color || m.ColorFailed || m.Compress) {
		notes = append(notes, "--color, --color-failed and --compress change nothing with -u: output is not looked at")
	}
	return notes
}
