#include "textflag.h"

// func here() (agent, pc, cycles uint64)
//
// The caller in Go has a frame, which BP points at: what it saved of the frame before,
// and behind that where it returns to.
TEXT ·here(SB), NOSPLIT, $0-24
	MOVQ (TLS), AX
	MOVQ AX, agent+0(FP)
	MOVQ 8(BP), AX
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
