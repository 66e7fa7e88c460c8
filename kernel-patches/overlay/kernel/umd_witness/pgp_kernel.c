// SPDX-License-Identifier: GPL-2.0-only
/* The parser of the handler, for the kernel thread and for the process. */
#include <linux/types.h>

#include "../../tools/umd/kit/arena.c"
#include "../../tools/umd/pgp.c"
