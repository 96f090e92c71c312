package proc

import (
	"os"
	"sync"
)

// commandFiles are the paths that MakeFile made and nobody has removed yet.
var commandFiles struct {
	sync.Mutex
	paths map[string]struct{}
}

// MakeFile calls create, which is to make a file or named pipe at path for a command
// to read. RemoveFile takes it away, or else KillAllChildren does: a process that
// ends because its master is gone leaves no file behind. After KillAllChildren it
// returns ErrEnding and create is not called.
func MakeFile(path string, create func() error) error {
	// Held so that the file is either known to KillAllChildren or not made.
	children.starting.RLock()
	defer children.starting.RUnlock()
	if children.ending {
		return ErrEnding
	}
	commandFiles.Lock()
	if commandFiles.paths == nil {
		commandFiles.paths = map[string]struct{}{}
	}
	commandFiles.paths[path] = struct{}{}
	commandFiles.Unlock()
	return create()
}

// RemoveFile takes away what MakeFile made, if it is still there.
func RemoveFile(path string) {
	_ = os.Remove(path)
	commandFiles.Lock()
	defer commandFiles.Unlock()
	delete(commandFiles.paths, path)
}

// removeFiles takes away what was made for commands, which have ended.
func removeFiles() {
	commandFiles.Lock()
	defer commandFiles.Unlock()
	for path := range commandFiles.paths {
		_ = os.Remove(path)
	}
	clear(commandFiles.paths)
}
