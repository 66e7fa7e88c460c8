// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has the kernel write to an address of another process: foreign_word HOW ADDRESS, the address in
 * 16 hexadecimal digits. HOW is `rseq`, which tells a thread its CPU, or `user_events`, which tells
 * a process whether an event is traced. Both act on the process that asks: the word that changes,
 * which comes on standard output, is our own at that address.
 */
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/rseq.h>
#include <linux/user_events.h>

#include "bare.h"
#include "number.h"

#define PAGE	4096UL
#define EVENTS	"/sys/kernel/tracing/"

/* The CPU's number is 0: what shows that it was written is that it is no longer -1. */
static void use_rseq(unsigned int *word)
{
	struct rseq *area = (struct rseq *)word;

	area->cpu_id = -1;
	sys(__NR_rseq, area, sizeof(*area), 0, 0);
	*word = area->cpu_id + 1;
}

static void use_user_events(unsigned int *word)
{
	struct user_reg event = {
		.size = sizeof(event),
		.enable_size = sizeof(*word),
		.enable_addr = (unsigned long)word,
		.name_args = (unsigned long)"cell",
	};
	long fd = sys(__NR_open, EVENTS "user_events_data", O_RDWR);

	sys(__NR_ioctl, fd, DIAG_IOCSREG, &event);
	fd = sys(__NR_open, EVENTS "events/user_events/cell/enable", O_WRONLY);
	sys(__NR_write, fd, "1", 1);
}

int main(int argc, char **argv, char **envp)
{
	unsigned int *word = (unsigned int *)number(argv[2], 16);
	unsigned long page = (unsigned long)word & -PAGE;

	(void)argc, (void)envp;
	/* Nothing of this program lies there: it is small, and has no data. */
	if (sys(__NR_mmap, page, PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (long)page)
		return 1;
	if (argv[1][0] == 'r')
		use_rseq(word);
	else
		use_user_events(word);
	sys(__NR_write, 1, word, sizeof(*word));
	for (;;)
		sys(__NR_pause);
}
