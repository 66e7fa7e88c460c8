/* SPDX-License-Identifier: GPL-2.0-only */
/* What the handler of X.509 certificates replies. */
#ifndef UMD_X509_H
#define UMD_X509_H

#include "kit/umd_handler.h"

/**
 * struct umd_x509_name - a name for people, from an issuer or a subject
 * @organisation: the first part, followed by ": ", or missing
 * @rest: the second part, or all of it
 */
struct umd_x509_name {
	struct umd_span organisation;
	struct umd_span rest;
};

/**
 * struct umd_sig_names - the kernel's names for a signature's algorithms
 * @algo: of the signature, filled up with zeroes
 * @hash: of the hash that is signed
 * @encoding: of the signature's encoding
 */
struct umd_sig_names {
	char algo[8];
	char hash[16];
	char encoding[8];
};

/**
 * struct umd_x509 - a certificate
 * @status: 0; -EBADMSG if it is none, -ENOPKG for an algorithm that the parser does
 *	not know, -EINVAL, -EKEYREJECTED, -EMSGSIZE, -ENOMEM
 * @usage: bits KEY_EFLAG_* of the tree's crypto/public_key.h
 * @valid_from: seconds since 1970
 * @valid_to: seconds since 1970
 * @key_oid: enum OID of the tree's linux/oid_registry.h
 * @reserved: zero
 * @key_algo: the kernel's name for the key's algorithm, filled up with zeroes
 * @sig: the signature's algorithms
 * @tbs: what is signed
 * @signature: the signature
 * @serial: the serial number
 * @issuer: the issuer's name in ASN.1
 * @subject: the subject's name in ASN.1
 * @key: the public key
 * @params: the parameters of its algorithm, with their header
 * @skid: the subject's key identifier
 * @authority_serial: the serial number of the issuer's certificate
 * @authority_issuer: the issuer's name of the issuer's certificate, in ASN.1
 * @authority_key: the identifier of the issuer's key
 * @issuer_name: the issuer's name for people
 * @subject_name: the subject's name for people
 */
struct umd_x509 {
	__s32 status;
	__u32 usage;
	__s64 valid_from;
	__s64 valid_to;
	__u32 key_oid;
	__u32 reserved;
	char key_algo[16];
	struct umd_sig_names sig;
	struct umd_span tbs;
	struct umd_span signature;
	struct umd_span serial;
	struct umd_span issuer;
	struct umd_span subject;
	struct umd_span key;
	struct umd_span params;
	struct umd_span skid;
	struct umd_span authority_serial;
	struct umd_span authority_issuer;
	struct umd_span authority_key;
	struct umd_x509_name issuer_name;
	struct umd_x509_name subject_name;
};

#endif
