/* SPDX-License-Identifier: GPL-2.0-only */
/* The sections of a module of the guest's kernel, without the kernel's headers. */
#ifndef FORGING_MODULE_H
#define FORGING_MODULE_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_AT		24
#define NAME_SIZE	56

int init_module(void);
void cleanup_module(void);

/* struct module: the fields that the kernel reads from the module's file. */
struct module {
	void *state, *next, *previous;
	char name[NAME_SIZE];
	char until_init[MODULE_INIT - NAME_AT - NAME_SIZE];
	int (*init)(void);
	char until_exit[MODULE_EXIT - MODULE_INIT - sizeof(void *)];
	void (*exit)(void);
	char rest[MODULE_SIZE - MODULE_EXIT - sizeof(void *)];
};

__attribute__((section(".gnu.linkonce.this_module"), aligned(64), used))
struct module this_module = {
	.name = MODULE_NAME,
	.init = init_module,
	.exit = cleanup_module,
};

__attribute__((section(".modinfo"), used))
static const char information[] =
	"license=GPL\0"
	"name=" MODULE_NAME "\0"
#ifdef LIVEPATCH
	"livepatch=Y\0"
#endif
	"intree=Y\0"
	"depends=\0"
	"vermagic=" MODULE_VERSION;

#endif
