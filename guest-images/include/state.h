/* SPDX-License-Identifier: GPL-2.0-only */
/* What a handler's state looks like in a page of memory, wherever it is found. */
#ifndef STATE_H
#define STATE_H

#include "number.h"

#define ASK 2 /* WITNESS_ASK: the kind, which comes first in a request and in its reply */
#define HEAD 24 /* struct witness_message, up to its body */
#define HASH 32

/*
 * An answered request has the reply's head, and the reply's body is the state after it. The places
 * are where in its page the handler has its request, its reply and its state, in decimal.
 */
static int is_state(const char *page, char **places)
{
	const char *request = page + number(places[0], 10), *reply = page + number(places[1], 10);
	const char *state = page + number(places[2], 10);
	int i;

	if (*(const int *)request != ASK)
		return 0;
	for (i = 0; i < HEAD; i++) {
		if (request[i] != reply[i])
			return 0;
	}
	for (i = 0; i < HASH; i++) {
		if (reply[HEAD + i] != state[i])
			return 0;
	}
	return 1;
}

#endif
