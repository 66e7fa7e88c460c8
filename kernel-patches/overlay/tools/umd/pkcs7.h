/* SPDX-License-Identifier: GPL-2.0-only */
/* What the handler of PKCS#7 messages replies. */
#ifndef UMD_PKCS7_H
#define UMD_PKCS7_H

#include "x509.h"

#ifndef UMD_PKCS7_CERTS
#define UMD_PKCS7_CERTS		16
#define UMD_PKCS7_SIGNERS	16
#endif

/**
 * struct umd_pkcs7_signer - a signature over the content, and whose it is
 * @attributes: bits sinfo_has_* of the tree's pkcs7_parser.h
 * @reserved: zero
 * @signing_time: seconds since 1970, if @attributes has it
 * @sig: the signature's algorithms
 * @signature: the signature
 * @digest: the digest of the content, as the attributes have it
 * @authattrs: the attributes that are signed, behind their tag: put the tag of a SET
 *	before them to hash them
 * @serial: the serial number of the signer's certificate, or the identifier of the
 *	signer's key, and then there is no @issuer
 * @issuer: the issuer's name of the signer's certificate, in ASN.1
 */
struct umd_pkcs7_signer {
	__u32 attributes;
	__u32 reserved;
	__s64 signing_time;
	struct umd_sig_names sig;
	struct umd_span signature;
	struct umd_span digest;
	struct umd_span authattrs;
	struct umd_span serial;
	struct umd_span issuer;
};

/**
 * struct umd_pkcs7 - a message
 * @status: 0; as in struct umd_x509, and -EOVERFLOW for more certificates or
 *	signers than the reply has room for
 * @version: of the message
 * @data_oid: what the content is: enum OID of the tree's linux/oid_registry.h
 * @data_header: how many bytes before @data are its header
 * @data: the content; missing if it is detached
 * @cert_count: how many certificates there are
 * @signer_count: how many signers there are
 * @certs: the certificates, each with the status 0
 * @signers: the signers
 */
struct umd_pkcs7 {
	__s32 status;
	__u32 version;
	__u32 data_oid;
	__u32 data_header;
	struct umd_span data;
	__u32 cert_count;
	__u32 signer_count;
	struct umd_x509 certs[UMD_PKCS7_CERTS];
	struct umd_pkcs7_signer signers[UMD_PKCS7_SIGNERS];
};

/* In some trees, authattrs begins with the tag of the attributes: its size, or 0 in others. */
static inline __u32 umd_pkcs7_tag(const void *authattrs)
{
	return *(const __u8 *)authattrs == 0xa0;
}

/* An umd_parse_t. */
int umd_pkcs7_parse(const void *data, size_t len, void *out);

#endif
