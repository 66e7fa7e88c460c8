// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to parse something. The witness makes an input that nobody can predict, and knows
 * what is in it. A wrong result is a wrong reply.
 */
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/string.h>

#include "witness.h"

/* One at a time, as all requests (core.c). */
static struct witness_parse_request asked;
static struct witness_parse_reply answered;
static u8 expected[WITNESS_DIGESTS_SIZE];
static bool is_given;

static void make_input(void)
{
	asked.input.len = 0;
	memset(asked.input.data, 0, WITNESS_INPUT_SIZE);
	memset(expected, 0, witness_parsed_size());
	if (IS_ENABLED(CONFIG_UMD_WITNESS_RPM) && witness_parser() == WITNESS_RPM)
		witness_make_package(&asked.input, expected);
	else if (IS_ENABLED(CONFIG_UMD_WITNESS_PGP) && witness_parser() == WITNESS_PGP)
		witness_make_packets(&asked.input, expected);
	else if (IS_ENABLED(CONFIG_UMD_WITNESS_PKCS7) && witness_parser() == WITNESS_PKCS7)
		witness_make_signed_message(&asked.input, expected);
	else if (IS_ENABLED(CONFIG_UMD_WITNESS_X509))
		witness_make_certificate(&asked.input, expected);
}

/* How long the kernel's own parser took for the latest files, for the host. */
static struct {
	u64 count;
	u64 nanoseconds[512];
} parse_times;

void witness_note_parse(u64 begin)
{
	parse_times.nanoseconds[parse_times.count++ % ARRAY_SIZE(parse_times.nanoseconds)] =
		ktime_get_ns() - begin;
}

/* The next input is this one, and its result is nothing that the witness knows. */
void witness_give(const void *data, size_t len)
{
	memcpy(asked.input.data, data, len);
	asked.input.len = len;
	is_given = true;
}

/* The result of the input that was given. */
void witness_take(void *parsed)
{
	memcpy(parsed, answered.parsed, witness_parsed_size());
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
	if (!is_given && memcmp(answered.parsed, expected, witness_parsed_size()))
		reply->kind = 0;
	return 0;
}
