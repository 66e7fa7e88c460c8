// SPDX-License-Identifier: GPL-2.0-only
/*
 * Defects on purpose, the controls of the sanitizers. DEFECT says which. The module is compiled
 * without the sanitizers, so it calls what compilers insert.
 */
#include "module.h"

#define USE_AFTER_FREE	1
#define OVERFLOW	2
#define INVERSION	3
#define SHIFT		4
#define ATOMIC_SLEEP	5
#define LEAK		6

#define GFP_KERNEL	0xcc0
#define SIZE		100

struct mutex {
	unsigned char bytes[256];
} __attribute__((aligned(8)));

struct key {
	unsigned char bytes[64];
} __attribute__((aligned(8)));

void *__kmalloc_noprof(size_t size, unsigned int flags);
void kfree(const void *object);
void __asan_load1_noabort(unsigned long at);
void __asan_store1_noabort(unsigned long at);
void __mutex_init(struct mutex *lock, const char *name, struct key *key);
void mutex_lock_nested(struct mutex *lock, unsigned int subclass);
void mutex_unlock(struct mutex *lock);
void __might_resched(const char *file, int line, unsigned int offsets);

static struct mutex first, second;
static struct key keys[2];
static volatile unsigned int exponent = 40;

static void lock_both(struct mutex *one, struct mutex *other)
{
	mutex_lock_nested(one, 0);
	mutex_lock_nested(other, 0);
	mutex_unlock(other);
	mutex_unlock(one);
}

/* Named as the functions of the series are: the same search has to find it. */
static __attribute__((noinline)) void umd_planted_leak(void)
{
	/* The only pointer to each is gone when the next one comes. */
	for (int i = 0; i < 10; i++)
		*(volatile char *)__kmalloc_noprof(SIZE, GFP_KERNEL) = 1;
}

int init_module(void)
{
	char *object;

	switch (DEFECT) {
	case USE_AFTER_FREE:
		object = __kmalloc_noprof(SIZE, GFP_KERNEL);
		kfree(object);
		__asan_load1_noabort((unsigned long)object);
		break;
	case OVERFLOW:
		object = __kmalloc_noprof(SIZE, GFP_KERNEL);
		__asan_store1_noabort((unsigned long)object + SIZE);
		kfree(object);
		break;
	case INVERSION:
		__mutex_init(&first, "first", &keys[0]);
		__mutex_init(&second, "second", &keys[1]);
		lock_both(&first, &second);
		lock_both(&second, &first);
		break;
	case SHIFT:
		exponent = 1U << exponent;
		break;
	case ATOMIC_SLEEP:	/* where one lock would be held in atomic context */
		__might_resched("planted.c", __LINE__, 1);
		break;
	case LEAK:
		umd_planted_leak();
		break;
	}
	return 0;
}

void cleanup_module(void)
{
}
