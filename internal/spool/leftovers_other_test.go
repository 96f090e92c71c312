//go:build !linux

package spool

func leftovers() []string { return nil }
