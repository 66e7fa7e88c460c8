/* SPDX-License-Identifier: GPL-2.0-only */
/* From the structures of the tree's parsers to parts of the request. */
#ifndef UMD_X509_FIELDS_H
#define UMD_X509_FIELDS_H

#include "../x509.h"

struct asymmetric_key_id;
struct public_key_signature;
struct x509_certificate;

/**
 * struct umd_request - what is parsed
 * @data: its first byte
 * @len: how many bytes it has
 */
struct umd_request {
	const u8 *data;
	size_t len;
};

struct umd_span umd_span_of(const struct umd_request *request, const void *part, size_t len);
void umd_key_id_fields(const struct umd_request *request, const struct asymmetric_key_id *id,
		       struct umd_span *first, struct umd_span *second);
int umd_sig_fields(const struct public_key_signature *sig, struct umd_sig_names *names);
int umd_x509_parse(const void *data, size_t len, void *reply);
int umd_x509_fields(const struct umd_request *request, const struct x509_certificate *cert,
		    struct umd_x509 *fields);

#endif
