/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tampers with the handler and covers that up, in the kernel's memory. The including file defines
 * get() and put().
 *
 * With another secret the handler's replies are wrong. The tally is rewritten: it counts a wrong
 * reply as a right reply. In the end the handler gets its secret back, and the chain that the
 * witness expects.
 */
#ifndef FORGING_FORGE_H
#define FORGING_FORGE_H

#include <stdbool.h>
#include <stddef.h>

#include "tally.h"

#define STARTS 4	/* chains that the witness keeps (core.c) */

enum place {
	SECRET,		/* of the handler */
	CHAIN,		/* of the handler */
	TALLY,
	CHAINS,		/* of the witness, by generation */
	CODE,		/* of the witness: is_right() */
};

static void get(enum place place, unsigned long offset, void *to, unsigned long size);
static void put(enum place place, unsigned long offset, const void *from, unsigned long size);

#define TALLY_GET(field, to) \
	get(TALLY, offsetof(struct umd_witness_tally, field), to, sizeof(*(to)))
#define TALLY_PUT(field, from) \
	put(TALLY, offsetof(struct umd_witness_tally, field), from, sizeof(*(from)))

static unsigned char honest_secret[WITNESS_HASH_SIZE];

/* Give the handler another secret. */
__attribute__((unused)) static void tamper(void)
{
	unsigned char other[WITNESS_HASH_SIZE];
	unsigned int i;

	get(SECRET, 0, honest_secret, sizeof(honest_secret));
	for (i = 0; i < sizeof(other); i++)
		other[i] = honest_secret[i] ^ 0xff;
	put(SECRET, 0, other, sizeof(other));
}

/* The number of wrong replies in the tally. */
__attribute__((unused)) static unsigned int wrong_replies(void)
{
	struct witness_count count;

	TALLY_GET(count, &count);
	return count.wrong;
}

static void hide_in(unsigned long offset)
{
	struct witness_count count;

	get(TALLY, offset, &count, sizeof(count));
	if (!count.wrong)
		return;
	count.right += count.wrong;
	count.wrong = 0;
	put(TALLY, offset, &count, sizeof(count));
}

/* Count all wrong replies as right, and clear the violations. UNCOVERED: change nothing. */
__attribute__((unused)) static void hide(void)
{
	struct witness_count count;
	__u32 none = 0, i;

#ifdef UNCOVERED
	return;
#endif
	TALLY_GET(count, &count);
	for (i = 0; i < count.wrong; i++)
		TALLY_PUT(records[(count.sent - i) % WITNESS_RECORDS].wrong, &none);
	if (count.wrong)
		TALLY_PUT(violations, &none);
	hide_in(offsetof(struct umd_witness_tally, count));
	for (i = 0; i < WITNESS_PHASES; i++)
		hide_in(offsetof(struct umd_witness_tally, phases) + i * sizeof(count));
}

/* Give the handler its secret, and the chain that the witness expects. */
__attribute__((unused)) static void mend(void)
{
	unsigned char chain[WITNESS_HASH_SIZE];
	__u32 generation;

	TALLY_GET(generation, &generation);
	get(CHAINS, generation % STARTS * sizeof(chain), chain, sizeof(chain));
	put(SECRET, 0, honest_secret, sizeof(honest_secret));
	put(CHAIN, 0, chain, sizeof(chain));
}

#endif
