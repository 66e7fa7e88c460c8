// SPDX-License-Identifier: GPL-2.0-only
/* A handler that parses X.509 certificates with the kernel's own parser. */
#include "x509_parser.h"

#include "kernel/x509_fields.h"

static struct umd_x509 reply;

static int parse(const void *data, size_t len, void *out)
{
	const struct umd_request request = { data, len };
	const struct x509_certificate *cert = x509_cert_parse(data, len);

	return IS_ERR(cert) ? PTR_ERR(cert) : umd_x509_fields(&request, cert, out);
}

int main(void)
{
	umd_serve(parse, &reply, sizeof(reply));
	return 0;
}
