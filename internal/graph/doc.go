// Package graph reads a file of tasks that wait for each other, and decides which
// of them may start next.
//
// # The file
//
// A line is a task: fields, if any, and then the command, which a shell reads.
//
//	fetch: time: 30  curl -sO https://example.org/data.csv
//	clean: after: fetch  ./clean data.csv
//	after: fetch, clean  ./report
//
// A field is a word that ends with a colon and stands before the command: after:
// is followed by names with commas between, time: by how long the task is expected
// to take, cpus: by how many CPUs it takes, resource: by what else it needs, as in
// gpu=1,license=2, and any other is the name of the task. The first word that is no field
// begins the command; whatever follows, colons too, belongs to it. A command whose
// own first word ends with a colon stands behind "--". Empty lines, and lines that
// begin with #, are remarks.
//
// A line that begins with { and a quote is a JSON object with the same fields, and
// the folder and the environment besides: {"name": "test", "cmd": "make test",
// "after": ["build"], "seconds": 20, "cwd": "src", "env": {"CI": "1"}, "cpus": 4,
// "resource": {"gpu": 1}}. Both kinds
// may stand in one file, and a task may stand before what it waits for.
//
// # The order
//
// Among the tasks that may start the first is the one with the longest way to the
// end: its own time and that of the longest chain of tasks that wait for it. Tasks
// that nothing is known of take one second, so that long chains come first all the
// same. Of equal ones the first in the file is first. Where it cannot start with what
// is free, others may before it: see package resource.
//
// The package decides and never acts.
package graph
