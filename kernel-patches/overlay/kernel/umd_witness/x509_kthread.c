// SPDX-License-Identifier: GPL-2.0-only
/* The handler that parses certificates as a kernel thread. */
#define WITNESS_PARSER	WITNESS_X509
#include "umd_witness_kthread.c"
