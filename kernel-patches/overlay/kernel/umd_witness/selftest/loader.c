// SPDX-License-Identifier: GPL-2.0-only
/* The self-test's loader: carries the handler's blob. */
#include <linux/module.h>

#include "selftest.h"

static int __init umd_selftest_loader_init(void)
{
	return umd_mgmt_load(&selftest_mgmt, umd_selftest_blob_start, umd_selftest_blob_end);
}

static void __exit umd_selftest_loader_exit(void)
{
	umd_mgmt_unload(&selftest_mgmt);
}

module_init(umd_selftest_loader_init);
module_exit(umd_selftest_loader_exit);
MODULE_DESCRIPTION("Loader of the user mode driver self-test");
MODULE_LICENSE("GPL");
