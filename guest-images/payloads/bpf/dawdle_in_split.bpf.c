// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has whoever splits the huge page of a blob, or a large page of a driver, dawdle: the page is locked then, and
 * so are all its mappings. The kernel unmaps a blob's page, and puts entries of a migration for a driver's.
 */
#include "blob.h"
#include "spend.h"

#define PAGE_MAPPING_ANON 1
#define PAGE_MAPPING_FLAGS 3

const volatile __u32 anonymous;

struct folio {
	struct address_space *mapping;
} __attribute__((preserve_access_index));

struct anon_vma {
	_Bool umd;
} __attribute__((preserve_access_index));

SEC("fentry/try_to_unmap")
int dawdle_in_blob_split(unsigned long long *ctx)
{
	struct folio *folio = (struct folio *)ctx[0];
	unsigned long mapping = (unsigned long)BPF_CORE_READ(folio, mapping);

	if (!hits && !anonymous && mapping && !(mapping & PAGE_MAPPING_FLAGS) &&
	    is_blob((struct address_space *)mapping))
		spend();
	return 0;
}

SEC("fentry/try_to_migrate")
int dawdle_in_stack_split(unsigned long long *ctx)
{
	struct folio *folio = (struct folio *)ctx[0];
	unsigned long mapping = (unsigned long)BPF_CORE_READ(folio, mapping);
	struct anon_vma *anon_vma = (struct anon_vma *)(mapping - PAGE_MAPPING_ANON);

	if (!hits && anonymous && (mapping & PAGE_MAPPING_FLAGS) == PAGE_MAPPING_ANON &&
	    BPF_CORE_READ(anon_vma, umd))
		spend();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
