// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler that parses certificates. */
#define WITNESS_PROGRAM	WITNESS_X509
#include "loader.c"
