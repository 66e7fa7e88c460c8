// SPDX-License-Identifier: GPL-2.0-only
/* What a caller has to check of each handler's reply before it uses it. */
#include <string.h>

#include "fuzz.h"

static void check_span(struct umd_span span, size_t len)
{
	umd_demand(span.offset <= len && span.length <= len - span.offset);
}

/* A name, and zeroes behind it. */
static void check_name(const char *name, size_t size)
{
	size_t used = strnlen(name, size);

	umd_demand(used);
	for (; used < size; used++)
		umd_demand(!name[used]);
}

static void check_signature(const struct umd_sig_names *sig)
{
	check_name(sig->algo, sizeof(sig->algo));
	check_name(sig->hash, sizeof(sig->hash));
	check_name(sig->encoding, sizeof(sig->encoding));
}

void umd_check_x509(const struct umd_x509 *reply, const char *request, size_t len)
{
	const struct umd_x509_name *names[] = { &reply->issuer_name, &reply->subject_name };
	const struct umd_span spans[] = {
		reply->tbs, reply->signature, reply->serial, reply->issuer, reply->subject,
		reply->key, reply->params, reply->skid, reply->authority_serial,
		reply->authority_issuer, reply->authority_key,
	};
	size_t i;

	(void)request;
	for (i = 0; i < sizeof(spans) / sizeof(*spans); i++)
		check_span(spans[i], len);
	for (i = 0; i < 2; i++) {
		check_span(names[i]->organisation, len);
		check_span(names[i]->rest, len);
		umd_demand(names[i]->rest.length || !names[i]->organisation.length);
	}
	umd_demand(reply->tbs.length && !reply->reserved);
	check_name(reply->key_algo, sizeof(reply->key_algo));
	check_signature(&reply->sig);
}

void umd_check_pkcs7(const struct umd_pkcs7 *reply, const char *request, size_t len)
{
	const struct umd_pkcs7_signer *signer = reply->signers;
	size_t i;

	check_span(reply->data, len);
	umd_demand(reply->data_header <= reply->data.offset || !reply->data.length);
	umd_demand(reply->cert_count <= UMD_PKCS7_CERTS);
	umd_demand(reply->signer_count <= UMD_PKCS7_SIGNERS);
	for (i = 0; i < reply->cert_count; i++) {
		umd_demand(!reply->certs[i].status);
		umd_check_x509(&reply->certs[i], request, len);
	}
	for (i = 0; i < reply->signer_count; i++, signer++) {
		check_span(signer->signature, len);
		check_span(signer->digest, len);
		check_span(signer->authattrs, len);
		check_span(signer->serial, len);
		check_span(signer->issuer, len);
		umd_demand(!signer->reserved);
		check_signature(&signer->sig);
	}
}

/* The packets follow each other, and the parts of each are in its body. */
void umd_check_pgp(const struct umd_pgp *reply, const char *request, size_t len)
{
	const struct umd_pgp_packet *packet = reply->packet;
	size_t i, j, end = 0;

	(void)request;
	umd_demand(reply->count && reply->count <= UMD_PGP_PACKETS);
	for (i = 0; i < reply->count; i++, packet++) {
		const struct umd_span parts[] = {
			packet->hashed, packet->digest_start, packet->issuer, packet->fingerprint,
			packet->number[0], packet->number[1], packet->number[2], packet->number[3],
		};

		check_span(packet->body, len);
		umd_demand(packet->tag && packet->body.offset > end);
		end = packet->body.offset + packet->body.length;
		for (j = 0; j < sizeof(parts) / sizeof(*parts); j++) {
			check_span(parts[j], end);
			umd_demand(!parts[j].length || parts[j].offset > packet->body.offset ||
				   (j == 0 && parts[j].offset == packet->body.offset));
		}
	}
	umd_demand(end == len);
}

void umd_check_rpm(const struct umd_rpm *reply, const char *request, size_t len)
{
	size_t i, j;

	umd_demand(reply->count <= UMD_RPM_FILES && reply->count <= reply->files);
	for (i = 0; i < reply->count; i++) {
		const struct umd_rpm_file *file = &reply->file[i];

		umd_demand(file->index < reply->files);
		umd_demand(!i || file->index > file[-1].index);
		umd_demand(file->offset < len && reply->digest_len < len - file->offset);
		for (j = 0; j < reply->digest_len; j++)
			umd_demand(memchr("0123456789abcdef", request[file->offset + j], 16));
		umd_demand(!request[file->offset + j]);
	}
}
