// SPDX-License-Identifier: GPL-2.0-only
/* Has a key of the kernel's verify `content`, by the function for BPF programs that was posted. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MOST	32

/* libbpf compares it with the kernel's: its kind alone. */
struct bpf_key {
	int unused;
};

struct bpf_key *bpf_lookup_system_key(__u64 id) __ksym;
void bpf_key_put(struct bpf_key *key) __ksym;
int bpf_verify_umd_signature(struct bpf_dynptr *content, struct bpf_dynptr *signature,
			     struct bpf_key *keyring) __ksym;

const volatile char content[MOST];
const volatile __u32 size;

/* The memory of a dynptr can be written. */
char copy[MOST];
char signature[] = "only the handler parses this";

/* 1 for a right signature, else 1 + errno. */
__u32 hits;

/* The loader sleeps until there are hits. */
SEC("fentry.s/__x64_sys_clock_nanosleep")
int verify(void *ctx)
{
	struct bpf_dynptr of_content, of_signature;
	struct bpf_key *keyring;
	__u32 length = size;
	int i;

	(void)ctx;
	if (hits || length > MOST)
		return 0;
	for (i = 0; i < MOST; i++)
		copy[i] = content[i];
	bpf_dynptr_from_mem(copy, length, 0, &of_content);
	bpf_dynptr_from_mem(signature, sizeof(signature), 0, &of_signature);
	keyring = bpf_lookup_system_key(0);
	if (!keyring)
		return 0;
	hits = 1 - bpf_verify_umd_signature(&of_content, &of_signature, keyring);
	bpf_key_put(keyring);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
