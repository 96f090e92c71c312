//go:build !linux

package main

import (
	"errors"
	"runtime"
)

type workshop struct {
	trace string // a recorded workload; "" none
}

func openWorkshop(quick bool, rounds int) (*workshop, error) {
	return nil, errors.New("the floors and tutti itself are Linux only, and so is the bench")
}

func (*workshop) close()      {}
func (*workshop) rows() []row { return nil }

func describeMachine() string { return runtime.GOOS + "/" + runtime.GOARCH }

func startProcess() {}
