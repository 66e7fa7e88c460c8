// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU's TCG (docs/devel/tcg-plugins.rst of QEMU). It sees each block of guest code
 * when QEMU translates the block, before the guest's CPU can run it. The plugin counts, in memory
 * that it shares with the harness, and that the guest cannot reach:
 *
 * - the calls of some functions of the guest's kernel ("doors");
 * - the blocks of kernel code that lie outside of the kernel's text and of its modules' area.
 *
 * The prototypes are those of QEMU's qemu-plugin.h, which distributions do not package.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORT __attribute__((visibility("default")))
#define KERNEL_HALF 0xffff800000000000ULL
/* KASLR moves the kernel by a multiple of this. */
#define KASLR_STEP (2ULL << 20)

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*callback)(qemu_plugin_id_t id,
							    struct qemu_plugin_tb *block));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*callback)(unsigned int cpu, void *data),
					    int flags, void *data);

EXPORT int qemu_plugin_version = 2; /* the first of QEMU 9.0 */

/* Shared with harness/vm/kernel_watch.py, which has the same layout. */
#define DOORS 64
#define RANGES 4

struct range {
	uint64_t start;
	uint64_t end;
};

static volatile struct area {
	uint64_t alive; /* the plugin was loaded */
	uint64_t is_placed; /* the harness knows the slide */
	uint64_t slide; /* bytes by which KASLR moved the kernel's virtual addresses */
	struct range known[RANGES]; /* where kernel code may lie; what KASLR moves is as linked */
	uint64_t foreign; /* blocks outside of these ranges */
	uint64_t foreign_at; /* the address of the first */
	uint64_t doors[DOORS]; /* addresses as linked, 0: none */
	uint64_t calls[DOORS];
} *area;

/* A bit for each address modulo 4096 at which a door may lie. */
static uint64_t may_be_door[4096 / 64];

static bool is_known(uint64_t address)
{
	for (int i = 0; i < RANGES; i++)
		if (address >= area->known[i].start && address < area->known[i].end)
			return true;
	return false;
}

/* `data` has the door's index, and the low half of the address at which it was called. */
static void count_call(unsigned int cpu, void *data)
{
	uint64_t door = (uintptr_t)data >> 32, low = (uint32_t)(uintptr_t)data;

	(void)cpu;
	if (area->is_placed && low == (uint32_t)(area->doors[door] + area->slide))
		__atomic_fetch_add(&area->calls[door], 1, __ATOMIC_RELAXED);
}

static void look_for_doors(struct qemu_plugin_insn *insn, uint64_t address)
{
	for (uint64_t door = 0; door < DOORS && area->doors[door]; door++)
		if (!((address - area->doors[door]) % KASLR_STEP))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, count_call, 0,
							       (void *)(uintptr_t)(door << 32 |
										   (uint32_t)address));
}

static void see_block(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	uint64_t start = qemu_plugin_tb_vaddr(block);

	(void)id;
	if (start < KERNEL_HALF)
		return;

	if (area->is_placed && !is_known(start) && !is_known(start - area->slide)) {
		if (!area->foreign)
			area->foreign_at = start;
		__atomic_fetch_add(&area->foreign, 1, __ATOMIC_RELAXED);
	}
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);

		if (may_be_door[address % 4096 / 64] >> address % 64 & 1)
			look_for_doors(insn, address);
	}
}

/* The only argument is the descriptor of the shared memory. */
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "area=", 5))
		return -1;
	area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[0] + 5), 0);
	if (area == MAP_FAILED)
		return -1;
	for (int i = 0; i < DOORS && area->doors[i]; i++)
		may_be_door[area->doors[i] % 4096 / 64] |= 1ULL << area->doors[i] % 64;
	qemu_plugin_register_vcpu_tb_trans_cb(id, see_block);
	area->alive = 1;
	return 0;
}
