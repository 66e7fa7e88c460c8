// SPDX-License-Identifier: GPL-2.0-only
/* Uses up all the CPU time that it is given. */
#include "bare.h"

int main(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	for (;;)
		__asm__ volatile("");
}
