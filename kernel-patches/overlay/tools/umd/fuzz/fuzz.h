/* SPDX-License-Identifier: GPL-2.0-only */
/* What must be true of a reply, whatever the request was. */
#ifndef UMD_FUZZ_H
#define UMD_FUZZ_H

#include "../pgp.h"
#include "../pkcs7.h"
#include "../rpm.h"
#include "../x509.h"

/* Ends the fuzzer, which keeps the request. */
#define umd_demand(condition)							\
	do {									\
		if (!(condition))						\
			umd_broken(#condition, __FILE__, __LINE__);		\
	} while (0)

/* The handler's main(), renamed by the build. */
int umd_main(void);

/* Called by libFuzzer. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *request, size_t len);

void umd_broken(const char *what, const char *file, int line) __attribute__((__noreturn__));

void umd_check_pgp(const struct umd_pgp *reply, const char *request, size_t len);
void umd_check_pkcs7(const struct umd_pkcs7 *reply, const char *request, size_t len);
void umd_check_rpm(const struct umd_rpm *reply, const char *request, size_t len);
void umd_check_x509(const struct umd_x509 *reply, const char *request, size_t len);

#endif
