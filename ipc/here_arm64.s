#include "textflag.h"

// func here() (agent, pc, cycles uint64)
//
// The caller in Go has a frame, which R29 points at: what it saved of the frame before,
// and behind that where it returns to.
TEXT ·here(SB), NOSPLIT, $0-24
	MOVD g, agent+0(FP)
	MOVD 8(R29), R0
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
