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
#define WITNESS_VERSION		7
#define WITNESS_PHASES		3
#define WITNESS_RECORDS		128
#define WITNESS_SECRETS		16
#define WITNESS_NAMED		8
#define WITNESS_RETURNS		8
#define WITNESS_HOOKS		64

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
	/* What follows is held against the first handler, before anyone attacked. */
	WITNESS_SECCOMP = 1 << 3,
	WITNESS_MARK = 1 << 4,		/* of the umd LSM */
	WITNESS_LOCKED = 1 << 5,	/* the number of locked pages */
	WITNESS_SWAPPED = 1 << 6,
	WITNESS_MAPPED = 1 << 7,	/* the size of the address space, and of code in it */
	WITNESS_PIPES = 1 << 8,		/* who has either of them open */
	WITNESS_LIMITS = 1 << 9,
	WITNESS_POLICY = 1 << 10,	/* policy, priority, clamps, CPUs, memory nodes, slack */
	WITNESS_CGROUP = 1 << 11,
	WITNESS_CREDENTIALS = 1 << 12,
	WITNESS_OOM_SCORE = 1 << 13,
	WITNESS_IMAGE = 1 << 14,	/* text or read-only data is not the blob's */
	WITNESS_PERF = 1 << 15,		/* it has perf events */
	WITNESS_UPROBED = 1 << 16,	/* its code has, or had, breakpoints */
	WITNESS_FAULTS = 1 << 17,	/* calls of it are made to fail */
	WITNESS_DUMP = 1 << 18,		/* whether, and what of it, a core dump holds */
	WITNESS_ROOT = 1 << 19,		/* the directory it takes for the root */
	WITNESS_STAND_IN = 1 << 20,	/* replies came that it did not write */
	WITNESS_BELIEVED = 1 << 21,	/* a key or digest was used that only its reply has */
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
	__u64 nanoseconds;	/* 0: another's than the witness's own */
};

/* Calls of one function, by others than the handler. */
struct witness_seen {
	__s64 function;		/* how far it lies from the tally, 0: none */
	__u32 on_handler;	/* with the handler among their arguments */
	__u32 elsewhere;	/* without, by user tasks */
	/* Of these: in the system call that WITNESS_WATCH asked for. */
	__u32 on_handler_in_call;
	__u32 elsewhere_in_call;
};

/* Calls of one of the security modules' hooks, security_*(). */
struct witness_hook {
	__s64 function;
	__u32 on_handler;
	__u32 can_refuse;	/* whether it returns anything */
};

/* A system call of a handler's, outside of its allow-list, that returned. */
struct witness_return {
	__u64 call;		/* its number; an enum witness_entry in the high half */
	__s64 result;
};

/* What code that runs inside the handler managed to do. */
struct witness_escape {
	__u32 asked;		/* requests to try */
	__u32 returned;		/* calls outside the allow-list that returned */
	__u32 failed;		/* of the requests: not answered in time */
	__u32 exits;		/* of handlers when the last one was asked */
	struct witness_return calls[WITNESS_RETURNS];	/* the latest, by number */
};

/* The request of the last WITNESS_CHALLENGE, and its reply. */
struct witness_challenge {
	__u32 generation;	/* of the handler that was asked */
	__s32 error;		/* 0: answered */
	__u8 chain[WITNESS_HASH_SIZE];	/* before the request */
	struct witness_message request;
	struct witness_message reply;
};

enum witness_entry {
	WITNESS_NATIVE = 0,
	WITNESS_COMPAT = 1,
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
	__u64 slowest;		/* nanoseconds, of an answered request and its examinations */
	__u64 page_table;	/* physical address of the handler's top-level table */
	__u64 chain;		/* virtual address of a kernel thread's chain, or 0 */
	struct witness_count count;
	struct witness_count phases[WITNESS_PHASES];
	/* Of the latest starts, by generation: what one may still show later. */
	__u8 secrets_sha256[WITNESS_SECRETS][WITNESS_HASH_SIZE];
	struct witness_record records[WITNESS_RECORDS];
	__u32 exits;		/* of handlers, whatever the cause */
	__s32 exit_code;	/* the last one's, as wait(2) gives it */
	__u32 demoted;		/* how often the witness had lost its own priority */
	__u32 unused;
	struct witness_escape escape;
	/* The functions of the last WITNESS_WATCH, in its order; function 0: cannot be watched. */
	struct witness_seen named[WITNESS_NAMED];
	struct witness_hook hooks[WITNESS_HOOKS];	/* as they came */
	struct witness_challenge challenge;
};

enum witness_command_kind {
	WITNESS_PARK = 1,
	WITNESS_RUN_AFTERMATH = 2,
	WITNESS_WATCH = 3,	/* count the calls of functions[]; argument: a system call */
	WITNESS_OPEN_BACKDOOR = 4,	/* swap the handler for the one that obeys an attacker */
	WITNESS_TRY_ESCAPE = 5,	/* have that one try body[0], an enum witness_way_out */
	WITNESS_RESTART = 6,	/* end the handler, so that the next request starts another */
	WITNESS_CHALLENGE = 7,	/* send body[] to the handler */
};

struct umd_witness_command {
	__u32 sequence;		/* a new one makes it a new command */
	__u32 kind;
	__u32 argument;		/* of the aftermath: transactions in each phase */
	__u32 unused;
	union {
		__s64 functions[WITNESS_NAMED];	/* as in struct witness_seen */
		__u8 body[WITNESS_HASH_SIZE];	/* of a request */
	};
};

#endif
