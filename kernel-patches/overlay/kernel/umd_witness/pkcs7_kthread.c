// SPDX-License-Identifier: GPL-2.0-only
/* The handler that parses PKCS #7 messages as a kernel thread. */
#define WITNESS_PARSER	WITNESS_PKCS7
#include "umd_witness_kthread.c"
