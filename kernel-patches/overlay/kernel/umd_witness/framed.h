/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages in frames, or without if the kernel does not frame what it says, or knows of none. */
#ifndef UMD_WITNESS_FRAMED_H
#define UMD_WITNESS_FRAMED_H

#include "transfer.h"

#ifdef WITNESS_FRAMES
#include "../../include/uapi/linux/umd.h"

/* The first request tells whether there are frames. */
static int unframed;

static inline void receive_request(struct umd_frame *frame, void *to, size_t len)
{
	size_t had = 0;

	if (!unframed) {
		receive(frame, sizeof(*frame));
		unframed = frame->magic != UMD_FRAME_MAGIC;
		if (unframed) {
			had = sizeof(*frame);
			__builtin_memcpy(to, frame, had);
		}
	}
	receive(to + had, len - had);
}

/* The frame is that of the request. The reply lies behind it. */
static inline void send_reply(struct umd_frame *frame, size_t len)
{
	if (unframed) {
		send(frame + 1, len);
		return;
	}
	frame->len = len;
	send(frame, sizeof(*frame) + len);
}
#else
struct umd_frame { };

static inline void receive_request(struct umd_frame *frame, void *to, size_t len)
{
	receive(to, len);
}

static inline void send_reply(struct umd_frame *frame, size_t len)
{
	send(frame, len);
}
#endif

#endif
