/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UMD_WITNESS_H
#define UMD_WITNESS_H

#include "library.h"
#include "message.h"
#include "tally.h"

extern struct umd_mgmt umd_witness_mgmt;
extern struct umd_witness_tally umd_witness_tally;
extern struct umd_witness_command umd_witness_command;

/* The programs that the witness has as its user mode driver, one at a time. */
enum witness_program {
	WITNESS_HONEST,
	WITNESS_BACKDOOR,
	WITNESS_X509,
	WITNESS_PKCS7,
	WITNESS_RPM,
	WITNESS_PGP,
	/* The same parsers in the same order, with a bug that a file can exploit. */
	WITNESS_X509_OVERFLOW,
	WITNESS_PKCS7_OVERFLOW,
	WITNESS_RPM_OVERFLOW,
	WITNESS_PGP_OVERFLOW,
	WITNESS_PROGRAMS,
};

#define WITNESS_PARSERS	(IS_ENABLED(CONFIG_UMD_WITNESS_X509) || \
			 IS_ENABLED(CONFIG_UMD_WITNESS_RPM) || IS_ENABLED(CONFIG_UMD_WITNESS_PGP))

static inline bool witness_parses(enum witness_program program)
{
	return program >= WITNESS_X509;
}

/* The blob, in its loader module. */
extern char umd_witness_blob_start[];
extern char umd_witness_blob_end[];

int umd_witness_load(enum witness_program program, char *start, char *end);
enum witness_program witness_loaded(void);
struct mm_struct *witness_get_mm(struct task_struct *task);
int witness_check_image(enum witness_program program, struct task_struct *task);

u32 witness_examine(struct task_struct *task, const struct umd_info *info);
u32 witness_examine_end(struct task_struct *task);
void witness_examine_anew(void);

/* What the kernel thread's module brings. */
struct witness_code {
	enum witness_program program;
	int (*run)(void *unused);
	const void *chain;
};

bool witness_is_kthread(void);
enum witness_program witness_first(void);
enum witness_program witness_parser(void);
int umd_witness_kthread_load(const struct witness_code *code);
void umd_witness_kthread_unload(void);
int umd_witness_receive(struct witness_message *request);
void umd_witness_send(const struct witness_message *reply);
void umd_witness_receive_input(void *input);
void umd_witness_send_parsed(const void *parsed);

/* The two kinds of handler, seen from the witness. A kernel thread has no backdoor. */
struct witness_handler {
	const char *(*kmod)(void);
	int (*transact)(struct witness_message *request, struct witness_message *reply);
	void (*stop)(void);
	bool (*loaded)(void);
	u32 (*examine)(bool image);
	void (*open_backdoor)(void);
	bool (*has_backdoor)(void);
	bool (*parses)(void);
};

extern const struct witness_handler witness_umd_handler;
extern const struct witness_handler witness_kthread_handler;

/* A start as the handler's kind reports it, with its lock held. */
struct witness_birth {
	struct task_struct *task;
	const struct umd_info *info;	/* none with a kernel thread */
	u64 page_table;
	u64 chain;
	bool load;
	u32 violations;
	int (*exchange)(struct witness_message *request, struct witness_message *reply);
};

/* A request with an input, and its reply: as long as the longest. */
struct witness_parse_request {
	struct witness_message message;
	struct witness_input input;
};

struct witness_parse_reply {
	struct witness_message message;
	u8 parsed[WITNESS_DIGESTS_SIZE];
};

static inline u32 witness_input_size(void)
{
	return witness_parser() == WITNESS_RPM ? WITNESS_PACKAGE_SIZE : WITNESS_INPUT_SIZE;
}

static inline u32 witness_parsed_size(void)
{
	return witness_parser() == WITNESS_RPM ? WITNESS_DIGESTS_SIZE : WITNESS_PARSED_SIZE;
}

static inline size_t witness_request_size(const struct witness_parse_request *request)
{
	return offsetof(struct witness_parse_request, input.data) + request->input.len;
}

static inline size_t witness_reply_size(void)
{
	return sizeof(struct witness_message) + witness_parsed_size();
}

typedef int (*witness_transact_t)(struct witness_parse_request *request,
				  struct witness_parse_reply *reply);

#if WITNESS_PARSERS
int witness_parse(witness_transact_t transact, const struct witness_message *request,
		  struct witness_message *reply);
#else
static inline int witness_parse(witness_transact_t transact, const struct witness_message *request,
				struct witness_message *reply)
{
	return -EOPNOTSUPP;
}
#endif
void witness_make_certificate(struct witness_input *input, void *parsed);
void witness_make_package(struct witness_input *input, void *parsed);
void witness_make_signed_message(struct witness_input *input, void *parsed);
void witness_make_packets(struct witness_input *input, void *parsed);
void witness_give(const void *data, size_t len);
void witness_take(void *parsed);
int witness_ask_about(const void *data, size_t len, void *parsed);
void witness_note_parse(u64 begin);
void witness_note(u32 violations);

int witness_born(const struct witness_birth *birth);
void witness_note_return(u64 call, s64 result);
void witness_note_end(struct task_struct *task, bool is_latest);

#define WITNESS_NO_CALL	U64_MAX

/* A handler: the latest, or an earlier one that may not have ended. */
struct witness_sight {
	struct task_struct *task;
	u64 entered;	/* the call outside of the allow-list that it is in */
	u64 written;	/* bytes, by those calls of write(2) that have returned */
	bool writes;	/* the call that it is in, or was in last, is write(2) */
};

void witness_see_init(void);
void witness_see(struct task_struct *task, const struct umd_info *info);
struct witness_sight *witness_sees(struct task_struct *task);
bool witness_forget(struct task_struct *task);
u64 witness_written(void);
void witness_watch(const s64 *functions, int call);
void witness_calls_init(void);

#endif
