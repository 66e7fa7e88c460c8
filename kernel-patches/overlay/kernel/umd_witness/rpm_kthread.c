// SPDX-License-Identifier: GPL-2.0-only
/* The handler that parses headers of packages as a kernel thread. */
#define WITNESS_PARSER	WITNESS_RPM
#define PARSE_FUNCTION	umd_rpm_parse
#define INPUT_ROOM	WITNESS_PACKAGE_SIZE
#define PARSED_ROOM	WITNESS_DIGESTS_SIZE
#include "umd_witness_kthread.c"
