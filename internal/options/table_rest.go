package options

var recordsTable = []Option{
	{Name: "joblog", Aliases: "jl", Arg: Required, Value: "FILE", Group: GroupRecords, Kind: File, Help: "write a line for each job that has ended",
		field: func(m *Map) any { return &m.JobLog }},
	{Name: "resume", Group: GroupRecords, Help: "leave out the jobs that are in the job log or the results",
		State: Differs, Note: "jobs are known by their command, so inputs may be added or reordered", field: func(m *Map) any { return &m.Resume }},
	{Name: "resume-failed", Aliases: "resumefailed", Group: GroupRecords, Help: "likewise, but run the failed ones again",
		State: Differs, Note: "as `--resume`", field: func(m *Map) any { return &m.ResumeFailed }},
	{Name: "retry-failed", Aliases: "retryfailed", Group: GroupRecords, Help: "run the failed jobs of the job log again, and nothing else",
		field: func(m *Map) any { return &m.RetryFailed }},
	{Name: "no-journal", Group: GroupRecords, State: Ours, Help: "keep no journal of this run: tutti runs and tutti resume will not know it",
		Note: "tutti keeps a journal of each run, with which `tutti resume` goes on after a power cut", field: func(m *Map) any { return &m.NoJournal }},
}

var questionsTable = []Option{
	{Name: "help", Short: "h", Group: GroupQuestions, Help: "this text", State: Differs, Note: "teaches by examples"},
	{Name: "version", Short: "V", Group: GroupQuestions, Help: "what this is", State: Differs, Note: "says tutti's", field: func(m *Map) any { return &m.Version }},
	{Name: "min-version", Aliases: "minversion", Arg: Required, Value: "N", Default: "-1", Group: GroupQuestions,
		Help:  "does this follow GNU parallel of at least this version?",
		State: Differs, Note: "prints 20221122, the release whose command lines are followed; exits with 255 if that is lower", field: func(m *Map) any { return count{&m.MinVersion} }},
	{Name: "shell-quote", Aliases: "shellquote shell_quote", Arg: Counted, Group: GroupQuestions, Help: "print the inputs quoted for the shell; run nothing", field: func(m *Map) any { return &m.ShellQuote }},
	{Name: "show-limits", Aliases: "showlimits", Group: GroupQuestions, Help: "how long a command may be", field: func(m *Map) any { return &m.ShowLimits }},
	{Name: "max-line-length-allowed", Aliases: "maxlinelengthallowed", Group: GroupQuestions, Help: "likewise, as a bare number", field: func(m *Map) any { return &m.MaxLineLength }},
	{Name: "number-of-threads", Aliases: "numberofthreads", Group: GroupQuestions, Help: "CPUs, hyperthreads counted", field: func(m *Map) any { return &m.Threads }},
	{Name: "number-of-cores", Aliases: "numberofcores", Group: GroupQuestions, Help: "cores", field: func(m *Map) any { return &m.Cores }},
	{Name: "number-of-sockets", Aliases: "numberofsockets", Group: GroupQuestions, Help: "sockets", field: func(m *Map) any { return &m.Sockets }},
	{Name: "number-of-cpus", Aliases: "numberofcpus", Group: GroupQuestions, Help: "cores too, an old name", field: func(m *Map) any { return &m.CPUs }},
	{Name: "record-env", Aliases: "recordenv", Group: GroupQuestions, Help: "note the variables of now, for --env _", field: func(m *Map) any { return &m.RecordEnv }},
	{Name: "citation", Aliases: "bibtex", Group: GroupQuestions, State: Differs, Note: "says that tutti asks for no citation", field: func(m *Map) any { return &m.Citation }},
}

// Sentences that several options share.
const (
	oneComputer  = "is for other computers, and tutti runs on one; go there with ssh, as in `tutti map --tag ssh {} COMMAND ::: host1 host2`, or use a cluster's scheduler"
	copyFiles    = "copies files to other computers, and tutti runs on one; make rsync or scp a part of the command"
	noDatabase   = "uses a database; write `--results FILE.csv` and import that, as in `sqlite3 -csv my.db '.import FILE.csv runs'`"
	retiredLong  = "has been retired, in GNU parallel too"
	noCitation   = "tutti asks for no citation"
	readFirst    = "read before all others"
	insideWorker = "is for GNU parallel's own use"
)

var elsewhereTable = []Option{
	{Name: "sshlogin", Short: "S", Arg: Required, Group: GroupHosts, State: Refused, only: ":", Note: oneComputer},
	{Name: "sshloginfile", Aliases: "slf", Arg: Required, Group: GroupHosts, State: Refused, Note: oneComputer},
	{Name: "onall", Group: GroupHosts, State: Refused, Note: oneComputer},
	{Name: "nonall", Group: GroupHosts, State: Refused, Note: oneComputer},
	{Name: "filter-hosts", Aliases: "filterhosts filter-host", Group: GroupHosts, State: Refused, Note: oneComputer},
	{Name: "hostgroups", Aliases: "hostgroup hostgrp hgrp", Group: GroupHosts, State: Refused, Note: oneComputer},
	{Name: "ssh", Arg: Required, Group: GroupHosts, State: Refused, Note: oneComputer},
	{Name: "ssh-delay", Aliases: "sshdelay", Arg: Required, Group: GroupHosts, State: Refused, Note: oneComputer},
	{Name: "controlmaster", Short: "M", Group: GroupHosts, State: Refused, Note: oneComputer},
	{Name: "transfer", Group: GroupHosts, State: Refused, Note: copyFiles},
	{Name: "transfer-file", Aliases: "transferfile transfer-files transferfiles tf", Arg: Required, Group: GroupHosts, State: Refused, Note: copyFiles},
	{Name: "return", Arg: Required, Group: GroupHosts, State: Refused, Note: copyFiles},
	{Name: "trc", Arg: Required, Group: GroupHosts, State: Refused, Note: copyFiles},
	{Name: "basefile", Aliases: "bf", Arg: Required, Group: GroupHosts, State: Refused, Note: copyFiles},
	{Name: "rsync-opts", Aliases: "rsyncopts", Arg: Required, Group: GroupHosts, State: Refused, Note: copyFiles},

	{Name: "semaphore", Group: GroupSemaphore, Help: "run one command under a semaphore, as tutti sem does", State: Differs, Note: "as `tutti sem`, see [ipc.md](ipc.md)", field: func(m *Map) any { return &m.Semaphore }},
	{Name: "semaphore-name", Aliases: "semaphorename id name", Arg: Required, Value: "NAME", Group: GroupSemaphore, Help: "… which one; that of the terminal if not said", State: Differs,
		Note: "it lies in shared memory, not in ~/.parallel", field: func(m *Map) any { return &m.SemaphoreName }},
	{Name: "semaphore-timeout", Aliases: "semaphoretimeout st", Arg: Required, Value: "TIME", Group: GroupSemaphore, Help: "… run it anyway after this time, or with a minus give up", field: func(m *Map) any { return &m.SemaphoreTimeout }},
	{Name: "fg", Group: GroupSemaphore, Help: "… and return when it has ended", State: Differs, Note: "where the terminal is standard input the command has it, as with `-u`", field: func(m *Map) any { return &m.Foreground }},
	{Name: "bg", Group: GroupSemaphore, Help: "… and return as soon as it may run (the default)", field: func(m *Map) any { return &m.Background }},
	{Name: "wait", Group: GroupSemaphore, Help: "… run nothing; return when no command runs", State: Differs, Note: "waits until no command runs, whatever `-j` says", field: func(m *Map) any { return &m.Wait }},
	{Name: "space", newer: true, Arg: Required, Value: "NAME", Group: GroupSemaphore, Help: "… the shared memory that it lies in", State: Ours, Note: "the shared memory that the semaphore lies in, see [ipc.md](ipc.md)", field: func(m *Map) any { return &m.Space }},

	{Name: "profile", Short: "J", Arg: Required, Value: "NAME", Group: GroupRest, Kind: File, Help: "take options from ~/.parallel/NAME, not from config",
		State: Differs, Note: "inside a profile or `$PARALLEL` it is passed over, as in GNU parallel"},
	{Name: "plain", Group: GroupRest, Help: "take none from profiles, config and $PARALLEL"},
	{Name: "shebang", Aliases: "hashbang", Group: GroupRest, State: Differs, Help: "as a script's first line: the rest are the inputs", Note: "must be the first word, as in GNU parallel"},
	{Name: "shebang-wrap", Aliases: "shebangwrap", Group: GroupRest, State: Differs, Help: "likewise: the script runs once for each argument", Note: "must be the first word; arguments with blanks in them stay whole"},
	{Name: "gnu", Group: GroupRest, State: NoEffect, Note: "this is the only way", field: func(m *Map) any { return &m.gnu }},
	{Name: "tollef", Group: GroupRest, State: Refused, Note: retiredLong + "; moreutils' way is `tutti map COMMAND ::: inputs`", field: func(m *Map) any { return &m.tollef }},
	{Name: "will-cite", Aliases: "willcite nn nonotice no-notice", Group: GroupRest, State: NoEffect, Note: noCitation},
	{Name: "unsafe", newer: true, Group: GroupRest, State: NoEffect, Note: "of newer releases; values are always quoted"},
	{Name: "session", Group: GroupRest, State: Refused, Note: "is for env_parallel; export what commands need, as in `export -f myfunction`"},
	{Name: "embed", Group: GroupRest, State: Refused, Note: "puts GNU parallel into a script; tutti is one file without dependencies: copy it beside the script"},
	{Name: "combine-executable", newer: true, Aliases: "combineexec combine", Arg: Required, Group: GroupRest, State: Refused, Note: "is not there; tutti is one file without dependencies: copy it beside the program"},
	{Name: "shell-completion", Aliases: "shellcompletion", Arg: Required, Value: "SHELL", Words: []string{"bash", "zsh", "fish", "auto"}, Group: GroupQuestions,
		Help: "print what completes command lines in bash, zsh or fish", field: func(m *Map) any { return &m.ShellCompletion }},
	{Name: "sql", Arg: Required, Group: GroupRest, State: Refused, Note: noDatabase},
	{Name: "sql-master", Aliases: "sqlmaster", Arg: Required, Group: GroupRest, State: Refused, Note: noDatabase},
	{Name: "sql-worker", Aliases: "sqlworker", Arg: Required, Group: GroupRest, State: Refused, Note: noDatabase},
	{Name: "sql-and-worker", Aliases: "sqlandworker", Arg: Required, Group: GroupRest, State: Refused, Note: noDatabase},
	{Name: "_parset", Arg: Required, Group: GroupRest, State: Refused, Note: "is for parset, which is not there; in bash write `mapfile -t name < <(tutti map -k …)`"},
	{Name: "debug", Short: "D", Arg: Required, Group: GroupRest, State: Refused, Note: "is for GNU parallel's own makers; see what would run with `--dry-run`, what runs with `-v`"},
	{Name: "_pipe-means-argfiles", Group: GroupRest, State: Refused, Note: insideWorker},
	{Name: "_test", Arg: Required, Group: GroupRest, State: Refused, Note: insideWorker},
	{Name: "bug", Group: GroupRest, State: Refused, Note: insideWorker},
	{Name: "ctrl-c", Aliases: "ctrlc", Group: GroupRest, State: Refused, Note: retiredLong + "; Ctrl-C ends the run"},
	{Name: "no-ctrl-c", Aliases: "no-ctrlc noctrlc", Group: GroupRest, State: Refused, Note: retiredLong + "; Ctrl-C ends the run"},
	{Name: "g", Short: "g", Group: GroupRest, State: Refused, Note: retiredLong + "; use `--group`"},
	{Name: "B", Short: "B", Arg: Required, Group: GroupRest, State: Refused, Note: retiredLong + ", and " + copyFiles},
	{Name: "T", Short: "T", Group: GroupRest, State: Refused, Note: retiredLong + "; use `--tty`"},
	{Name: "U", Short: "U", Arg: Required, Group: GroupRest, State: Refused, Note: retiredLong + "; use `--er`"},
	{Name: "W", Short: "W", Arg: Required, Group: GroupRest, State: Refused, Note: retiredLong + "; use `--wd`"},
	{Name: "Y", Short: "Y", Group: GroupRest, State: Refused, Note: retiredLong + "; use `--shebang`"},
	{Name: "H", Short: "H", Arg: Required, Group: GroupRest, State: Refused, Note: retiredLong + "; use `--halt`"},
}
