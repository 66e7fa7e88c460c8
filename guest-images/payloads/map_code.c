// SPDX-License-Identifier: GPL-2.0-only
/*
 * map_code FOLDER FILES STEP: a child for each of so many files, every STEPth one behind `file0000`, maps
 * the file's first page as code, and its second page as data that a process writes for itself. Before
 * that, the children's pids come on standard output, as longs.
 */
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "bare.h"
#include "number.h"

#define MOST 256
#define PAGE 4096

static void map_when_told(int order, unsigned long n)
{
	static char name[] = "file0000";
	long file;

	put_number(name + sizeof(name) - 1, n, 4);
	file = sys(__NR_open, name, O_RDONLY);
	sys(__NR_read, order, name, 1);
	sys(__NR_mmap, 0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	sys(__NR_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, PAGE);
	for (;;)
		sys(__NR_pause);
}

int main(int argc, char **argv, char **envp)
{
	static long pids[MOST];
	unsigned long files, step;
	int order[2];

	(void)envp;
	if (argc < 4)
		return 1;
	files = number(argv[2], 10);
	step = number(argv[3], 10);
	if (files > MOST || sys(__NR_chdir, argv[1]) || sys(__NR_pipe, order))
		return 2;
	for (unsigned long n = 0; n < files; n++) {
		pids[n] = sys(__NR_fork);
		if (!pids[n]) {
			sys(__NR_close, order[1]);
			map_when_told(order[0], (n + 1) * step);
		}
	}
	sys(__NR_write, 1, pids, files * sizeof(*pids));
	sys(__NR_close, order[1]);
	for (;;)
		sys(__NR_pause);
}
