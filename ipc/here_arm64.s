#include "funcdata.h"
#include "textflag.h"

// func here() (agent, pc, cycles uint64)
//
// The caller in Go has a frame, which R29 points at: what it saved of the frame before,
// and behind that where it returns to.
TEXT ·here(SB), NOSPLIT, $0-24
	MOVD ·numberAt(SB), R1
	CBZ  R1, slowly
	MOVD (g)(R1), R0
	MOVD R0, agent+0(FP)
	MOVD 8(R29), R0
	MOVD R0, pc+8(FP)
	MRS  CNTVCT_EL0, R0
	MOVD R0, cycles+16(FP)
	RET
slowly:
	JMP  ·hereSlowly(SB)

// func hereSlowly() (agent, pc, cycles uint64)
//
// It has a frame of its own, so that of the caller is one further.
TEXT ·hereSlowly(SB), 0, $8-24
	NO_LOCAL_POINTERS
	CALL ·number(SB)
	MOVD 8(RSP), R0
	MOVD R0, agent+0(FP)
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
	MOVD ·numberAt(SB), R1
	CBZ  R1, slowly
	MOVD (g)(R1), R0
	MOVD R0, ret+0(FP)
	RET
slowly:
	JMP  ·number(SB)

// func descriptor(at uintptr) uint64
TEXT ·descriptor(SB), NOSPLIT, $0-16
	MOVD at+0(FP), R1
	MOVD (g)(R1), R0
	MOVD R0, ret+8(FP)
	RET
