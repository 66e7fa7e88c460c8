/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BLOB
#define BLOB "umd_witness_umh"
#endif
	.section .init.rodata, "a"
	.globl umd_witness_blob_start
umd_witness_blob_start:
	.incbin BLOB
	.globl umd_witness_blob_end
umd_witness_blob_end:
