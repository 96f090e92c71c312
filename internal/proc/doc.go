// Package proc starts, signals and reaps processes, and knows every process
// that came out of one it started: nothing is left running by accident.
//
// It has two halves. [Start] begins a long-lived worker process and hands out a
// [Process] that is held by a pidfd, so that no signal ever reaches a reused
// process number. [Run] carries one command from start to end inside a worker:
// it captures the output, follows a context, and ends the whole tree when the
// command is stopped.
//
// # What belongs to a command
//
// A process that daemonizes (forks twice and calls setsid) leaves its parent and
// its process group. A worker therefore calls [BecomeSubreaper] once: orphans
// below it become its own children and are found again. They are told apart by,
// in this order:
//
//  1. the mark [MarkVariable] in their environment, which [Run] sets and which
//     is a path: a command run by a command carries its parent's mark as a
//     prefix;
//  2. their process group or session, when one that was seen in the tree;
//  3. exclusion: an orphan without a mark belongs to the only command running.
//
// An orphan that cleared its environment and left its session while several
// commands ran in one worker has no owner by these rules; the last of those
// commands to end claims it, and [KillAllChildren] ends it in any case.
//
// # How a tree ends
//
// Processes are listed, pinned by a pidfd, checked to be still the ones that were
// listed, and stopped, again and again until a pass finds nothing new; only then
// are they killed and waited for, and all this repeats until nothing is left.
// Stopping first is what makes it converge: a stopped process cannot fork away. Who
// is killed in the middle of this leaves the tree to whoever inherits it; where that
// is nobody of ours, since all were killed at once, it stays stopped.
//
// Only processes of our own are ever reaped, each by its pidfd or its number. One
// call looks at all children at once (waitid with P_ALL) but with WNOWAIT, which
// takes nothing away from anybody.
package proc
