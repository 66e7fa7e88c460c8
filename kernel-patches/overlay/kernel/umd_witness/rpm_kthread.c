// SPDX-License-Identifier: GPL-2.0-only
/* The handler that parses headers of packages as a kernel thread. */
#define WITNESS_PARSER	WITNESS_RPM
#define PARSE_FUNCTION	umd_rpm_parse
#include "umd_witness_kthread.c"
