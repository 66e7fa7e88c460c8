// SPDX-License-Identifier: GPL-2.0-only
/* Has whoever drops the page cache dawdle at the blob, whose file system it keeps from going away. */
#include "blob.h"
#include "spend.h"

SEC("fentry/invalidate_mapping_pages")
int dawdle_in_blob(unsigned long long *ctx)
{
	if (!hits && is_blob((struct address_space *)ctx[0]))
		spend();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
