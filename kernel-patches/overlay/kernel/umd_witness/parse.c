// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to parse something. The witness makes an input that nobody can predict, and knows
 * what is in it. A wrong result is a wrong reply.
 */
#include <linux/string.h>

#include "witness.h"

/* One at a time, as all requests (core.c). */
static struct witness_parse_request asked;
static struct witness_parse_reply answered;
static u8 expected[WITNESS_PARSED_SIZE];
static bool is_given;

static void make_input(void)
{
	if (IS_ENABLED(CONFIG_UMD_WITNESS_RPM) && witness_first() == WITNESS_RPM)
		witness_make_package(&asked.input, expected);
	else if (IS_ENABLED(CONFIG_UMD_WITNESS_PGP) && witness_first() == WITNESS_PGP)
		witness_make_packets(&asked.input, expected);
	else if (IS_ENABLED(CONFIG_UMD_WITNESS_PKCS7) && witness_first() == WITNESS_PKCS7)
		witness_make_signed_message(&asked.input, expected);
	else if (IS_ENABLED(CONFIG_UMD_WITNESS_X509))
		witness_make_certificate(&asked.input, expected);
}

/* The next input is this one, and its result is nothing that the witness knows. */
void witness_give(const void *data, size_t len)
{
	memset(&asked.input, 0, sizeof(asked.input));
	memcpy(asked.input.data, data, len);
	asked.input.len = len;
	is_given = true;
}

/* The result of the input that was given. */
void witness_take(void *parsed)
{
	memcpy(parsed, answered.parsed, sizeof(answered.parsed));
	is_given = false;
}

/**
 * witness_parse - have the handler parse a new input
 * @transact: sends a request to the handler, and receives its reply
 * @request: the message to send before the input
 * @reply: the message of the reply; of another kind than @request if the result is wrong
 *
 * Return: what @transact returned.
 */
int witness_parse(witness_transact_t transact, const struct witness_message *request,
		  struct witness_message *reply)
{
	int ret;

	asked.message = *request;
	if (!is_given)
		make_input();
	ret = transact(&asked, &answered);
	if (ret)
		return ret;

	*reply = answered.message;
	if (!is_given && memcmp(answered.parsed, expected, sizeof(expected)))
		reply->kind = 0;
	return 0;
}
