// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler whose parser of certificates has a bug. */
#define WITNESS_PROGRAM	WITNESS_X509_OVERFLOW
#include "loader.c"
