// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler whose parser of OpenPGP packets has a bug. */
#define WITNESS_PROGRAM	WITNESS_PGP_OVERFLOW
#include "loader.c"
