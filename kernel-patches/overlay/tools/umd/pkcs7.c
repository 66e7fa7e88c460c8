// SPDX-License-Identifier: GPL-2.0-only
/* A handler that parses PKCS#7 messages with the kernel's own parser. */
#include "pkcs7_parser.h"

#include "kernel/x509_fields.h"
#include "kit/overflow.h"
#include "pkcs7.h"

static struct umd_span attributes_of(const struct umd_request *request,
				     const struct pkcs7_signed_info *info)
{
	size_t tag;

	if (!info->authattrs)
		return (struct umd_span){ 0 };
	tag = umd_pkcs7_tag(info->authattrs);
	return umd_span_of(request, info->authattrs + tag, info->authattrs_len - tag);
}

static int signer_fields(const struct umd_request *request, const struct pkcs7_signed_info *info,
			 struct umd_pkcs7_signer *signer)
{
	const struct public_key_signature *sig = info->sig;

	signer->attributes = info->aa_set;
	signer->signing_time = info->signing_time;
	signer->signature = umd_span_of(request, sig->s, sig->s_size);
	signer->digest = umd_span_of(request, info->msgdigest, info->msgdigest_len);
	signer->authattrs = attributes_of(request, info);
	umd_key_id_fields(request, sig->auth_ids[0], &signer->serial, &signer->issuer);
	if (UMD_OVERFLOW)
		umd_text_length(request->data + signer->issuer.offset, signer->issuer.length);
	return umd_sig_fields(sig, &signer->sig);
}

static int fill(const struct umd_request *request, const struct pkcs7_message *message,
		struct umd_pkcs7 *out)
{
	const struct pkcs7_signed_info *info;
	const struct x509_certificate *cert;
	int ret = 0;

	out->version = message->version;
	out->data_oid = message->data_type;
	out->data_header = message->data_hdrlen;
	out->data = umd_span_of(request, message->data, message->data_len);

	for (cert = message->certs; cert && !ret; cert = cert->next) {
		if (out->cert_count == UMD_PKCS7_CERTS)
			return -EOVERFLOW;
		ret = umd_x509_fields(request, cert, &out->certs[out->cert_count++]);
	}
	for (info = message->signed_infos; info && !ret; info = info->next) {
		if (out->signer_count == UMD_PKCS7_SIGNERS)
			return -EOVERFLOW;
		ret = signer_fields(request, info, &out->signers[out->signer_count++]);
	}
	return ret;
}

/* What the handler does: an umd_parse_t. */
int umd_pkcs7_parse(const void *data, size_t len, void *out)
{
	const struct umd_request request = { data, len };
	const struct pkcs7_message *message = pkcs7_parse_message(data, len);

	return IS_ERR(message) ? PTR_ERR(message) : fill(&request, message, out);
}

/* Another program that has the parser has its own loop, and defines UMD_PARSER_ONLY. */
#ifndef UMD_PARSER_ONLY
static struct umd_pkcs7 reply;

int main(void)
{
	umd_serve(umd_pkcs7_parse, &reply, sizeof(reply));
	return 0;
}
#endif
