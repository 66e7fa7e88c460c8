/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's own parsers find in user space. It is included before all
 * else, and takes the place of the headers whose guards it defines. All other
 * headers are the tree's.
 *
 * Memory comes from the arena, so that nothing is freed by itself. The request
 * stays as it is while it is parsed, so that a copy of a part of it is the part.
 * There is no cryptography: digests and signatures are the caller's to check.
 */
#ifndef UMD_KERNEL_H
#define UMD_KERNEL_H

#define __LINUX_COMPILER_H
#define _LINUX_BUG_H
#define _LINUX_ERRNO_H
#define _LINUX_ERR_H
#define _LINUX_EXPORT_H
#define _LINUX_KERNEL_H
#define __LINUX_KEYCTL_H
#define _LINUX_KEY_TYPE_H
#define _LINUX_MODULE_H
#define _LINUX_SEQ_FILE_H
#define _LINUX_SLAB_H
#define _LINUX_STRING_H_
#define _LINUX_TIME_H
#define _LINUX_TYPES_H
#define _CRYPTO_HASH_H
#define _CRYPTO_SHA2_H
#define _KEYS_SYSTEM_KEYRING_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uapi/asm-generic/errno.h>

typedef uint8_t u8, __u8;
typedef uint16_t u16, __u16;
typedef uint32_t u32, __u32;
typedef uint64_t u64, __u64;
typedef int32_t s32, __s32;
typedef int64_t s64, __s64;
typedef s64 time64_t;

#include "../kit/umd_handler.h"

#define __init
#define __exit
#define __force
#define __must_check			__attribute__((__warn_unused_result__))
#define __always_inline			inline
#define __counted_by(member)
#define auto				__auto_type
#define __cleanup(function)		__attribute__((__cleanup__(function)))
#define __maybe_unused			__attribute__((__unused__))
#define fallthrough			__attribute__((__fallthrough__))
#define likely(x)			__builtin_expect(!!(x), 1)
#define unlikely(x)			__builtin_expect(!!(x), 0)
#define IS_REACHABLE(option)		1
#define THIS_MODULE			NULL
#define EXPORT_SYMBOL_GPL(name)
#define MODULE_DESCRIPTION(text)
#define MODULE_AUTHOR(text)
#define MODULE_LICENSE(text)
#define module_init(function)	static void *init_of_##function __maybe_unused = function
#define module_exit(function)	static void *exit_of_##function __maybe_unused = function
#define BUG_ON(condition)	do { if (condition) __builtin_trap(); } while (0)

/* Nobody reads what the parsers print. The formats know the kernel's own conversions. */
#define printk(...)			((void)0)
#define pr_err(...)			((void)0)
#define pr_warn(...)			((void)0)
#define pr_debug(...)			((void)0)
#define pr_devel(...)			((void)0)

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
size_t strlen(const char *text);
char *bin2hex(char *to, const void *from, size_t size);
time64_t mktime64(unsigned int year, unsigned int month, unsigned int day,
		  unsigned int hour, unsigned int minute, unsigned int second);

#define MAX_ERRNO			4095

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *pointer)
{
	return (long)pointer;
}

static inline bool IS_ERR(const void *pointer)
{
	return (unsigned long)pointer >= (unsigned long)-MAX_ERRNO;
}

#define ERR_CAST(pointer)		((void *)(pointer))

/* What kmalloc() and kmemdup() give for nothing: a pointer that is not NULL. */
#define ZERO_SIZE_PTR			((void *)16)

static inline void *kmalloc(size_t size, int flags __maybe_unused)
{
	return size ? umd_alloc(size) : ZERO_SIZE_PTR;
}

#define kzalloc(size, flags)		kmalloc(size, flags)
#define kmalloc_obj(type)		kmalloc(sizeof(type), GFP_KERNEL)
#define kzalloc_obj(type)		kmalloc_obj(type)
#define GFP_KERNEL			0

static inline void *kmemdup(const void *from, size_t size, int flags __maybe_unused)
{
	return size ? (void *)from : ZERO_SIZE_PTR;
}

/* Of what the parsers would print, too. */
static inline int snprintf(char *buffer, size_t size, const char *format, ...)
{
	(void)buffer;
	(void)size;
	(void)format;
	return 0;
}

static inline void kfree(const void *memory __maybe_unused) { }

#include <linux/cleanup.h>

DEFINE_FREE(kfree, void *, if (!IS_ERR(_T)) kfree(_T))

static inline bool test_bit(unsigned int bit, const unsigned long *word)
{
	return *word >> bit & 1;
}

static inline bool __test_and_set_bit(unsigned int bit, unsigned long *word)
{
	bool old = test_bit(bit, word);

	*word |= 1UL << bit;
	return old;
}

struct list_head {
	struct list_head *next, *prev;
};

struct seq_file;
struct module;
struct kernel_pkey_params;
struct kernel_pkey_query;

union key_payload {
	void *data[4];
};

struct key {
	union key_payload payload;
};

struct key_preparsed_payload {
	char *description;
	union key_payload payload;
	const void *data;
	size_t datalen;
	size_t quotalen;
};

static inline void __module_get(struct module *module __maybe_unused) { }

struct crypto_shash;
struct shash_desc {
	struct crypto_shash *tfm;
};

/* So the parser takes every signature for one that it cannot check. */
static inline struct crypto_shash *crypto_alloc_shash(const char *name __maybe_unused,
						      u32 type __maybe_unused,
						      u32 mask __maybe_unused)
{
	return ERR_PTR(-ENOENT);
}

#define SHA256_DIGEST_SIZE				32
#define sha256(data, size, digest)			((void)0)
#define crypto_free_shash(tfm)				((void)0)
#define crypto_shash_descsize(tfm)			0
#define crypto_shash_digestsize(tfm)			0
#define crypto_shash_digest(desc, data, size, out)	(-ENOENT)
#define is_hash_blacklisted(digest, size, type)		0

#endif
