//go:build amd64 || arm64

package engine

// pause tells the CPU that this is a spin loop, so that a sibling thread gets
// its share and the loop ends without a pipeline flush.
func pause()
