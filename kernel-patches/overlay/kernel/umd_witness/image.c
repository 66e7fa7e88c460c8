// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler's image: what is mapped read-only in the process is what its blob says,
 * wherever it was between. The blob is remembered from the first load, before anyone
 * attacked: a loader that was replaced does not get to say what is right.
 */
#include <crypto/sha2.h>
#include <linux/elf.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "witness.h"

#define SEGMENTS	4

struct segment {
	unsigned long start;
	unsigned long size;
};

/* One for each program that the witness has as its handler. */
static struct image {
	int count;
	struct segment segments[SEGMENTS];
	u8 hash[WITNESS_HASH_SIZE];
} images[WITNESS_PROGRAMS];

static void remember(struct image *image, const char *blob)
{
	const struct elf64_hdr *header = (const void *)blob;
	const struct elf64_phdr *phdr = (const void *)(blob + header->e_phoff);
	struct sha256_state state;
	int i;

	sha256_init(&state);
	for (i = 0; i < header->e_phnum && image->count < SEGMENTS; i++) {
		if (phdr[i].p_type != PT_LOAD || phdr[i].p_flags & PF_W)
			continue;
		image->segments[image->count].start = phdr[i].p_vaddr;
		image->segments[image->count++].size = phdr[i].p_filesz;
		sha256_update(&state, blob + phdr[i].p_offset, phdr[i].p_filesz);
	}
	sha256_final(&state, image->hash);
}

/**
 * umd_witness_load - put a handler's blob in place, for its loader's init function
 * @program: which one it is
 * @start: the blob's first byte
 * @end: the byte behind its last
 *
 * Return: what umd_mgmt_load() returned.
 */
int umd_witness_load(enum witness_program program, char *start, char *end)
{
	if (!images[program].count)
		remember(&images[program], start);
	return umd_mgmt_load(&umd_witness_mgmt, start, end);
}
EXPORT_SYMBOL_GPL(umd_witness_load);

/* Faults in what is not there: only when there is nothing left to disturb. */
bool witness_image_is_right(enum witness_program program, struct task_struct *task)
{
	const struct image *image = &images[program];
	u8 *page, hash[WITNESS_HASH_SIZE];
	struct sha256_state state;
	bool right = true;
	int i;

	page = (u8 *)__get_free_page(GFP_KERNEL);
	if (!page)
		return false;

	sha256_init(&state);
	for (i = 0; i < image->count; i++) {
		unsigned long at = image->segments[i].start;
		unsigned long end = at + image->segments[i].size;

		while (at < end) {
			int n = min(end - at, PAGE_SIZE);

			right &= access_process_vm(task, at, page, n, 0) == n;
			sha256_update(&state, page, n);
			at += n;
		}
	}
	sha256_final(&state, hash);
	free_page((unsigned long)page);
	return right && !memcmp(hash, image->hash, sizeof(hash));
}
