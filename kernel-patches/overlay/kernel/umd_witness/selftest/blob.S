/* SPDX-License-Identifier: GPL-2.0-only */
	.section .init.rodata, "a"
	.globl umd_selftest_blob_start
umd_selftest_blob_start:
	.incbin "umd_selftest_umh"
	.globl umd_selftest_blob_end
umd_selftest_blob_end:
