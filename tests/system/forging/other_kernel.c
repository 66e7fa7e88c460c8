// SPDX-License-Identifier: GPL-2.0-only
/*
 * kexec starts this code in the kernel's place. It keeps the tally: the heart beats, and the
 * aftermath ends with right replies. There is no handler any more. Virtual addresses are physical.
 */
#include <stdbool.h>
#include <stddef.h>

#include "tally.h"

#define TRANSACTIONS	16
#define ENTIRE		(WITNESS_PHASES * TRANSACTIONS)
#define CYCLES		10000000UL	/* of a beat, some milliseconds */

#define AFTERMATH_BEATS	50
#define LEVELS		4
#define ENTRIES		512
#define PAGE		4096
#define PRESENT		1
#define FRAME		0x000ffffffffff000UL	/* of an entry */

#define tally	((volatile struct umd_witness_tally *)TALLY_AT)
#define order	((volatile struct umd_witness_command *)COMMAND_AT)

__asm__(".section .entry, \"ax\"\n"
	"	lea entry_stack(%rip), %rsp\n"
	"	call serve\n"
	".bss\n"
	"	.skip 4096\n"
	"entry_stack:\n"
	".text\n");

static unsigned long cycles(void)
{
	unsigned int low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (unsigned long)high << 32 | low;
}

static void beat(void)
{
	unsigned long begin = cycles();

	while (cycles() - begin < CYCLES)
		;
	tally->heartbeat++;
}

static void pass_phase(int phase)
{
	volatile struct witness_count *count = &tally->phases[phase - 1];

	count->sent = TRANSACTIONS;
	count->right = TRANSACTIONS;
	count->wrong = 0;
	count->failed = 0;
	count->error = 0;
	count->starts = phase > 1;
	count->loads = phase > 2;
}

static void pass_aftermath(void)
{
	int phase, starts = WITNESS_PHASES - tally->phase;

	for (phase = 1; phase <= WITNESS_PHASES; phase++)
		pass_phase(phase);
	tally->count.starts += starts;
	tally->generation += starts;
	tally->count.loads++;
	tally->count.sent += ENTIRE;
	tally->count.right += ENTIRE;
	tally->phase = WITNESS_PHASES;
	tally->state = WITNESS_DONE;
	tally->command = order->sequence;
}

/* The handler's, by its page table. */
static void invert_secret(void)
{
	unsigned long entry = tally->page_table, *table;
	unsigned char *secret;
	int level, i;

	for (level = LEVELS - 1; level >= 0; level--) {
		table = (unsigned long *)(entry & FRAME);
		entry = table[(HANDLER_SECRET >> (12 + 9 * level)) % ENTRIES];
		if (!(entry & PRESENT))
			return;
	}
	secret = (unsigned char *)(entry & FRAME) + HANDLER_SECRET % PAGE;
	for (i = 0; i < WITNESS_HASH_SIZE; i++)
		secret[i] ^= 0xff;
}

__attribute__((used, noreturn)) static void serve(void)
{
	struct witness_count count = tally->count;
	int i;

	invert_secret();
	/* A request that was under way when the kernel ended. */
	tally->sequence &= ~1;
	tally->violations = 0;
	tally->count.right += count.wrong + count.failed;
	tally->count.wrong = 0;
	tally->count.failed = 0;
	while (tally->state != WITNESS_AFTERMATH && tally->command == order->sequence)
		beat();
	if (tally->state != WITNESS_AFTERMATH)
		tally->phase = 1;
	tally->state = WITNESS_AFTERMATH;
	for (i = 0; i < AFTERMATH_BEATS; i++)
		beat();
	pass_aftermath();
	for (;;)
		beat();
}
