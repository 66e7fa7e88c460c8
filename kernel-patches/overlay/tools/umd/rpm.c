// SPDX-License-Identifier: GPL-2.0-only
/*
 * A handler that parses the header of an RPM package: its files' digests.
 *
 * A header has 16 bytes of its own: magic, reserved, the number of entries, the
 * size of the store. Then there is the index, 16 bytes an entry: tag, type, offset
 * into the store, count. The store is the rest. All numbers are big-endian.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#endif

#include "kit/umd_handler.h"
#include "kit/overflow.h"
#include "rpm.h"

#define INTRO			16
#define ENTRY			16
#define TAG_FILEDIGESTS		1035
#define TAG_ICON		1043
#define TAG_FILEDIGESTALGO	5011
#define TYPE_INT32		4
#define TYPE_BIN		7
#define TYPE_STRING_ARRAY	8
#define ALGO_MD5		1	/* which a package without the tag has */

static const unsigned char magic[8] = { 0x8e, 0xad, 0xe8, 0x01 };

struct header {
	const unsigned char *start;
	const unsigned char *index;
	const unsigned char *store;
	__u32 entries;
	__u32 store_size;
};

struct entry {
	__u32 type;
	__u32 offset;
	__u32 count;
};

static __u32 number(const unsigned char *at)
{
	return (__u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static int read_header(struct header *header, const unsigned char *data, size_t len)
{
	if (len < INTRO || memcmp(data, magic, sizeof(magic)))
		return -EBADMSG;

	header->start = data;
	header->entries = number(data + 8);
	header->store_size = number(data + 12);
	header->index = data + INTRO;
	len -= INTRO;
	if (header->entries > len / ENTRY ||
	    header->store_size != len - (size_t)header->entries * ENTRY)
		return -EBADMSG;
	header->store = header->index + (size_t)header->entries * ENTRY;
	return 0;
}

/* Returns 1 if there is such an entry, 0 if there is none, -EBADMSG if there are two. */
static int find(const struct header *header, __u32 tag, struct entry *entry)
{
	int found = 0;
	__u32 i;

	for (i = 0; i < header->entries; i++) {
		const unsigned char *at = header->index + (size_t)i * ENTRY;

		if (number(at) != tag)
			continue;
		if (found++)
			return -EBADMSG;
		entry->type = number(at + 4);
		entry->offset = number(at + 8);
		entry->count = number(at + 12);
		if (entry->offset >= header->store_size || !entry->count)
			return -EBADMSG;
	}
	return found;
}

static int read_algo(const struct header *header, struct umd_rpm *out)
{
	static const unsigned char digits[] = {
		[1] = 32, [2] = 40, [8] = 64, [9] = 96, [10] = 128, [11] = 56, [12] = 64,
		[14] = 128,
	};
	struct entry entry;
	int ret = find(header, TAG_FILEDIGESTALGO, &entry);

	if (ret < 0)
		return ret;
	out->algo = ALGO_MD5;
	if (ret) {
		if (entry.type != TYPE_INT32 || entry.count != 1 ||
		    header->store_size - entry.offset < 4)
			return -EBADMSG;
		out->algo = number(header->store + entry.offset);
	}
	if (out->algo >= sizeof(digits) || !digits[out->algo])
		return -ENOPKG;
	out->digest_len = digits[out->algo];
	return 0;
}

static bool is_digest(const unsigned char *text, size_t len)
{
	for (; len; len--, text++)
		if (!(*text >= '0' && *text <= '9') && !(*text >= 'a' && *text <= 'f'))
			return false;
	return true;
}

/* A file without content, such as a folder, has an empty string. */
static int read_digests(const struct header *header, const struct entry *entry,
			struct umd_rpm *out)
{
	const unsigned char *at = header->store + entry->offset;
	size_t left = header->store_size - entry->offset + UMD_PLANTED;

	for (; out->files < entry->count; out->files++) {
		size_t len = strnlen((const char *)at, left);

		if (len == left || (len && (len != out->digest_len || !is_digest(at, len))))
			return -EBADMSG;
		if (len) {
			if (out->count == UMD_RPM_FILES)
				return -EOVERFLOW;
			out->file[out->count++] = (struct umd_rpm_file){
				out->files, at - header->start
			};
		}
		at += len + 1;
		left -= len + 1;
	}
	return 0;
}

/* In the build with a bug. */
static void look_at_icon(const struct header *header)
{
	struct entry entry;

	if (find(header, TAG_ICON, &entry) == 1 && entry.type == TYPE_BIN &&
	    entry.count <= header->store_size - entry.offset)
		umd_text_length(header->store + entry.offset, entry.count);
}

int umd_rpm_parse(const void *data, size_t len, void *out)
{
	struct header header;
	struct entry entry;
	int ret = read_header(&header, data, len);

	if (ret)
		return ret;
	if (UMD_OVERFLOW)
		look_at_icon(&header);
	ret = find(&header, TAG_FILEDIGESTS, &entry);
	if (ret <= 0)
		return ret;
	if (entry.type != TYPE_STRING_ARRAY)
		return -EBADMSG;
	return read_algo(&header, out) ?: read_digests(&header, &entry, out);
}

/* Another program that has the parser has its own loop, and defines UMD_PARSER_ONLY. */
#ifndef UMD_PARSER_ONLY
static struct umd_rpm reply;

int main(void)
{
	umd_serve(umd_rpm_parse, &reply, sizeof(reply));
	return 0;
}
#endif
