// Package resource decides which of the tasks that are ready may start with what is
// free: CPUs, GPUs, licences and other things of which there are only so many. It
// reads what tasks ask for, too. It decides and never acts.
//
// # All at once
//
// A task gets all that it asked for when it starts, and gives all of it back when it
// ends. So nobody who holds something ever waits for more, and no circle of tasks that
// wait for each other can come about; there is nothing for the Banker to decide.
//
// # Nobody starves
//
// Tasks that ask for the same are a class, and of each class only the best is looked
// at. A class that has to wait gets a place in the line, and of what it needs all that
// is free is set aside for it: whoever stands behind it can have only what is left over.
// So what comes back gathers for the first in line until that is enough, and others use
// meanwhile what it has no need of. A class that starts a task gives its place up, and
// gets one at the end of the line when it has to wait again. So a task waits for the
// tasks that run, and for one task at most of each class that waited before its own, and
// those before it in its class; a stream of small tasks never holds up a large one.
//
// The price is that what is set aside lies idle until the rest is there. To let small
// tasks use it in between, as back-filling schedulers do, one has to know how long they
// take.
package resource
