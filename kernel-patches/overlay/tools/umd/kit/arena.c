// SPDX-License-Identifier: GPL-2.0-only
/* All the memory that a parser allocates: one array, given back as a whole. */
#include "umd_handler.h"

#define ALIGNMENT	16

#ifndef __has_feature
#define __has_feature(name)	0
#endif

#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define GAP		ALIGNMENT	/* between two allocations, so that an overflow is seen */
#else
#define ASAN_POISON_MEMORY_REGION(from, size)	((void)(from))
#define ASAN_UNPOISON_MEMORY_REGION(from, size)	((void)(from))
#define GAP		0
#endif

static char arena[UMD_ARENA_SIZE] __attribute__((aligned(ALIGNMENT)));
static size_t used;

void *umd_alloc(size_t size)
{
	char *start = arena + used;

	if (size > sizeof(arena) - used)
		return NULL;

	used += size + (-size & (ALIGNMENT - 1)) + GAP;
	if (used > sizeof(arena))
		used = sizeof(arena);
	ASAN_UNPOISON_MEMORY_REGION(start, size);
	return start;
}

void umd_arena_reset(void)
{
	ASAN_UNPOISON_MEMORY_REGION(arena, used);
	__builtin_memset(arena, 0, used);
	ASAN_POISON_MEMORY_REGION(arena, used ? used : sizeof(arena));
	used = 0;
}
