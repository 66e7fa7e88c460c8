/* SPDX-License-Identifier: GPL-2.0-only */
/* What the handler of RPM headers replies. */
#ifndef UMD_RPM_H
#define UMD_RPM_H

#include "kit/umd_handler.h"

/* As many as the reply has room for. */
#ifndef UMD_RPM_FILES
#define UMD_RPM_FILES	4096
#endif

/**
 * struct umd_rpm_file - a file that has a digest
 * @index: the file's place in the package's list of files
 * @offset: where its digest begins in the request; it ends at a byte of zero
 */
struct umd_rpm_file {
	__u32 index;
	__u32 offset;
};

/**
 * struct umd_rpm - the digests of a package's files
 * @status: 0; -EBADMSG if it is no header, -ENOPKG for an algorithm that is not
 *	known, -EOVERFLOW for more digests than the reply has room for, -EMSGSIZE
 * @algo: the digests' algorithm, by its number in RFC 4880; 0 without files
 * @digest_len: how many hexadecimal digits each digest has; 0 without files
 * @files: how many files the package has
 * @count: how many of them have a digest
 * @file: those
 */
struct umd_rpm {
	__s32 status;
	__u32 algo;
	__u32 digest_len;
	__u32 files;
	__u32 count;
	struct umd_rpm_file file[UMD_RPM_FILES];
};

/* An umd_parse_t. */
int umd_rpm_parse(const void *data, size_t len, void *out);

#endif
