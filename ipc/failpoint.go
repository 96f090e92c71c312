package ipc

// failpoint, when a test sets it, is called with the name of each point between
// two steps at which a process may die; CRASHES.md says what a death there leaves
// behind. It is nil in production.
var failpoint func(point string)

func at(point string) {
	if failpoint != nil {
		failpoint(point)
	}
}
