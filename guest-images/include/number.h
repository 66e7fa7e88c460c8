/* SPDX-License-Identifier: GPL-2.0-only */
/* A program's arguments, which are text. */
#ifndef NUMBER_H
#define NUMBER_H

/* Base 10 or 16, with small letters; nothing else is looked for. */
static inline unsigned long number(const char *digits, int base)
{
	unsigned long value = 0;

	for (; *digits; digits++)
		value = base * value + *digits - (*digits <= '9' ? '0' : 'a' - 10);
	return value;
}

#endif
