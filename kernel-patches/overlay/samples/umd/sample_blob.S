/* SPDX-License-Identifier: GPL-2.0-only */
	.section .init.rodata, "a"
	.globl sample_blob_start
sample_blob_start:
	.incbin "sample_umh"
	.globl sample_blob_end
sample_blob_end:
