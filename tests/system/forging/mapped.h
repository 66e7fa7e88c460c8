/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/mem, mapped. */
#ifndef FORGING_MAPPED_H
#define FORGING_MAPPED_H

static char *maps[ARRAY_SIZE(places)];

static bool begin(void)
{
	unsigned int i;

	memory = sys(__NR_open, "/dev/mem", O_RDWR);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		long at = sys(__NR_mmap, 0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory,
			      places[i] & -PAGE);

		if (at < 0)
			return false;
		maps[i] = (char *)at + places[i] % PAGE;
	}
	return true;
}

static void get(enum place place, unsigned long offset, void *to, unsigned long size)
{
	memcpy(to, maps[place] + offset, size);
}

static void put(enum place place, unsigned long offset, const void *from, unsigned long size)
{
	memcpy(maps[place] + offset, from, size);
}

#endif
