/* SPDX-License-Identifier: GPL-2.0-only */
/* Writing DER, for inputs that nobody can predict (der.c). */
#ifndef UMD_WITNESS_DER_H
#define UMD_WITNESS_DER_H

#include <linux/asn1.h>

#include "../../tools/umd/x509.h"
#include "witness.h"

#define CONSTRUCTED	0x20
#define SEQUENCE	(CONSTRUCTED | ASN1_SEQ)
#define SET		(CONSTRUCTED | ASN1_SET)
#define CONTEXT(tag)	(CONSTRUCTED | ASN1_CONT << 6 | (tag))
#define LONGEST_NUMBER	20

/* Object identifiers of PKCS #1, #7 and #9. */
#define PKCS(standard, number)	{ 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, standard, number }
#define DER_OID_SIZE	9

void witness_der_put_byte(struct witness_input *der, u8 byte);
u32 witness_der_put_short(struct witness_input *der, u8 tag, const void *data, u8 len);
struct umd_span witness_der_put_random(struct witness_input *der, u8 tag, u32 least, u32 most);
struct umd_span witness_der_put_algorithm(struct witness_input *der, const u8 *algorithm);
struct umd_span witness_der_put_name(struct witness_input *der, struct umd_x509_name *name);
s64 witness_der_put_time(struct witness_input *der);
u32 witness_der_begin(struct witness_input *der, u8 tag);
void witness_der_end(struct witness_input *der, u32 from);
void witness_der_name_rsa(struct umd_sig_names *names, const char *hash);
struct umd_span witness_der_span(const struct witness_input *der, u32 from);

#endif
