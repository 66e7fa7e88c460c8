// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler that parses headers of packages. */
#define WITNESS_PROGRAM	WITNESS_RPM
#include "loader.c"
