// SPDX-License-Identifier: GPL-2.0-only
/* The loader: carries the program of the handler. */
#include <linux/module.h>

#include "eir.h"

static int __init eir_loader_init(void)
{
	return umd_mgmt_load(&eir_mgmt, eir_start, eir_end);
}

static void __exit eir_loader_exit(void)
{
	umd_mgmt_unload(&eir_mgmt);
}

module_init(eir_loader_init);
module_exit(eir_loader_exit);
MODULE_DESCRIPTION("Loader of a user mode driver that parses Bluetooth advertisements");
MODULE_LICENSE("GPL");
