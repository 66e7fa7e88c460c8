/* SPDX-License-Identifier: GPL-2.0-only */
/* A bug on purpose, in the build that shows what a bug in a parser allows (UMD_OVERFLOW). */
#ifndef UMD_OVERFLOW_H
#define UMD_OVERFLOW_H

/*
 * Returns the length of a text that ends at the first zero byte, from a copy of it. A longer part
 * of the request overwrites the address to which this function returns.
 */
static __attribute__((__noinline__, __unused__)) size_t umd_text_length(const void *part, size_t len)
{
	char copy[256] = "";

	memcpy(copy, part, len);
	asm volatile("" : : "r" (copy) : "memory");
	return strlen(copy);
}

#endif
