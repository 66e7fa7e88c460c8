// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler's image: what is mapped read-only in the process is what its blob says,
 * wherever it was between, page by whole page. The blob is remembered from the first
 * load, before anyone attacked: a loader that was replaced does not get to say what is
 * right.
 */
#include <crypto/sha2.h>
#include <linux/elf.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "witness.h"

#define SEGMENTS	4

/* The pages that are mapped for one. */
struct segment {
	unsigned long start;
	unsigned long end;
};

/* One for each program that the witness has as its handler. */
static struct image {
	int count;
	struct segment segments[SEGMENTS];
	u8 hash[WITNESS_HASH_SIZE];
} images[WITNESS_PROGRAMS];

static enum witness_program last_loaded;

static void remember_segment(struct image *image, const struct elf64_phdr *phdr,
			     struct sha256_state *state, const char *blob, unsigned long len)
{
	unsigned long offset = phdr->p_offset & PAGE_MASK, start = phdr->p_vaddr & PAGE_MASK;
	unsigned long end = PAGE_ALIGN(phdr->p_vaddr + phdr->p_filesz);
	unsigned long in_file = min(end - start, len - offset);
	unsigned long beyond = end - start - in_file;

	image->segments[image->count].start = start;
	image->segments[image->count++].end = end;
	sha256_update(state, blob + offset, in_file);
	/* behind the end of the file, its last page is zero */
	sha256_update(state, page_address(ZERO_PAGE(0)), beyond);
}

static void remember(struct image *image, const char *blob, unsigned long len)
{
	const struct elf64_hdr *header = (const void *)blob;
	const struct elf64_phdr *phdr = (const void *)(blob + header->e_phoff);
	struct sha256_state state;
	int i;

	sha256_init(&state);
	for (i = 0; i < header->e_phnum && image->count < SEGMENTS; i++) {
		if (phdr[i].p_type == PT_LOAD && !(phdr[i].p_flags & PF_W) &&
		    image->count < SEGMENTS)
			remember_segment(image, &phdr[i], &state, blob, len);
	}
	sha256_final(&state, image->hash);
}

/**
 * umd_witness_load - put a handler's blob in place, for its loader's init function
 * @program: which one it is
 * @start: the blob's first byte
 * @end: the byte behind its last
 *
 * Return: what umd_mgmt_load() returned; -EBUSY where the handler is a kernel thread.
 */
int umd_witness_load(enum witness_program program, char *start, char *end)
{
	enum witness_program before = last_loaded;
	int ret;

	if (witness_is_kthread())
		return -EBUSY;

	if (!images[program].count)
		remember(&images[program], start, end - start);
	last_loaded = program;
	ret = umd_mgmt_load(&umd_witness_mgmt, start, end);
	if (ret)
		last_loaded = before;
	return ret;
}
EXPORT_SYMBOL_GPL(umd_witness_load);

enum witness_program witness_loaded(void)
{
	return READ_ONCE(last_loaded);
}

/* That of a user mode driver, which get_task_mm() gives nobody; released by mmput(). */
struct mm_struct *witness_get_mm(struct task_struct *task)
{
	struct mm_struct *mm;

	task_lock(task);
	mm = task->mm;
	if (mm)
		mmget(mm);
	task_unlock(task);
	return mm;
}

/**
 * witness_check_image - compare what is mapped with the blob
 * @program: the handler's program
 * @task: the handler
 *
 * Faults in what is not there: only when there is nothing left to disturb.
 *
 * Return: 0 if it is right, -ESTALE if it is not. -EINTR if the calling task has been killed, which
 * then cannot read all of it; -ENOMEM.
 */
int witness_check_image(enum witness_program program, struct task_struct *task)
{
	const struct image *image = &images[program];
	struct mm_struct *mm = witness_get_mm(task);
	u8 *page, hash[WITNESS_HASH_SIZE];
	struct sha256_state state;
	bool is_there = true;
	int i;

	if (!mm)
		return -ESTALE;
	page = (u8 *)__get_free_page(GFP_KERNEL);
	if (!page) {
		mmput(mm);
		return -ENOMEM;
	}

	sha256_init(&state);
	for (i = 0; i < image->count; i++) {
		unsigned long at;

		for (at = image->segments[i].start; at < image->segments[i].end; at += PAGE_SIZE) {
			is_there &= access_remote_vm(mm, at, page, PAGE_SIZE, 0) == PAGE_SIZE;
			sha256_update(&state, page, PAGE_SIZE);
		}
	}
	sha256_final(&state, hash);
	free_page((unsigned long)page);
	mmput(mm);
	if (!is_there && fatal_signal_pending(current))
		return -EINTR;
	return is_there && !memcmp(hash, image->hash, sizeof(hash)) ? 0 : -ESTALE;
}
