// SPDX-License-Identifier: GPL-2.0-only
/* Calls getpgid(2) without end, on the second CPU: what is attached to the call runs as often. */
#include "start.h"

int main(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	take_second_cpu();
	for (;;)
		sys(__NR_getpgid, 0);
}
