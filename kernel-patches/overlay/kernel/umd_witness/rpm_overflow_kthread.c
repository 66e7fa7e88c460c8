// SPDX-License-Identifier: GPL-2.0-only
/* The handler whose parser of headers of packages has a bug, as a kernel thread. */
#define WITNESS_PARSER	WITNESS_RPM_OVERFLOW
#include "umd_witness_kthread.c"
