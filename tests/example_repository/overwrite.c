// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inverts all that the handler has in its first writable mapping, through /proc/<pid>/mem.
 *
 * Exit status, as in kselftest.h: 0 for success, 1 for a refusal, 4 if there is nothing to attack.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS, REFUSED, FAILED, SKIPPED = 4 };

static int open_of(const char *pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	return open(path, flags);
}

static int failed(const char *what)
{
	int error = errno;

	fprintf(stderr, "%s: %s\n", what, strerror(error));
	if (error == ESRCH)
		return SKIPPED; /* a kernel thread has no memory, nor has who is spared like one */
	return error == EPERM || error == EACCES ? REFUSED : FAILED;
}

int main(void)
{
	const char *pid = getenv("UMD_HANDLER_PID");
	unsigned long start, end;
	unsigned char *bytes;
	char line[256];
	FILE *maps;
	size_t i;
	int mem;

	if (!pid)
		return FAILED;
	mem = open_of(pid, "mem", O_RDWR);
	if (mem < 0)
		return failed("mem");
	maps = fdopen(open_of(pid, "maps", O_RDONLY), "r");
	if (!maps)
		return failed("maps");
	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, " rw-p ") || sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		bytes = malloc(end - start);
		if (!bytes || pread(mem, bytes, end - start, start) < 0)
			return failed("read");
		for (i = 0; i < end - start; i++)
			bytes[i] ^= 0xff;
		if (pwrite(mem, bytes, end - start, start) < 0)
			return failed("write");
		return SUCCESS;
	}
	fprintf(stderr, "it has no writable mapping\n");
	return FAILED;
}
