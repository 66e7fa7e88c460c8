// SPDX-License-Identifier: GPL-2.0-only
/* From the structures of the tree's parsers to parts of the request. */
#include "x509_parser.h"

#include "../kit/overflow.h"
#include "key_id.h"
#include "x509_fields.h"

/* A part that is elsewhere, such as an empty one, is missing. */
struct umd_span umd_span_of(const struct umd_request *request, const void *part, size_t len)
{
	size_t offset = (uintptr_t)part - (uintptr_t)request->data;

	if (offset > request->len || len > request->len - offset)
		return (struct umd_span){ 0 };
	return (struct umd_span){ offset, len };
}

/* The kernel's name of an algorithm, which the parser gives for whatever it accepts. */
static int copy_name(char *to, size_t size, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (!len || len > size)
		return -ENOPKG;
	memcpy(to, name, len);
	return 0;
}

static struct umd_span find(const struct umd_request *request, const u8 *from, size_t size,
			    const char *text, size_t len)
{
	for (; len <= size; from++, size--)
		if (!memcmp(from, text, len))
			return umd_span_of(request, from, len);
	return (struct umd_span){ 0 };
}

/* How much of the text's end is in the name. Where a longer end is, a shorter one is, too. */
static size_t longest_end(const struct umd_request *request, const u8 *raw, size_t size,
			  const char *text, size_t len)
{
	size_t found = 0, missing = len, middle;

	while (missing - found > 1) {
		middle = found + (missing - found) / 2;
		if (find(request, raw, size, text + len - middle, middle).length)
			found = middle;
		else
			missing = middle;
	}
	return found;
}

/*
 * The parser has made the text of one or two parts of the name, with ": " between
 * them. It does not keep where they were. A part may have ": " as well, a hundred
 * times. A search for what is behind each of them would take seconds.
 */
static struct umd_x509_name name_of(const struct umd_request *request, const u8 *raw,
				    size_t size, const char *text)
{
	size_t len = strlen(text), colon, end;
	struct umd_x509_name name = { 0 };

	if (!len)
		return name;

	name.rest = find(request, raw, size, text, len);
	if (name.rest.length)
		return name;

	end = longest_end(request, raw, size, text, len);
	for (colon = 1; colon + 2 < len; colon++)
		if (text[colon] == ':' && text[colon + 1] == ' ' && len - colon - 2 <= end)
			break;
	if (colon + 2 < len) {
		name.organisation = find(request, raw, size, text, colon);
		name.rest = find(request, raw, size, text + colon + 2, len - colon - 2);
	}
	return name;
}

void umd_key_id_fields(const struct umd_request *request, const struct asymmetric_key_id *id,
		       struct umd_span *first, struct umd_span *second)
{
	const struct umd_key_id *made;

	if (!id)
		return;
	made = umd_key_id(id);
	*first = umd_span_of(request, made->first, made->first_len);
	if (second)
		*second = umd_span_of(request, made->second, made->second_len);
}

int umd_sig_fields(const struct public_key_signature *sig, struct umd_sig_names *names)
{
	return copy_name(names->algo, sizeof(names->algo), sig->pkey_algo) ?:
	       copy_name(names->hash, sizeof(names->hash), sig->hash_algo) ?:
	       copy_name(names->encoding, sizeof(names->encoding), sig->encoding);
}

int umd_x509_fields(const struct umd_request *request, const struct x509_certificate *cert,
		    struct umd_x509 *fields)
{
	const struct public_key_signature *sig = cert->sig;
	const struct public_key *pub = cert->pub;

#ifdef KEY_EFLAG_CA /* since 6.4 */
	fields->usage = pub->key_eflags;
#endif
	fields->valid_from = cert->valid_from;
	fields->valid_to = cert->valid_to;
	fields->key_oid = pub->algo;
	fields->tbs = umd_span_of(request, cert->tbs, cert->tbs_size);
	fields->signature = umd_span_of(request, cert->raw_sig, cert->raw_sig_size);
	fields->serial = umd_span_of(request, cert->raw_serial, cert->raw_serial_size);
	fields->issuer = umd_span_of(request, cert->raw_issuer, cert->raw_issuer_size);
	fields->subject = umd_span_of(request, cert->raw_subject, cert->raw_subject_size);
	fields->key = umd_span_of(request, pub->key, pub->keylen);
	fields->params = umd_span_of(request, pub->params, pub->paramlen);
	fields->skid = umd_span_of(request, cert->raw_skid, cert->raw_skid_size);
	umd_key_id_fields(request, sig->auth_ids[0], &fields->authority_serial,
			  &fields->authority_issuer);
	umd_key_id_fields(request, sig->auth_ids[1], &fields->authority_key, NULL);
	fields->issuer_name = name_of(request, cert->raw_issuer, cert->raw_issuer_size,
				      cert->issuer);
	fields->subject_name = name_of(request, cert->raw_subject, cert->raw_subject_size,
				       cert->subject);

	return copy_name(fields->key_algo, sizeof(fields->key_algo), pub->pkey_algo) ?:
	       umd_sig_fields(sig, &fields->sig);
}

/* What the handler does: an umd_parse_t. */
int umd_x509_parse(const void *data, size_t len, void *reply)
{
	const struct umd_request request = { data, len };
	const struct x509_certificate *cert = x509_cert_parse(data, len);

	if (IS_ERR(cert))
		return PTR_ERR(cert);

	if (UMD_OVERFLOW)
		umd_text_length(cert->raw_subject, cert->raw_subject_size);
	return umd_x509_fields(&request, cert, reply);
}
