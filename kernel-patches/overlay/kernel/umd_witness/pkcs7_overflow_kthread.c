// SPDX-License-Identifier: GPL-2.0-only
/* The handler whose parser of PKCS #7 messages has a bug, as a kernel thread. */
#define WITNESS_PARSER	WITNESS_PKCS7_OVERFLOW
#include "umd_witness_kthread.c"
