// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unloads a module (the first argument) and loads it again from a file (the second), until it is this
 * process that has loaded it. It begins when it has read a byte, says with a byte that it is done, and then
 * sleeps: its end would put all pages of its CPU on the LRU lists.
 */
#include <linux/fcntl.h>

#include "bare.h"

int main(int argc, char **argv, char **envp)
{
	long file = sys(__NR_open, argv[2], O_RDONLY);
	char byte;

	(void)argc, (void)envp;
	if (file < 0 || sys(__NR_read, 0, &byte, 1) != 1)
		return 1;
	do
		sys(__NR_delete_module, argv[1], O_NONBLOCK);
	while (sys(__NR_finit_module, file, "", 0));
	sys(__NR_write, 1, "!", 1);
	for (;;)
		sys(__NR_pause);
}
