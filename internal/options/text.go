package options

// Usage are the ways to call map.
const Usage = `tutti map [options] command [arguments] ::: inputs…
… | tutti map [options] command [arguments]
… | tutti map --pipe [options] command [arguments]`

// Long says what map does. It is part of --help and of the man page.
const Long = `Run a command once for each input, on all cores at the same time.

A command that contains {} has it replaced by the input, else the input is
appended. Inputs stand behind ::: or, one a line, in files behind :::: or on
standard input; several sources give every combination, and :::+ goes through
two side by side. Values are quoted for the shell: a file named 'a b;rm -rf x'
is only a name.

  {}    the input            {.}   without its extension  {#}  the job's number
  {/}   without its folder   {//}  its folder             {%}  its slot, from 1
  {/.}  without either       {1} {2/} {-1.} {name} …  of one source or column

The output of each job is printed whole when the job has ended. Options, syntax
and exit codes are GNU parallel's, and so are ~/.parallel/config and $PARALLEL;
docs/gnu.md lists what is different.`

// Example teaches by ten examples.
const Example = `  # compress every log on all cores; options end at the command's first word
  tutti map gzip -9kf ::: some/dir/*.log
  # quote a command that uses the shell; {.} is the name without extension
  tutti map 'ffmpeg -i {} {.}.mp4 2>{.}.err' ::: *.mov
  # any bytes in names; as many to a command as fit
  find . -name '*.png' -print0 | tutti map -0 -X optipng
  # every combination; see what would run
  tutti map --dry-run 'train --rate {1} --depth {2}' ::: 0.1 0.01 ::: 3 5 7
  # inputs from a file, four at a time, output in their order, each line tagged
  tutti map -j4 -k --tag 'curl -s {}' :::: urls.txt
  # columns by name
  tutti map --header : --csv 'adduser {login} {group}' :::: people.csv
  # cut a large file into parts of whole lines, a part for each job
  tutti map --pipe-part -a access.log --block 100M 'grep -c " 500 "'
  # end what takes over two minutes, try three times, stop at the first failure
  tutti map --timeout 2m --retries 3 --halt now,fail=1 ./check :::: hosts
  # note what is done; after a crash, the same line does only the rest
  tutti map --joblog runs.log --resume --progress ./simulate ::: seed-{1..1000}
  # a function of your bash, and everything it printed as a table
  export -f measure; tutti map --results out.csv measure ::: alpha beta`

// After says how a run ends. It is part of --help and of the man page.
const After = `The exit code is the number of jobs that failed, 101 if more than 100, 255 for
wrong usage or an error of tutti's own, 128 + signal after Ctrl-C, SIGTERM or
SIGHUP. Ctrl-C starts nothing more and ends the running commands, with SIGKILL
if need be; a second one kills at once. SIGUSR1 lists what runs.

Commands see PARALLEL_SEQ, PARALLEL_JOBSLOT and PARALLEL_PID as in GNU parallel,
and TUTTI_JOB, a mark to find their processes by.`
