// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler that parses OpenPGP packets. */
#define WITNESS_PROGRAM	WITNESS_PGP
#include "loader.c"
