// Package tune decides how many workers some work is best run with: what to measure,
// in which order and for how long, what the measurements come to, and what it is that
// limits them.
//
// It only decides. Who runs the commands tells a [Meter] what ended and what the
// machine's counters said; [Judge] turns the trials into a [Report].
//
// # How it is measured
//
// One run of commands goes on from begin to end, and the number of workers changes
// under it, in rounds: each round tries each number once, in a random order, so that
// what comes and goes on the machine, a clock that slows down included, falls on all
// numbers alike. A trial begins when the commands that were started under another
// number have ended. Commands that reach over a trial's ends count for the part of
// their time that lies within it; so a trial need not be long against a command, and
// nothing is rounded to whole commands.
package tune
