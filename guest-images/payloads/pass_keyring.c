// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives its parent a session keyring, which the kernel does by giving it other credentials: what a
 * security module has tied to the old ones may get lost.
 */
#include <linux/keyctl.h>

#include "bare.h"

int main(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	if (sys(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		return 1;
	return sys(__NR_keyctl, KEYCTL_SESSION_TO_PARENT) ? 1 : 0;
}
