#include "textflag.h"

// func here() (agent, pc, cycles uint64)
//
// The caller in Go reaches this through a wrapper with a frame of its own, so that
// BP points at the wrapper's frame, and what it saved at that of the caller.
TEXT ·here(SB), NOSPLIT, $0-24
	MOVQ (TLS), AX
	MOVQ AX, agent+0(FP)
	MOVQ (BP), AX
	MOVQ 8(AX), AX
	MOVQ AX, pc+8(FP)
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, cycles+16(FP)
	RET

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	PAUSE
	RET

// func self() uint64
TEXT ·self(SB), NOSPLIT, $0-8
	MOVQ (TLS), AX
	MOVQ AX, ret+0(FP)
	RET
