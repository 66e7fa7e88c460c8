/* SPDX-License-Identifier: GPL-2.0-only */
	.section .init.rodata, "a"
	.globl umd_witness_blob_start
umd_witness_blob_start:
	.incbin "umd_witness_umh"
	.globl umd_witness_blob_end
umd_witness_blob_end:
