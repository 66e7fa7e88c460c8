// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler that parses PKCS #7 messages. */
#define WITNESS_PROGRAM	WITNESS_PKCS7
#include "loader.c"
