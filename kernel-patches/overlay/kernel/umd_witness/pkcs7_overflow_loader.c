// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler whose parser of PKCS #7 messages has a bug. */
#define WITNESS_PROGRAM	WITNESS_PKCS7_OVERFLOW
#include "loader.c"
