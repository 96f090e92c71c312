#include "textflag.h"

// func here() (agent, pc, cycles uint64)
//
// The caller in Go reaches this through a wrapper with a frame of its own, so that
// R29 points at the wrapper's frame, and what it saved at that of the caller.
TEXT ·here(SB), NOSPLIT, $0-24
	MOVD g, agent+0(FP)
	MOVD (R29), R0
	MOVD 8(R0), R0
	MOVD R0, pc+8(FP)
	MRS  CNTVCT_EL0, R0
	MOVD R0, cycles+16(FP)
	RET

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	YIELD
	RET

// func self() uint64
TEXT ·self(SB), NOSPLIT, $0-8
	MOVD g, ret+0(FP)
	RET
