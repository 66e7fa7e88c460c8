// SPDX-License-Identifier: GPL-2.0-only
/* A module that fails to load. By then it has tampered with the handler and restored all. */
#include "kernel.h"

#define ENOENT	2
#define ENOUGH	20	/* wrong replies */

int init_module(void)
{
	tamper();
	while (wrong_replies() < ENOUGH)
		pause_briefly(1000);
	restore();
	clear_taint();
	return -ENOENT;
}

void cleanup_module(void)
{
}
