// Empty: its presence lets whose.go declare functions that the runtime defines.
