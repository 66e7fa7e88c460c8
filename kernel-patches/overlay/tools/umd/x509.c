// SPDX-License-Identifier: GPL-2.0-only
/* A handler that parses X.509 certificates with the kernel's own parser. */
#include "kernel/x509_fields.h"

static struct umd_x509 reply;

int main(void)
{
	umd_serve(umd_x509_parse, &reply, sizeof(reply));
	return 0;
}
