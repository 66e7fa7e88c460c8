/* SPDX-License-Identifier: GPL-2.0-only */
/* What a handler's state looks like in a page of memory, wherever it is found. */
#ifndef STATE_H
#define STATE_H

#include "number.h"

#define ASK 2 /* WITNESS_ASK: the kind, which comes first in a request */
#define PARSE 4 /* WITNESS_PARSE */
#define HEAD 8 /* struct witness_message, up to its nonce */
#define NOISE 48 /* the nonce and the body */
#define HASH 32
#define FEW 4

/* Of so few random bytes, four are zero in less than one case of 20,000. */
static int is_noise(const char *bytes, int size)
{
	int i, zeros = 0;

	for (i = 0; i < size; i++)
		zeros += !bytes[i];
	return zeros < FEW;
}

/*
 * A request is a kind, a number and noise, and the state is a hash. The reply may be in another
 * page. The places are where in its page the handler has its request and its state, in decimal.
 */
static int is_state(const char *page, char **places)
{
	const char *request = page + number(places[0], 10);
	const int kind = *(const int *)request;

	return (kind == ASK || kind == PARSE) && is_noise(request + HEAD, NOISE) &&
	       is_noise(page + number(places[1], 10), HASH);
}

#endif
