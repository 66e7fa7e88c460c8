// SPDX-License-Identifier: GPL-2.0-only
/*
 * map_code FOLDER FILES STEP CALLS: a child for each of so many files, every STEPth one behind `file0000`,
 * maps the file's first page as code, and its second page as data that a process writes for itself. Their
 * pids come on standard output, as longs, when each of them is about to make its call number CALLS.
 */
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "bare.h"
#include "number.h"

#define MOST 256
#define PAGE 4096

static void map_pages(unsigned long n, int tells)
{
	static char name[] = "file0000";
	long file;

	put_number(name + sizeof(name) - 1, n, 4);
	file = sys(__NR_open, name, O_RDONLY);
	sys(__NR_write, tells, name, 1);
	sys(__NR_mmap, 0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	sys(__NR_write, tells, name, 1);
	sys(__NR_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, PAGE);
	for (;;)
		sys(__NR_pause);
}

int main(int argc, char **argv, char **envp)
{
	static long pids[MOST];
	unsigned long files, step, calls;
	int told[2];
	char byte;

	(void)envp;
	if (argc < 5)
		return 1;
	files = number(argv[2], 10);
	step = number(argv[3], 10);
	calls = number(argv[4], 10);
	if (files > MOST || sys(__NR_chdir, argv[1]) || sys(__NR_pipe, told))
		return 2;
	for (unsigned long n = 0; n < files; n++) {
		pids[n] = sys(__NR_fork);
		if (pids[n] < 0)
			return 3;
		if (!pids[n])
			map_pages((n + 1) * step, told[1]);
	}
	for (unsigned long n = files * calls; n > 0; n--)
		sys(__NR_read, told[0], &byte, 1);
	sys(__NR_write, 1, pids, files * sizeof(*pids));
	for (;;)
		sys(__NR_pause);
}
