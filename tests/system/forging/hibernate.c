// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hibernates the machine into its own memory, edits the image and resumes from that: the handler
 * has another secret then, and the witness takes any reply for a right reply.
 */
#include "agent.h"

#define main edit_once
#include "edit_image.c" /* of guest-images/payloads */
#undef main

#define HASH 32

/* mov $1, %eax; ret */
static const char always[] = { (char)0xb8, 1, 0, 0, 0, (char)0xc3 };

static int edit(unsigned long *image)
{
	char *secret = find(image, SECRET_AT / PAGE), *code = find(image, IS_RIGHT_AT / PAGE);
	int i;

	if (!secret || !code)
		return 0;
	for (i = 0; i < HASH; i++)
		secret[SECRET_AT % PAGE + i] ^= 0xff;
	memcpy(code + IS_RIGHT_AT % PAGE, always, sizeof(always));
	return 1;
}

int main(int argc, char **argv, char **envp)
{
	long device = sys(__NR_open, "/dev/snapshot", O_RDONLY), size = 0;
	int is_original = 0;
	unsigned long *image;

	(void)argc;
	(void)argv;
	(void)envp;
	(void)edit_once;
	wait_for_agent();
	if (sys(__NR_ioctl, device, SNAPSHOT_FREEZE))
		return 1;
	if (!sys(__NR_ioctl, device, SNAPSHOT_CREATE_IMAGE, &is_original) && is_original)
		size = take(device, &image);
	thaw(device);
	if (!size)
		return is_original;
	return edit(image) ? resume(image, size) : 2;
}
