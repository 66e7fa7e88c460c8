/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers in a program's arguments and in names of files, which are text. */
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

/* Writes the last digits of a value in base 10, up to the end of a text. */
static inline void put_number(char *end, unsigned long value, int digits)
{
	for (; digits-- > 0; value /= 10)
		*--end = '0' + value % 10;
}

#endif
