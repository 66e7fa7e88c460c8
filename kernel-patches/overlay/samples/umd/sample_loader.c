// SPDX-License-Identifier: GPL-2.0-only
/* The sample's loader: carries the handler's blob. */
#include <linux/module.h>
#include "sample.h"

static int __init sample_loader_init(void)
{
	return umd_mgmt_load(&sample_mgmt, sample_blob_start, sample_blob_end);
}

static void __exit sample_loader_exit(void)
{
	umd_mgmt_unload(&sample_mgmt);
}

module_init(sample_loader_init);
module_exit(sample_loader_exit);
MODULE_DESCRIPTION("Loader of the sample user mode driver");
MODULE_LICENSE("GPL");
