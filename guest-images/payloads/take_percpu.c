// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes per-CPU arrays of BPF when it has read a byte. Each takes more than a chunk of the kernel's per-CPU
 * memory. Chunks are made under one lock, by a worker of the kernel as well.
 */
#include <linux/bpf.h>

#include "bare.h"

#define LARGEST	32768 /* PCPU_MIN_UNIT_SIZE: the kernel's limit on one value */
#define VALUES	100
#define ARRAYS	8

int main(int argc, char **argv, char **envp)
{
	union bpf_attr array = {
		.map_type = BPF_MAP_TYPE_PERCPU_ARRAY,
		.key_size = sizeof(__u32),
		.value_size = LARGEST,
		.max_entries = VALUES,
	};
	char byte;
	int i;

	(void)argc, (void)argv, (void)envp;
	if (sys(__NR_read, 0, &byte, 1) != 1)
		return 1;
	for (i = 0; i < ARRAYS; i++) {
		if (sys(__NR_bpf, BPF_MAP_CREATE, &array, sizeof(array)) < 0)
			return 1;
	}
	return 0;
}
