/* SPDX-License-Identifier: GPL-2.0-only */
	.section .init.rodata, "a"
	.globl eir_start
eir_start:
	.incbin "eir"
	.globl eir_end
eir_end:
