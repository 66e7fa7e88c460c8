// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds the first page of a file that has some bytes at a place: find_page FILE PLACE BYTES, the
 * place in the page in decimal, the bytes in hexadecimal. It looks once for each byte that comes on
 * standard input; the page's number, or -1, goes to standard output, 8 bytes long. A swap device is
 * more than the agent's stream is meant to carry.
 */
#include <linux/fcntl.h>

#include "bare.h"
#include "number.h"

#define PAGE 4096
#define CHUNK (256 * PAGE)
#define BYTES_MAX 64

/* What is read lies elsewhere in its pages than it did: nobody finds it when these are swapped. */
static struct {
	char wanted[BYTES_MAX];
	char chunk[CHUNK];
} __aligned(PAGE) our;

static int parse(const char *digits)
{
	char byte[3] = { 0 };
	int count;

	for (count = 0; count < BYTES_MAX && *digits; count++) {
		memcpy(byte, digits, 2);
		our.wanted[count] = number(byte, 16);
		digits += 2;
	}
	return count;
}

static int is_wanted(const char *bytes, int count)
{
	while (count--) {
		if (bytes[count] != our.wanted[count])
			return 0;
	}
	return 1;
}

static long find(long file, long place, int count)
{
	long at, page, size;

	for (at = 0; (size = sys(__NR_pread64, file, our.chunk, CHUNK, at)) > 0; at += size) {
		for (page = 0; page < size; page += PAGE) {
			if (is_wanted(our.chunk + page + place, count))
				return (at + page) / PAGE;
		}
	}
	return -1;
}

int main(int argc, char **argv, char **envp)
{
	long file, found;
	int count;
	char go;

	(void)envp;
	if (argc < 4)
		return 1;
	file = sys(__NR_open, argv[1], O_RDONLY);
	if (file < 0)
		return 1;
	count = parse(argv[3]);
	while (sys(__NR_read, 0, &go, 1) == 1) {
		found = find(file, number(argv[2], 10), count);
		sys(__NR_write, 1, &found, sizeof(found));
	}
	return 0;
}
