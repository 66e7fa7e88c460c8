/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages in frames, or without if the kernel does not frame what it says, or knows of none. */
#ifndef UMD_WITNESS_FRAMED_H
#define UMD_WITNESS_FRAMED_H

#include "transfer.h"

#ifdef WITNESS_FRAMES
#include "../../include/uapi/linux/umd.h"

/* What the last request came in; the first one tells whether they come in any. */
static struct umd_frame outer;
static int unframed;

static inline void receive_request(void *to, size_t len)
{
	size_t had = 0;

	if (!unframed) {
		receive(&outer, sizeof(outer));
		unframed = outer.magic != UMD_FRAME_MAGIC;
		if (unframed) {
			had = sizeof(outer);
			__builtin_memcpy(to, &outer, had);
		}
	}
	receive(to + had, len - had);
}

/* Goes before a reply of so many bytes. */
static inline void send_frame(size_t len)
{
	outer.len = len;
	if (!unframed)
		send(&outer, sizeof(outer));
}
#else
static inline void receive_request(void *to, size_t len)
{
	receive(to, len);
}

static inline void send_frame(size_t len) { }
#endif

#endif
