// SPDX-License-Identifier: GPL-2.0-only
/* The parser with a bug, for the kernel thread and for the process. */
#define UMD_OVERFLOW	1
#include "rpm_kernel.c"
