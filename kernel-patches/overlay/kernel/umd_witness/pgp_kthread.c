// SPDX-License-Identifier: GPL-2.0-only
/* The handler that parses OpenPGP packets as a kernel thread. */
#define WITNESS_PARSER	WITNESS_PGP
#include "umd_witness_kthread.c"
