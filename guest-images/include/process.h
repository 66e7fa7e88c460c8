/* SPDX-License-Identifier: GPL-2.0-only */
/* The files of a process in /proc. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>

#include <linux/fcntl.h>

#include "bare.h"

static char text[64];

/* Open /proc/<pid>/<name>; the name is short. */
static inline long open_of(long pid, const char *name, int flags)
{
	char path[] = "/proc/0000000000/xxxxxxx", *at = path + 16;
	int i;

	for (i = 0; name[i] && at[i + 1]; i++)
		at[i + 1] = name[i];
	at[i + 1] = '\0';
	do {
		*--at = '0' + pid % 10;
	} while (pid /= 10);
	at -= 6;
	memcpy(at, "/proc/", 6);
	return sys(__NR_open, at, flags);
}

/* Read the beginning of such a file to @text. Returns its size, or the error. */
static inline long read_of(long pid, const char *name)
{
	long file = open_of(pid, name, O_RDONLY), size = file;

	memset(text, 0, sizeof(text));
	if (file >= 0) {
		size = sys(__NR_read, file, text, sizeof(text) - 1);
		sys(__NR_close, file);
	}
	return size;
}

static inline bool begins(const char *at, const char *with)
{
	while (*with && *at == *with)
		at++, with++;
	return !*with;
}

#endif
