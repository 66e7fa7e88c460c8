// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes a per-CPU array of BPF that takes more than a chunk of the kernel's per-CPU memory, when it has read a
 * byte. Chunks are made under one lock.
 */
#include <linux/bpf.h>

#include "bare.h"

#define LARGEST	32768 /* PCPU_MIN_UNIT_SIZE: the kernel's limit on one value */
#define VALUES	100

int main(int argc, char **argv, char **envp)
{
	union bpf_attr array = {
		.map_type = BPF_MAP_TYPE_PERCPU_ARRAY,
		.key_size = sizeof(__u32),
		.value_size = LARGEST,
		.max_entries = VALUES,
	};
	char byte;

	(void)argc, (void)argv, (void)envp;
	return sys(__NR_read, 0, &byte, 1) != 1 ||
	       sys(__NR_bpf, BPF_MAP_CREATE, &array, sizeof(array)) < 0;
}
