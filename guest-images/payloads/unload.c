// SPDX-License-Identifier: GPL-2.0-only
/* Unloads a module (the argument), which may take as long as the module likes. */
#include <linux/fcntl.h>

#include "bare.h"

int main(int argc, char **argv, char **envp)
{
	(void)argc, (void)envp;
	return !!sys(__NR_delete_module, argv[1], O_NONBLOCK);
}
