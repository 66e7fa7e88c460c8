/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions of the kernel and of the witness that the forging modules use. The guest has one
 * CPU and its kernel is not preemptible: nothing runs between two lines that do not sleep.
 */
#ifndef FORGING_KERNEL_H
#define FORGING_KERNEL_H

#include "module.h"
#include "forge.h"

#define FOLL_WRITE	1
#define SCHED_FIFO	1
#define NO_NODE		(-1)
#define WRITE_PROTECT	(1UL << 16)	/* of CR0 */
#define TASK_IDLE	0x402

typedef unsigned long ulong;
struct task_struct;
struct mm_struct;

extern struct task_struct *watched;
extern struct umd_witness_tally umd_witness_tally;
extern unsigned char chains[STARTS][WITNESS_HASH_SIZE];
extern ulong tainted_mask;

struct mm_struct *witness_get_mm(struct task_struct *task);
void mmput(struct mm_struct *mm);
int access_remote_vm(struct mm_struct *mm, ulong at, void *buffer, int size, unsigned int flags);
struct task_struct *kthread_create_on_node(int (*run)(void *), void *data, int node,
					   const char *name, ...);
int kthread_stop(struct task_struct *task);
bool kthread_should_stop(void);
int wake_up_process(struct task_struct *task);
void sched_set_fifo(struct task_struct *task);
void usleep_range_state(ulong least, ulong most, unsigned int state);
void chain_next(unsigned char *chain, const struct witness_message *request, __u32 generation);
void sha256(const void *data, unsigned int size, unsigned char *hash);
void *memcpy(void *to, const void *from, ulong size);

static void handlers(bool write, ulong at, void *buffer, ulong size)
{
	struct mm_struct *mm = witness_get_mm(watched);

	if (!mm)
		return;
	access_remote_vm(mm, at, buffer, size, write ? FOLL_WRITE : 0);
	mmput(mm);
}

static char *kernels(enum place place)
{
	return place == TALLY ? (char *)&umd_witness_tally : (char *)chains;
}

static ulong handler_address(enum place place)
{
	return place == SECRET ? HANDLER_SECRET : HANDLER_CHAIN;
}

static void get(enum place place, ulong offset, void *to, ulong size)
{
	if (place == SECRET || place == CHAIN)
		handlers(false, handler_address(place) + offset, to, size);
	else
		memcpy(to, kernels(place) + offset, size);
}

static void put(enum place place, ulong offset, const void *from, ulong size)
{
	if (place == SECRET || place == CHAIN)
		handlers(true, handler_address(place) + offset, (void *)from, size);
	else
		memcpy(kernels(place) + offset, from, size);
}

static inline void pause_briefly(ulong microseconds)
{
	usleep_range_state(microseconds, microseconds, TASK_IDLE);
}

static inline struct task_struct *start_thread(int (*run)(void *))
{
	struct task_struct *thread = kthread_create_on_node(run, NULL, NO_NODE, "forger");

	sched_set_fifo(thread);
	wake_up_process(thread);
	return thread;
}

/* Wait until the requests that are under way are answered: the next request is a new request. */
static inline void wait_for_reply(void)
{
	__u32 sent = umd_witness_tally.count.sent;

	while (umd_witness_tally.count.sent < sent + 2)
		pause_briefly(500);
}

/* Wait for that phase of the aftermath, and for replies of the handler that it starts. */
static inline void wait_for_phase(__u32 phase)
{
	while (umd_witness_tally.phase < phase)
		pause_briefly(500);
	wait_for_reply();
}

/* Write to memory that the page tables make read-only. */
static inline void write_read_only(void *to, const void *from, ulong size)
{
	ulong cr0;

	asm volatile("cli; mov %%cr0, %0" : "=r" (cr0) : : "memory");
	asm volatile("mov %0, %%cr0" : : "r" (cr0 & ~WRITE_PROTECT) : "memory");
	memcpy(to, from, size);
	asm volatile("mov %0, %%cr0; sti" : : "r" (cr0) : "memory");
}

/* Mend, and hide the wrong replies. A request that was under way needs another turn. */
static inline void restore(void)
{
	do {
		mend();
		hide();
		wait_for_reply();
	} while (wrong_replies());
}

/* For a thread: tamper with the handler, and hide it from the tally until the thread is stopped. */
static inline int tamper_and_hide(void *unused)
{
	tamper();
	while (!kthread_should_stop()) {
		hide();
		pause_briefly(100);
	}
	return 0;
}

/* Reply in the place of the handler. */
static inline void answer(const struct witness_message *request, struct witness_message *reply)
{
	__u32 generation = umd_witness_tally.generation;

	*reply = *request;
	if (request->kind == WITNESS_START) {
		sha256(request->body, WITNESS_HASH_SIZE, reply->body);
		return;
	}
	memcpy(reply->body, chains[generation % STARTS], WITNESS_HASH_SIZE);
	chain_next(reply->body, request, generation);
}

/* Clear the mark that an unsigned module leaves. */
static inline void clear_taint(void)
{
	tainted_mask = 0;
}

/* Leave the list of modules: /proc/modules and rmmod then do not find this module. */
static inline void leave_list(void)
{
	void **next = this_module.next, **previous = this_module.previous;

	next[1] = previous;
	previous[0] = next;
	this_module.next = this_module.previous = &this_module.next;
}

#endif
