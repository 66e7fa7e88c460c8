// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is at stake if a parser lies about packages: the digests of files that the kernel takes for
 * genuine. Root writes a package's header and a signature by a key in the kernel. The kernel
 * verifies the signature first. Then the handler says where in the header the digests are, and the
 * kernel keeps them. Root then asks whether the kernel knows a digest. The kernel has the same
 * parser built in, out of root's reach. If a digest is known that this parser does not find, the
 * handler has made the kernel take a file for genuine that no package has.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/verification.h>

#include "../../tools/umd/rpm.c"
#include "witness.h"

#define MOST_DIGESTS	8192
#define LONGEST_DIGEST	128
#define LONGEST_PACKAGE	(sizeof(__u32) + WITNESS_PACKAGE_SIZE + 4096)

/* The digits of digests, of whichever algorithm, and whether the parser finds them, too. */
struct digest {
	char digits[LONGEST_DIGEST + 1];
	bool is_named;
};

static struct digest *known;
static unsigned int known_count;
static DEFINE_MUTEX(known_lock);

struct package {
	const void *header;
	size_t len;
	struct umd_rpm *said;	/* by the handler */
	struct umd_rpm *right;
};

static bool is_within(const struct package *package, const struct umd_rpm_file *file)
{
	return (u64)file->offset + package->said->digest_len <= package->len &&
	       is_digest(package->header + file->offset, package->said->digest_len);
}

static bool is_plausible(const struct package *package)
{
	const struct umd_rpm *said = package->said;

	if (said->count > UMD_RPM_FILES || !said->digest_len || said->digest_len > LONGEST_DIGEST)
		return !said->count;
	for (u32 i = 0; i < said->count; i++)
		if (!is_within(package, &said->file[i]))
			return false;
	return true;
}

/* Whether the kernel's own parser finds this digest, too, wherever. */
static bool is_named(const struct package *package, u32 nth)
{
	const struct umd_rpm *said = package->said, *right = package->right;
	u32 offset = said->file[nth].offset;

	if (said->algo != right->algo || said->digest_len != right->digest_len)
		return false;
	if (nth < right->count && right->file[nth].offset == offset)
		return true;
	for (u32 i = 0; i < right->count; i++)
		if (!memcmp(package->header + right->file[i].offset, package->header + offset,
			    right->digest_len))
			return true;
	return false;
}

static int make_room(u32 count)
{
	struct digest *longer;

	if (count > MOST_DIGESTS - known_count)
		return -ENOSPC;
	longer = kvcalloc(known_count + count, sizeof(*known), GFP_KERNEL);
	if (!longer)
		return -ENOMEM;
	memcpy(longer, known, known_count * sizeof(*known));
	kvfree(known);
	known = longer;
	return 0;
}

static int keep(const struct package *package)
{
	const struct umd_rpm *said = package->said;
	int ret;

	mutex_lock(&known_lock);
	ret = make_room(said->count);
	for (u32 i = 0; !ret && i < said->count; i++, known_count++) {
		memcpy(known[known_count].digits, package->header + said->file[i].offset,
		       said->digest_len);
		known[known_count].is_named = is_named(package, i);
		cond_resched();
	}
	mutex_unlock(&known_lock);
	return ret;
}

static int add(struct package *package)
{
	int ret = witness_ask_about(package->header, package->len, package->said);
	u64 begin;

	if (!ret && !is_plausible(package))
		ret = -EINVAL;
	if (ret)
		return ret;

	begin = ktime_get_ns();
	/* The witness cannot judge what its own parser refuses. An honest handler refuses that. */
	ret = umd_rpm_parse(package->header, package->len, package->right);
	witness_note_parse(begin);
	return ret ?: keep(package);
}

static int add_verified(const void *header, size_t len)
{
	struct package package = { .header = header, .len = len };
	int ret = -ENOMEM;

	package.said = kvzalloc(WITNESS_DIGESTS_SIZE, GFP_KERNEL);
	package.right = kvzalloc(WITNESS_DIGESTS_SIZE, GFP_KERNEL);
	if (package.said && package.right)
		ret = add(&package);
	kvfree(package.right);
	kvfree(package.said);
	return ret;
}

/* The header's length, the header, and a PKCS #7 message that signs it. */
static ssize_t package_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	__u32 len;
	void *data;
	int ret;

	if (size < sizeof(len) || size > LONGEST_PACKAGE)
		return -EMSGSIZE;
	data = vmemdup_user(from, size);
	if (IS_ERR(data))
		return PTR_ERR(data);

	memcpy(&len, data, sizeof(len));
	size -= sizeof(len);
	ret = -EMSGSIZE;
	if (len <= size)
		ret = verify_pkcs7_signature(data + sizeof(len), len, data + sizeof(len) + len,
					     size - len, NULL, VERIFYING_UNSPECIFIED_SIGNATURE,
					     NULL, NULL);
	if (!ret)
		ret = add_verified(data + sizeof(len), len);
	kvfree(data);
	return ret ?: sizeof(len) + size;
}

/* Whether a digest is known: the error is ENOENT if it is not. */
static ssize_t digest_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char asked[LONGEST_DIGEST + 1] = { };
	bool is_known = false, is_named = false;

	if (size >= sizeof(asked))
		return -EMSGSIZE;
	if (copy_from_user(asked, from, size))
		return -EFAULT;

	mutex_lock(&known_lock);
	for (u32 i = 0; i < known_count; i++) {
		if (strcmp(known[i].digits, asked))
			continue;
		is_known = true;
		is_named |= known[i].is_named;
	}
	mutex_unlock(&known_lock);

	if (is_known && !is_named)
		witness_note(WITNESS_BELIEVED);
	return is_known ? size : -ENOENT;
}

static const struct file_operations package_operations = {
	.owner = THIS_MODULE,
	.write = package_write,
	.llseek = noop_llseek,
};

static const struct file_operations digest_operations = {
	.owner = THIS_MODULE,
	.write = digest_write,
	.llseek = noop_llseek,
};

static int __init digests_init(void)
{
	if (witness_parser() != WITNESS_RPM)
		return 0;
	if (IS_ERR(securityfs_create_file("umd_witness_package", 0200, NULL, NULL,
					  &package_operations)) ||
	    IS_ERR(securityfs_create_file("umd_witness_digest", 0200, NULL, NULL,
					  &digest_operations)))
		pr_err("umd_witness: the kernel takes no packages\n");
	return 0;
}
late_initcall(digests_init);
