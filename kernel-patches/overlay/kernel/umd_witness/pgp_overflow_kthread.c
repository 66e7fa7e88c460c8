// SPDX-License-Identifier: GPL-2.0-only
/* The handler whose parser of OpenPGP packets has a bug, as a kernel thread. */
#define WITNESS_PARSER	WITNESS_PGP_OVERFLOW
#include "umd_witness_kthread.c"
