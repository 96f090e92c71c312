#include "funcdata.h"
#include "textflag.h"

// func here() (agent, pc, cycles uint64)
//
// The caller in Go has a frame, which BP points at: what it saved of the frame before,
// and behind that where it returns to. R14 is the goroutine, as always in Go's own code.
TEXT ·here(SB), NOSPLIT, $0-24
	MOVQ ·numberAt(SB), CX
	TESTQ CX, CX
	JEQ  slowly
	MOVQ (R14)(CX*1), AX
	MOVQ AX, agent+0(FP)
	MOVQ 8(BP), AX
	MOVQ AX, pc+8(FP)
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, cycles+16(FP)
	RET
slowly:
	JMP  ·hereSlowly(SB)

// func hereSlowly() (agent, pc, cycles uint64)
//
// It has a frame of its own, so that of the caller is one further.
TEXT ·hereSlowly(SB), 0, $8-24
	NO_LOCAL_POINTERS
	CALL ·number(SB)
	MOVQ 0(SP), AX
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
	MOVQ ·numberAt(SB), CX
	TESTQ CX, CX
	JEQ  slowly
	MOVQ (R14)(CX*1), AX
	MOVQ AX, ret+0(FP)
	RET
slowly:
	JMP  ·number(SB)

// func descriptor(at uintptr) uint64
TEXT ·descriptor(SB), NOSPLIT, $0-16
	MOVQ at+0(FP), CX
	MOVQ (R14)(CX*1), AX
	MOVQ AX, ret+8(FP)
	RET
