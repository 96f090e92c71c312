//go:build !amd64 && !arm64

package ipc

func here() (agent, pc, cycles uint64) { return 1, 0, 0 }

func self() uint64 { return 1 }

func pause() {}

func cycles() uint64 { return 0 }
