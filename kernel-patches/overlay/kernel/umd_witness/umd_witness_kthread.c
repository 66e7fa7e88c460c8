// SPDX-License-Identifier: GPL-2.0-only
/* The handler's code and secret as a kernel thread: the reference for parity. */
#include <linux/kthread.h>
#include <linux/module.h>

#include "answer.h"
#include "witness.h"

static u8 secret[WITNESS_HASH_SIZE];
static u8 chain[WITNESS_HASH_SIZE];
static struct witness_message request;
static struct witness_message reply;

#ifdef WITNESS_PARSER
#include "parser.h"
#define PROGRAM	WITNESS_PARSER

static __u8 parsed[PARSED_ROOM];

static void parse_input(void)
{
	if (request.kind != WITNESS_PARSE)
		return;
	umd_witness_receive_input(&input);
	parse(parsed);
	umd_witness_send_parsed(parsed);
}
#else
#define PROGRAM	WITNESS_HONEST

static void parse_input(void) { }
#endif

static int umd_witness_kthread(void *unused)
{
	while (!umd_witness_receive(&request)) {
		witness_answer(chain, secret, &request, &reply);
		parse_input();
		umd_witness_send(&reply);
	}
	return 0;
}

static const struct witness_code code = {
	.program = PROGRAM,
	.run = umd_witness_kthread,
	.chain = chain,
};

static int __init umd_witness_kthread_init(void)
{
	return umd_witness_kthread_load(&code);
}

static void __exit umd_witness_kthread_exit(void)
{
	umd_witness_kthread_unload();
}

module_init(umd_witness_kthread_init);
module_exit(umd_witness_kthread_exit);
MODULE_DESCRIPTION("Handler of the UMD witness, as a kernel thread");
MODULE_LICENSE("GPL");
