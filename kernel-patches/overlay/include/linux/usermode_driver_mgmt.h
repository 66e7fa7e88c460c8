/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Management library for user mode drivers: starts a handler when it is
 * needed, talks to it, and gets rid of one that misbehaves.
 */
#ifndef __LINUX_USERMODE_DRIVER_MGMT_H__
#define __LINUX_USERMODE_DRIVER_MGMT_H__

#include <linux/mutex.h>
#include <linux/usermode_driver.h>

/**
 * struct umd_mgmt - a user mode driver as its manager sees it
 * @info: the driver's name, blob, pipes and thread group
 * @lock: one transaction at a time; protects all fields but the constant ones
 * @post_start: called with @lock held after each start of the handler, may be
 *	NULL; talks through umd_send_recv(); if it fails, so does the start
 * @kmod: the loader module, which carries the blob
 * @kmod_loaded: true while the loader has its blob in place
 * @framed: messages have a struct umd_frame before them, and a reply that is not
 *	the request's is an error
 * @digest: SHA-256 of the one blob to run, or NULL to run what any loader brings
 *
 * The manager sets @info.driver_name, @lock, @post_start, @kmod, @framed and @digest
 * and leaves everything else zero.
 */
struct umd_mgmt {
	struct umd_info info;
	struct mutex lock;	/* held for the whole of a transaction */
	int (*post_start)(struct umd_mgmt *mgmt);
	const char *kmod;
	bool kmod_loaded;
	bool framed;
	const u8 *digest;
};

int umd_mgmt_send_recv(struct umd_mgmt *mgmt, void *in, size_t in_len,
		       void *out, size_t out_len);
int umd_mgmt_request(struct umd_mgmt *mgmt, const void *in, size_t in_len,
		     void *out, size_t *out_len);
int umd_mgmt_load(struct umd_mgmt *mgmt, char *start, char *end);
void umd_mgmt_unload(struct umd_mgmt *mgmt);

#endif /* __LINUX_USERMODE_DRIVER_MGMT_H__ */
