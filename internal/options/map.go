package options

// Map is what a command line of tutti map asks for, and what its options mean
// together once [Map.Check] has run. Values that another package reads (rules,
// sizes, durations) are strings here. Fill it with [Define] and a flag set; the
// zero Map has no defaults.
type Map struct {
	Inputs
	Replacement
	Data
	Output
	Show
	Running
	Limits
	Records
	Sem
	Questions

	given map[string]bool // by canonical name
}

// Given reports whether the option with this canonical name stood on the command
// line, in a configuration file or in $PARALLEL; an empty value counts.
func (m *Map) Given(name string) bool { return m.given[name] }

// Inputs says where inputs come from and how they become records.
type Inputs struct {
	ArgFiles      []string // -a, in order; - is standard input
	ArgSep        string   // instead of :::
	ArgFileSep    string   // instead of ::::
	Null          bool     // -0
	Delimiter     string   // -d, escapes unread; look at Given("delimiter")
	ColSep        string   // -C; look at HasColumns
	CSV           bool
	Header        string // --header: ":", a number of lines or a regular expression; "" none
	SkipFirstLine bool
	Link          bool
	MaxArgs       int64  // -n; -1 not given
	ReplaceArgs   int64  // -N: inputs a job, records a block with --pipe; -1 not given
	LinesJoined   int64  // -L and -l: lines a job, lines a record with --pipe; -1 not given
	ManyContext   bool   // -X: as many inputs as fit, the word around {} repeated
	Many          bool   // -m: as many as fit, spread over the slots
	Xargs         bool   // --xargs: as many as fit
	MaxChars      int64  // -s; 0 the system's limit
	ExitTooLong   bool   // -x: one input that does not fit ends the run
	EOF           string // -E, -e: this line ends the input; "" none
	Trim          string // n, l, r, lr or rl
	NoRunIfEmpty  bool
	Shuffle       bool
	Seed          uint64 // for Shuffle and the random Order; look at Given("seed")
	TotalJobs     int64  // how many jobs to expect; 0 unknown
}

// HasColumns reports whether inputs are split into columns at ColSep.
func (m *Map) HasColumns() bool { return m.Given("colsep") || m.CSV || m.Header != "" }

// Replacement says how the command is made of its words and the inputs.
type Replacement struct {
	Replace                                              string // -I, -i: instead of {}; "" means {}
	NoExt, Base, Dir, BaseNoExt, SeqReplace, SlotReplace string // instead of {.} {/} {//} {/.} {#} {%}; "" the usual ones
	Rpl                                                  []string
	Parens                                               string // instead of {==}
	Plus                                                 bool
	Quote                                                bool     // -q
	Templates                                            []string // FILE=NAME
	Cleanup                                              bool     // what they made is removed
	Env                                                  []string // --env: names of variables and functions, or _
}

// Data says how standard input, or a file, is cut into blocks for the jobs.
type Data struct {
	Pipe         bool // also when --cat, --fifo or --group-by ask for it
	PipePart     bool
	Block        string // size, unread
	BlockTimeout string // duration; "" none
	RecStart     string
	RecEnd       string // "\n" where neither was given
	Regexp       bool
	RemoveRecSep bool
	RoundRobin   bool
	Tee          bool
	Cat          bool
	Fifo         bool
	GroupBy      string
	Shard        string
	Bin          string
}

// Output says what becomes of what jobs write.
type Output struct {
	KeepOrder         bool
	NoKeepOrder       bool
	Group             bool
	Ungroup           bool
	LineBuffer        bool // also with LatestLine
	LatestLine        bool
	Tag               bool
	TagString         string // escapes unread; set by Tag where it was not given
	CTag              bool
	CTagString        string
	Color             bool
	ColorFailed       bool
	Files             bool   // print names of files that hold the output
	Files0            bool   // likewise, NUL between
	Results           string // a folder, a template, or a file ending in .csv, .tsv, .json
	Compress          bool
	CompressProgram   string
	DecompressProgram string
	TmpDir            string
	OutputMemory      string // size: what waits in memory; more goes to TmpDir
	DryRun            bool
	Verbose           bool // -t: commands to standard error
	Print             int  // -v: commands to standard output; 2 with what is put around them
	Silent            bool // takes back -v
}

// Show says what a person sees of the run.
type Show struct {
	Bar, Progress, ETA bool
}

// Running says how jobs are run.
type Running struct {
	Jobs                 string   // N, +N, -N, N%, 0 or a file
	JobCPUs              string   // that a job takes, of those of Jobs; look at Given("cpus")
	Resource             []string // NAME=N, that a job takes
	Have                 []string // NAME=N, that there are
	CountBy              string   // of what "CPUs" are counted: threads, cores or sockets
	WorkDir              string   // "" here, "..." a new folder for each job
	Nice                 int      // look at Given("nice")
	SlotVar              string   // environment variable with the slot, from 0; "" none of that name
	TTY                  bool
	OpenTTY              bool
	Interactive          bool
	Retries              string
	Order                string // longest, input, shortest, random; look at Given("order")
	RetryOn              string // ends that are tried again; look at Given("retry-on")
	RetryDelay           string // a duration; "" none
	RetryMaxDelay        string
	Timeout              string // a duration, or percent of the median
	TermSeq              string
	Halt                 string
	Strays               string   // keep or kill
	Quantum              string   // how long a command runs before others have their turn; "" to its end
	Preempt              bool     // a more urgent one takes a slot at once
	Started              int64    // most that are started where they take turns; 0 as many as are usual
	Priority             string   // a template of the number; "" all are as urgent
	Persistent           string   // a program that is started once a slot and given one input after the other; "" none
	Framing              string   // line, nul or length: where its inputs and answers end
	JobServer            string   // auto, off, pipe or fifo
	Arch                 string   // smp or amp; "" what the rest asks for
	WorkerGroups         []string // NAME:COUNT[:VAR=VALUE …]
	useSockets, useCores bool
	gnu, tollef          bool
}

// Limits says when a job may start.
type Limits struct {
	Delay      string
	Load       string
	MemFree    string
	MemSuspend string
	NoSwap     bool
	Limit      string // a command to ask
}

// Records says what is written down about the run, and what is done already.
type Records struct {
	JobLog       string
	Resume       bool
	ResumeFailed bool
	RetryFailed  bool
	NoJournal    bool
}

// Questions are options that are answered at once; no job is run.
type Questions struct {
	Version       bool
	Citation      bool
	MinVersion    int64 // -1 not given: print GNUVersion, exit with 255 where it is lower
	ShowLimits    bool  // does not end the run, as in GNU parallel
	MaxLineLength bool
	CPUs          bool // --number-of-cpus: cores
	Cores         bool
	Sockets       bool
	Threads       bool
	ShellQuote    int // how many times inputs are quoted; 0 not asked for
	RecordEnv     bool
	// ShellCompletion is the shell to print a completion script for; auto: $SHELL.
	ShellCompletion string
}

// GNUVersion is the release of GNU parallel whose command lines are followed,
// and the answer to --minversion.
const GNUVersion = 20221122
