/* SPDX-License-Identifier: GPL-2.0-only */
/* A driver's blob: the program in a tmpfs that the kernel mounts for itself alone. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PROGRAM 0100700
#define TMPFS_MAGIC 0x01021994
#define SB_KERNMOUNT (1 << 22) /* include/linux/fs.h */

struct super_block {
	unsigned long s_flags;
	unsigned long s_magic;
} __attribute__((preserve_access_index));

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
} __attribute__((preserve_access_index));

struct address_space {
	struct inode *host;
} __attribute__((preserve_access_index));

static inline int is_blob(struct address_space *mapping)
{
	return BPF_CORE_READ(mapping, host, i_mode) == PROGRAM &&
	       BPF_CORE_READ(mapping, host, i_sb, s_magic) == TMPFS_MAGIC &&
	       BPF_CORE_READ(mapping, host, i_sb, s_flags) & SB_KERNMOUNT;
}
