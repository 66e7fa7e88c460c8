/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the witness tells the host, and what the host tells the witness: plain
 * memory at known symbols, which the host reads and writes from outside the
 * virtual machine while it is paused. Change the version with the layout.
 */
#ifndef UMD_WITNESS_TALLY_H
#define UMD_WITNESS_TALLY_H

#include <linux/types.h>

#include "message.h"

#define WITNESS_MAGIC		0x5353454e54495755ULL	/* "UWITNESS" */
#define WITNESS_VERSION		2
#define WITNESS_PHASES		3
#define WITNESS_RECORDS		16
#define WITNESS_REACH		64

enum witness_state {
	WITNESS_RUNNING = 1,
	WITNESS_PARKED = 2,	/* no request until the machine gets a new identity */
	WITNESS_AFTERMATH = 3,
	WITNESS_DONE = 4,	/* the aftermath is over, requests go on */
};

enum witness_violation {
	WITNESS_TRACED = 1 << 0,	/* the handler has a tracer */
	WITNESS_ADOPTED = 1 << 1,	/* its parent is not the one it was born to */
	WITNESS_FOREIGN_EXE = 1 << 2,	/* its program is not on the blob's mount */
};

struct witness_count {
	__u32 sent;
	__u32 right;
	__u32 wrong;
	__u32 failed;
	__u32 starts;
	__u32 loads;		/* starts that were part of a load */
	__s32 error;		/* the last errno of a failed one */
	__u32 unused;
};

struct witness_record {
	__u32 number;
	__u32 generation;
	__s32 error;		/* 0: answered */
	__u32 wrong;
	__u64 nanoseconds;
};

struct umd_witness_tally {
	__u64 magic;
	__u32 version;
	__u32 size;
	__u64 heartbeat;	/* advances every 10 ms, whatever the handler does */
	__u32 sequence;		/* odd while what follows is being changed */
	__u32 state;
	__u32 command;		/* the last command taken */
	__u32 phase;		/* of the aftermath: phases begun */
	__u32 generation;	/* starts of the handler so far */
	__s32 pid;
	__u32 violations;
	__u32 vmforks;		/* new identities seen: the random numbers are fresh */
	__u64 slowest;		/* nanoseconds, of an answered request */
	__u64 page_table;	/* physical address of the handler's top-level table */
	__u64 chain;		/* virtual address of a kernel thread's chain, or 0 */
	struct witness_count count;
	struct witness_count phases[WITNESS_PHASES];
	__u8 secret_sha256[WITNESS_HASH_SIZE];
	struct witness_record records[WITNESS_RECORDS];
	/* Calls of the watched functions on the handler by user tasks; -1: no such function. */
	__s64 reach[WITNESS_REACH];
};

enum witness_command_kind {
	WITNESS_PARK = 1,
	WITNESS_RUN_AFTERMATH = 2,
};

struct umd_witness_command {
	__u32 sequence;		/* a new one makes it a new command */
	__u32 kind;
	__u32 transactions;	/* in each phase of the aftermath */
	__u32 unused;
};

#endif
