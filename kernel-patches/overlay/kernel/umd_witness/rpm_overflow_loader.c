// SPDX-License-Identifier: GPL-2.0-only
/* Loader of the handler whose parser of headers of packages has a bug. */
#define WITNESS_PROGRAM	WITNESS_RPM_OVERFLOW
#include "loader.c"
