// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler with a backdoor. */
#define WITNESS_PROGRAM	WITNESS_BACKDOOR
#include "loader.c"
