// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loader of the witness's user mode driver: it carries the blob. Built once for
 * each program.
 */
#include <linux/module.h>

#include "witness.h"

#ifndef WITNESS_PROGRAM
#define WITNESS_PROGRAM	WITNESS_HONEST
#endif

static int __init umd_witness_loader_init(void)
{
	return umd_witness_load(WITNESS_PROGRAM, umd_witness_blob_start, umd_witness_blob_end);
}

static void __exit umd_witness_loader_exit(void)
{
	umd_mgmt_unload(&umd_witness_mgmt);
}

module_init(umd_witness_loader_init);
module_exit(umd_witness_loader_exit);
MODULE_DESCRIPTION("Handler of the UMD witness, as a user mode driver");
MODULE_LICENSE("GPL");
