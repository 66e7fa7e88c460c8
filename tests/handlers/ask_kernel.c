// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives the kernel each blob of a file to parse: ask_kernel keys|modules FILE
 *
 * As an asymmetric key, or as a module with the blob as its signature. In the file each blob has
 * its length before it, in four bytes.
 */
#include <linux/fcntl.h>
#include <linux/keyctl.h>

#include "bare.h"

#define MAX (1 << 20)
#define MODULE 64 /* bytes before the signature: as many as the header of an ELF file */
#define MAGIC "~Module signature appended~\n"

struct module_signature {
	unsigned char algo, hash, id_type, signer_len, key_id_len, pad[3];
	unsigned char sig_len[4];
};

static unsigned char space[MODULE + MAX + 256];
static unsigned char *const blob = space + MODULE;

static unsigned int receive(long file, void *to, unsigned int size)
{
	unsigned int had = 0;
	long n;

	while (had < size && (n = sys(__NR_read, file, (char *)to + had, size - had)) > 0)
		had += n;
	return had;
}

static void add_key(unsigned int size)
{
	sys(__NR_add_key, "asymmetric", "", blob, size, KEY_SPEC_PROCESS_KEYRING);
	sys(__NR_keyctl, KEYCTL_CLEAR, KEY_SPEC_PROCESS_KEYRING);
}

static void load_module(unsigned int size)
{
	struct module_signature *info = (void *)(blob + size);
	int i;

	memset(info, 0, sizeof(*info));
	info->id_type = 2; /* PKEY_ID_PKCS7 */
	for (i = 0; i < 4; i++)
		info->sig_len[i] = size >> (24 - 8 * i);
	memcpy(info + 1, MAGIC, sizeof(MAGIC) - 1);
	sys(__NR_init_module, space, MODULE + size + sizeof(*info) + sizeof(MAGIC) - 1, "");
}

int main(int argc, char **argv, char **envp)
{
	unsigned int size;
	long file;

	(void)envp;
	if (argc != 3)
		return 2;
	file = sys(__NR_open, argv[2], O_RDONLY);
	while (receive(file, &size, sizeof(size)) == sizeof(size)) {
		if (size > MAX || receive(file, blob, size) != size)
			return 1;
		if (argv[1][0] == 'k')
			add_key(size);
		else
			load_module(size);
	}
	return 0;
}
