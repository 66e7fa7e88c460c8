// SPDX-License-Identifier: GPL-2.0-only
/*
 * Headers of RPM packages that nobody can predict: names, digests, how many there are and their
 * algorithm are random. The witness makes them, so it knows where each digest is.
 */
#include <linux/align.h>
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/string.h>

#include "../../tools/umd/rpm.h"
#include "witness.h"

#define INTRO		16
#define ENTRY		16
#define ENTRIES		5
#define STORE		(INTRO + ENTRIES * ENTRY)
#define MOST_FILES	12
#define LONGEST_TEXT	40

/* Tags and types of entries: rpmtag.h of rpm. */
#define NAME		1000
#define VERSION		1001
#define RELEASE		1002
#define SUMMARY		1004
#define DIGESTS		1035
#define ALGORITHM	5011

#define INT32		4
#define STRING		6
#define STRING_ARRAY	8

static const struct {
	u8 number;
	u8 digits;
} algorithms[] = {
	{ 1, 32 },	/* MD5: the algorithm of a package that names none */
	{ 2, 40 },
	{ 8, 64 },
	{ 9, 96 },
	{ 10, 128 },
};

static void put_number(u8 *at, __be32 number)
{
	memcpy(at, &number, sizeof(number));
}

static void put_entry(struct witness_input *header, u32 nth, u32 tag, u32 type, u32 count)
{
	u8 *at = header->data + INTRO + nth * ENTRY;

	put_number(at, cpu_to_be32(tag));
	put_number(at + 4, cpu_to_be32(type));
	put_number(at + 8, cpu_to_be32(header->len - STORE));
	put_number(at + 12, cpu_to_be32(count));
}

/* What is not put is zero already, such as the end of a string. */
static void put_text(struct witness_input *header, u32 nth, u32 tag)
{
	u32 len = get_random_u32_inclusive(1, LONGEST_TEXT);

	put_entry(header, nth, tag, STRING, 1);
	for (u32 i = 0; i < len; i++)
		header->data[header->len++] = 'a' + get_random_u32_below(26);
	header->len++;
}

/* A header may leave this entry out for MD5. A text takes its place. */
static void put_algorithm(struct witness_input *header, u32 nth, u32 number)
{
	if (number == algorithms[0].number && get_random_u32_below(2)) {
		put_text(header, nth, SUMMARY);
		return;
	}
	header->len = ALIGN(header->len, sizeof(u32));
	put_entry(header, nth, ALGORITHM, INT32, 1);
	put_number(header->data + header->len, cpu_to_be32(number));
	header->len += sizeof(u32);
}

/* Some of the files are folders, which have an empty string. */
static void put_digests(struct witness_input *header, u32 nth, struct umd_rpm *fields)
{
	static const char digits[] = "0123456789abcdef";

	fields->files = get_random_u32_inclusive(1, MOST_FILES);
	put_entry(header, nth, DIGESTS, STRING_ARRAY, fields->files);
	for (u32 i = 0; i < fields->files; i++) {
		if (get_random_u32_below(4)) {
			fields->file[fields->count++] = (struct umd_rpm_file){ i, header->len };
			for (u32 left = fields->digest_len; left; left--)
				header->data[header->len++] = digits[get_random_u32_below(16)];
		}
		header->len++;
	}
}

/**
 * witness_make_package - make a package's header that no handler has seen
 * @header: where it goes: WITNESS_INPUT_SIZE bytes of zero
 * @parsed: where the reply goes that a handler has to make, zeroed
 */
void witness_make_package(struct witness_input *header, void *parsed)
{
	u32 chosen = get_random_u32_below(ARRAY_SIZE(algorithms));
	u32 first = get_random_u32_below(ENTRIES);
	struct umd_rpm *fields = parsed;

	BUILD_BUG_ON(sizeof(*fields) != WITNESS_DIGESTS_SIZE);
	BUILD_BUG_ON(MOST_FILES > UMD_RPM_FILES);
	BUILD_BUG_ON(STORE + (ENTRIES - 1) * (LONGEST_TEXT + 1) + MOST_FILES * (128 + 1) >
		     WITNESS_INPUT_SIZE);
	fields->algo = algorithms[chosen].number;
	fields->digest_len = algorithms[chosen].digits;

	header->len = STORE;
	put_text(header, first, NAME);
	put_text(header, (first + 1) % ENTRIES, VERSION);
	put_digests(header, (first + 2) % ENTRIES, fields);
	put_text(header, (first + 3) % ENTRIES, RELEASE);
	put_algorithm(header, (first + 4) % ENTRIES, fields->algo);

	put_number(header->data, cpu_to_be32(0x8eade801));
	put_number(header->data + 8, cpu_to_be32(ENTRIES));
	put_number(header->data + 12, cpu_to_be32(header->len - STORE));
}
