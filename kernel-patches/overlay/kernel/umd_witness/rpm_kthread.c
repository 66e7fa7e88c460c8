// SPDX-License-Identifier: GPL-2.0-only
/* The handler that parses headers of packages as a kernel thread. */
#define WITNESS_PARSER	WITNESS_RPM
#include "umd_witness_kthread.c"
