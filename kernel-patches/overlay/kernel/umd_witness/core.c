// SPDX-License-Identifier: GPL-2.0-only
/*
 * The witness: asks the handler what nobody can predict, works out each reply
 * itself, and keeps a tally that the host reads from outside.
 *
 * Nothing that user space can write decides what the tally says. The thread
 * keeps its priority and its CPU, the heartbeat is a timer's interrupt, which
 * waits for nobody, and no request leaves a machine that was just restored
 * before it has got random numbers of its own.
 */
#include <crypto/sha2.h>
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/kmod.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/security.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "witness.h"

#define HEARTBEAT_MS	10
#define PAUSE_US	4000	/* between requests, so that attackers get a turn */
#define GIVE_UP		3	/* failures in a row that end a phase early */
#define STARTS		4	/* starts whose chains are remembered */

/* Both have a page of their own: the host finds them by symbol. */
struct umd_witness_tally umd_witness_tally __page_aligned_data = {
	.magic = WITNESS_MAGIC,
	.version = WITNESS_VERSION,
	.size = sizeof(struct umd_witness_tally),
};

struct umd_witness_command umd_witness_command __page_aligned_data;

#define tally umd_witness_tally

static bool use_kthread;
module_param_named(kthread, use_kthread, bool, 0);
MODULE_PARM_DESC(kthread, "the handler is a kernel thread");

bool witness_is_kthread(void)
{
	return use_kthread;
}

static enum witness_program first __ro_after_init;

enum witness_program witness_first(void)
{
	return first;
}

static int set_handler(const char *name, const struct kernel_param *unused)
{
	static const char * const names[WITNESS_PROGRAMS] = {
		[WITNESS_X509] = IS_ENABLED(CONFIG_UMD_WITNESS_X509) ? "x509" : NULL,
		[WITNESS_PKCS7] = IS_ENABLED(CONFIG_UMD_WITNESS_PKCS7) ? "pkcs7" : NULL,
		[WITNESS_RPM] = IS_ENABLED(CONFIG_UMD_WITNESS_RPM) ? "rpm" : NULL,
		[WITNESS_PGP] = IS_ENABLED(CONFIG_UMD_WITNESS_PGP) ? "pgp" : NULL,
	};

	first = WITNESS_HONEST;
	for (int i = WITNESS_X509; i < WITNESS_X509_OVERFLOW; i++) {
		size_t len = names[i] ? str_has_prefix(name, names[i]) : 0;

		if (len && !name[len])
			first = i;
		else if (len && !strcmp(name + len, "-overflow"))
			first = i + WITNESS_X509_OVERFLOW - WITNESS_X509;
	}
	return first == WITNESS_HONEST ? -EINVAL : 0;
}

static const struct kernel_param_ops handler_ops = { .set = set_handler };
module_param_cb(handler, &handler_ops, NULL, 0);
MODULE_PARM_DESC(handler, "what the handler parses: x509, pkcs7, rpm, pgp, or one of them with -overflow and a bug; without it, nothing");

/* The same without the bug. */
enum witness_program witness_parser(void)
{
	enum witness_program program = witness_first();

	return program < WITNESS_X509_OVERFLOW ? program :
						 program - WITNESS_X509_OVERFLOW + WITNESS_X509;
}

static const struct witness_handler *handler;
static DECLARE_WAIT_QUEUE_HEAD(vmfork_wait);

/*
 * Starts happen in whatever task loads the module, the rest in the witness's
 * thread. A reply may belong to any start between the request's departure and
 * its return, so the latest chains are all kept.
 */
static DEFINE_SPINLOCK(tally_lock);
static u8 chains[STARTS][WITNESS_HASH_SIZE];
static atomic_t next_number;

static void tally_begin(void)
	__acquires(&tally_lock)
{
	spin_lock(&tally_lock);
	WRITE_ONCE(tally.sequence, tally.sequence + 1);
	smp_wmb();	/* odd before anything changes */
}

static void tally_end(void)
	__releases(&tally_lock)
{
	smp_wmb();	/* even after everything has changed */
	WRITE_ONCE(tally.sequence, tally.sequence + 1);
	spin_unlock(&tally_lock);
}

static u8 *secret_hash(u32 generation)
{
	return tally.secrets_sha256[generation % WITNESS_SECRETS];
}

static void chain_next(u8 chain[WITNESS_HASH_SIZE], const struct witness_message *request,
		       u32 generation)
{
	struct sha256_state state;

	sha256_init(&state);
	sha256_update(&state, chain, WITNESS_HASH_SIZE);
	sha256_update(&state, (const u8 *)request, sizeof(*request));
	sha256_update(&state, secret_hash(generation), WITNESS_HASH_SIZE);
	sha256_final(&state, chain);
}

static bool is_right(const struct witness_message *request,
		     const struct witness_message *reply, const u8 *chain)
{
	return !memcmp(reply, request, offsetof(struct witness_message, body)) &&
	       !memcmp(reply->body, chain, WITNESS_HASH_SIZE);
}

static void make_request(struct witness_message *request, u32 kind)
{
	request->kind = kind;
	request->number = atomic_inc_return(&next_number);
	get_random_bytes(request->nonce, sizeof(request->nonce));
	get_random_bytes(request->body, sizeof(request->body));
}

/**
 * witness_born - hand a handler that was just started its secret
 * @birth: the handler
 *
 * A wrong reply is counted but does not undo the start: what an impostor says
 * next is worth hearing too. Of the secret, its hash alone is kept.
 *
 * Return: 0, or what the exchange returned.
 */
int witness_born(const struct witness_birth *birth)
{
	struct witness_message request, reply;
	u8 hash[WITNESS_HASH_SIZE];
	int ret;

	make_request(&request, WITNESS_START);
	sha256(request.body, WITNESS_HASH_SIZE, hash);

	tally_begin();
	tally.generation++;
	tally.count.starts++;
	tally.count.loads += birth->load;
	tally.pid = task_tgid_nr(birth->task);
	tally.page_table = birth->page_table;
	tally.chain = birth->chain;
	tally.violations |= birth->violations;
	memcpy(secret_hash(tally.generation), hash, WITNESS_HASH_SIZE);
	memcpy(chains[tally.generation % STARTS], hash, WITNESS_HASH_SIZE);
	tally_end();
	witness_see(birth->task, birth->info);

	ret = birth->exchange(&request, &reply);
	if (!ret && !is_right(&request, &reply, hash)) {
		tally_begin();
		tally.count.wrong++;
		tally_end();
	}
	memzero_explicit(&request, sizeof(request));
	return ret;
}

void witness_note(u32 violations)
{
	tally_begin();
	tally.violations |= violations;
	tally_end();
}

/* A handler's call outside of the allow-list has returned: called in the handler's context. */
void witness_note_return(u64 call, s64 result)
{
	struct witness_return *entry;

	tally_begin();
	entry = &tally.escape.calls[tally.escape.returned++ % WITNESS_RETURNS];
	entry->call = call;
	entry->result = result;
	tally_end();
}

/* A handler has ended, whatever the cause: called in the handler's context. */
void witness_note_end(struct task_struct *task, bool is_latest)
{
	u32 violations = witness_examine_end(task);

	tally_begin();
	tally.violations |= violations;
	if (is_latest) {
		tally.exit_code = task->exit_code;
		tally.exits++;
	}
	tally_end();
}

/* Right if any start that may have answered would have answered so. */
static bool judge(const struct witness_message *request,
		  const struct witness_message *reply, u32 first, u32 last)
{
	u32 generation;
	u8 expected[WITNESS_HASH_SIZE];

	if (last - first >= STARTS)
		first = last - STARTS + 1;
	for (generation = first; generation != last + 1; generation++) {
		memcpy(expected, chains[generation % STARTS], WITNESS_HASH_SIZE);
		chain_next(expected, request, generation);
		if (is_right(request, reply, expected)) {
			memcpy(chains[generation % STARTS], expected, WITNESS_HASH_SIZE);
			return true;
		}
	}
	chain_next(chains[last % STARTS], request, last);
	return false;
}

/* Whoever starves the witness says nothing about the handler. */
static void keep_priority(void)
{
	if (current->policy == SCHED_FIFO)
		return;

	sched_set_fifo(current);
	tally_begin();
	tally.demoted++;
	tally_end();
}

/*
 * Whether the latest replies came from another process. A reply is in the pipe before the handler's
 * write(2) returns, so that the handler may owe the witness the return from one write, not two.
 */
static bool is_stand_in(const struct witness_message *request)
{
	const s64 reply = request->kind == WITNESS_PARSE ? witness_reply_size() :
							   sizeof(struct witness_message);
	static u32 generation;
	static u64 written;
	static s64 owed;
	u64 now;

	if (witness_is_kthread())
		return false;

	now = witness_written();
	if (generation == tally.generation)
		owed = max(owed + reply - (s64)(now - written), 0LL);
	else
		owed = 0;
	generation = tally.generation;
	written = now;
	return owed > reply;
}

/* One at a time, or nobody could tell in which order the handler got them. */
static DEFINE_SEMAPHORE(asking, 1);

/*
 * One request, with the lock. Returns 0 if it was answered at all, or an errno. How long a
 * caller that is not the witness waits for its reply, and whether it lives to see one, is its
 * own affair.
 */
static int exchange(const struct witness_message *request, struct witness_message *reply,
		    bool mine)
{
	u32 first = READ_ONCE(tally.generation);
	struct witness_record *record;
	u64 begin, sent, answered, whole;
	u32 violations, last;
	int ret;

	begin = ktime_get_ns();
	violations = handler->examine(false);
	sent = ktime_get_ns();
	ret = handler->transact((struct witness_message *)request, reply);
	answered = ktime_get_ns();
	last = READ_ONCE(tally.generation);
	if (!ret) {
		violations |= handler->examine(false);
		if (is_stand_in(request))
			violations |= WITNESS_STAND_IN;
	}
	/* Others may keep the library's lock, for which an examination waits as well. */
	whole = ktime_get_ns() - begin;

	tally_begin();
	tally.violations |= violations;
	if (ret && !mine) {
		tally_end();
		return ret;
	}
	tally.count.sent++;
	record = &tally.records[tally.count.sent % WITNESS_RECORDS];
	record->number = request->number;
	record->generation = tally.generation;
	record->error = ret;
	record->wrong = 0;
	record->nanoseconds = mine ? answered - sent : 0;
	/* So many starts since that the chain to compare with is gone. */
	if (!ret && tally.generation - last >= STARTS)
		ret = -ESTALE;
	if (ret) {
		tally.count.failed++;
		tally.count.error = ret;
	} else if (judge(request, reply, first, last)) {
		tally.count.right++;
		if (mine && whole > tally.slowest)
			tally.slowest = whole;
	} else {
		record->wrong = 1;
		tally.count.wrong++;
	}
	tally_end();
	return ret;
}

/* The witness's own. Whoever else asks at the moment may hold it up, but not for ever. */
static bool transact(const struct witness_message *request)
{
	struct witness_message reply;
	int ret;

	if (down_timeout(&asking, DEADLINE)) {
		tally_begin();
		tally.count.sent++;
		tally.count.failed++;
		tally.count.error = -EBUSY;
		tally_end();
		return false;
	}
	ret = exchange(request, &reply, true);
	up(&asking);
	return !ret;
}

/*
 * Of a handler that parses, every second request has something to parse. Each asker counts its
 * own: others must not choose what the witness asks.
 */
static u32 next_kind(u32 *asked)
{
	return handler->parses() && (*asked)++ & 1 ? WITNESS_PARSE : WITNESS_ASK;
}

static bool ask(void)
{
	static u32 asked;
	struct witness_message request;

	keep_priority();
	make_request(&request, next_kind(&asked));
	return transact(&request);
}

/*
 * The same handler asked by whoever writes to the file, as a manager does it for its
 * callers: with their signals, their memory's limits and their priority.
 */
static ssize_t ask_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	static u32 asked;	/* by asking */
	struct witness_message request, reply;
	int ret;

	if (down_timeout(&asking, DEADLINE))
		return -EBUSY;

	make_request(&request, next_kind(&asked));

	ret = exchange(&request, &reply, false);
	up(&asking);
	return ret ? -EIO : size;
}

#if WITNESS_PARSERS
/* -EINVAL if it is positive, or an errno that user space must not see (-ERESTARTSYS and below). */
static int status_of(const void *parsed)
{
	s32 status = *(const s32 *)parsed;

	return status > 0 || status <= -ERESTARTSYS ? -EINVAL : status;
}

/*
 * Have the handler parse @len bytes at @data; its reply goes to @parsed. Returns the status of the
 * reply, or an errno if there is none: -EOPNOTSUPP, -EMSGSIZE, -EBUSY, or that of the library.
 * A reply in a wrong frame is -EIO, because -EBADMSG is a status of parsers.
 */
int witness_ask_about(const void *data, size_t len, void *parsed)
{
	struct witness_message request, reply;
	int ret;

	if (!handler->parses())
		return -EOPNOTSUPP;
	if (len > witness_input_size())
		return -EMSGSIZE;

	make_request(&request, WITNESS_PARSE);
	if (down_timeout(&asking, DEADLINE))
		return -EBUSY;

	witness_give(data, len);
	ret = exchange(&request, &reply, false);
	witness_take(parsed);
	up(&asking);
	if (ret)
		return ret == -EBADMSG ? -EIO : ret;
	return status_of(parsed);
}
#endif

static const struct file_operations ask_operations = {
	.owner = THIS_MODULE,
	.write = ask_write,
	.llseek = noop_llseek,
};

/*
 * Send the host's own noise. The host checks the reply itself, by the secret that it finds in the
 * handler's memory.
 */
static void challenge(const u8 body[WITNESS_HASH_SIZE])
{
	struct witness_challenge told = { .error = -EBUSY };

	keep_priority();
	make_request(&told.request, WITNESS_ASK);
	memcpy(told.request.body, body, WITNESS_HASH_SIZE);
	if (!down_timeout(&asking, DEADLINE)) {
		told.generation = tally.generation;
		memcpy(told.chain, chains[told.generation % STARTS], WITNESS_HASH_SIZE);
		told.error = exchange(&told.request, &told.reply, true);
		up(&asking);
	}
	tally_begin();
	tally.challenge = told;
	tally_end();
}

static void try_escape(const u8 body[WITNESS_HASH_SIZE])
{
	struct witness_message request;

	if (!handler->has_backdoor || !handler->has_backdoor())
		return;

	make_request(&request, WITNESS_BREAK_OUT);
	memcpy(request.body, body, WITNESS_HASH_SIZE);
	tally_begin();
	tally.escape.asked++;
	tally.escape.exits = tally.exits;
	tally_end();
	keep_priority();
	/* What it did after its reply shows when the next one is due. */
	if (transact(&request) && ask())
		return;

	tally_begin();
	tally.escape.failed++;
	tally_end();
}

static void set_state(u32 state, u32 phase)
{
	tally_begin();
	tally.state = state;
	tally.phase = phase;
	tally_end();
}

static void run_unload(struct work_struct *work)
{
	const char *argv[4] = { "/sbin/modprobe", "-r", handler->kmod(), NULL };

	call_usermodehelper(argv[0], (char **)argv, NULL, UMH_WAIT_PROC);
}

static DECLARE_WORK(unload_work, run_unload);

/*
 * The loader is removed the way an administrator would, to the end: until then
 * it cannot be loaded again. Whether it went, the next load shows.
 */
static void unload(void)
{
	unsigned long expires = jiffies + DEADLINE;

	if (!handler->loaded())
		return;

	queue_work(system_unbound_wq, &unload_work);
	while (work_busy(&unload_work) && time_before(jiffies, expires))
		usleep_range(200, 500);
}

static void run_phase(u32 phase, u32 transactions)
{
	struct witness_count before, *count = &tally.phases[phase - 1];
	u32 i, violations, failures = 0;

	tally_begin();
	before = tally.count;
	tally_end();
	set_state(WITNESS_AFTERMATH, phase);
	violations = handler->examine(false);
	if (phase == 2)
		handler->stop();
	if (phase == 3)
		unload();
	for (i = 0; i < transactions && failures < GIVE_UP; i++)
		failures = ask() ? 0 : failures + 1;
	violations |= handler->examine(true);

	tally_begin();
	tally.violations |= violations;
	*count = tally.count;
	count->sent -= before.sent;
	count->right -= before.right;
	count->wrong -= before.wrong;
	count->failed -= before.failed;
	count->starts -= before.starts;
	count->loads -= before.loads;
	if (!count->failed)
		count->error = 0;
	tally_end();
}

/*
 * Damage may show only later: in this handler, in the next start, or in the
 * next load. So go on, then restart, then reload.
 */
static void aftermath(u32 transactions)
{
	u32 phase;

	for (phase = 1; phase <= WITNESS_PHASES; phase++)
		run_phase(phase, transactions);
	set_state(WITNESS_DONE, WITNESS_PHASES);
}

static void obey(const struct umd_witness_command *command)
{
	u32 seen = tally.vmforks;

	switch (command->kind) {
	case WITNESS_PARK:
		set_state(WITNESS_PARKED, 0);
		wait_event_idle(vmfork_wait, READ_ONCE(tally.vmforks) != seen);
		/* How slow it was while the machine booted says nothing. */
		tally.slowest = 0;
		set_state(WITNESS_RUNNING, 0);
		break;
	case WITNESS_RUN_AFTERMATH:
		aftermath(command->argument);
		break;
	case WITNESS_WATCH:
		witness_watch(command->functions, command->argument);
		break;
	case WITNESS_OPEN_BACKDOOR:
		if (!handler->open_backdoor)
			break;
		unload();
		handler->open_backdoor();
		break;
	case WITNESS_TRY_ESCAPE:
		try_escape(command->body);
		break;
	case WITNESS_RESTART:
		handler->stop();
		break;
	case WITNESS_CHALLENGE:
		challenge(command->body);
		break;
	}
}

static int witness_thread(void *unused)
{
	struct umd_witness_command command;

	/* The keys that loaders are signed with are among the last things to be set up. */
	while (system_state < SYSTEM_RUNNING)
		usleep_range(PAUSE_US, 2 * PAUSE_US);

	set_state(WITNESS_RUNNING, 0);
	for (;;) {
		command = umd_witness_command;
		if (command.sequence != tally.command) {
			obey(&command);
			tally_begin();
			tally.command = command.sequence;
			tally_end();
		}
		ask();
		usleep_range(PAUSE_US, 2 * PAUSE_US);
	}
	return 0;
}

static struct hrtimer heartbeat_timer;

static enum hrtimer_restart heartbeat(struct hrtimer *timer)
{
	WRITE_ONCE(tally.heartbeat, tally.heartbeat + 1);
	hrtimer_forward_now(timer, ms_to_ktime(HEARTBEAT_MS));
	return HRTIMER_RESTART;
}

static int vmfork(struct notifier_block *block, unsigned long action, void *data)
{
	tally_begin();
	WRITE_ONCE(tally.vmforks, tally.vmforks + 1);
	tally_end();
	wake_up_all(&vmfork_wait);
	return NOTIFY_OK;
}

static struct notifier_block vmfork_block = { .notifier_call = vmfork };

static int __init witness_init(void)
{
	struct task_struct *task;

	handler = use_kthread ? &witness_kthread_handler : &witness_umd_handler;
	witness_see_init();
	witness_calls_init();
	register_random_vmfork_notifier(&vmfork_block);
	if (IS_ERR(securityfs_create_file("umd_witness_ask", 0200, NULL, NULL, &ask_operations)))
		pr_err("umd_witness: nobody but the witness can ask\n");
	hrtimer_init(&heartbeat_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	heartbeat_timer.function = heartbeat;
	hrtimer_start(&heartbeat_timer, ms_to_ktime(HEARTBEAT_MS), HRTIMER_MODE_REL_HARD);

	task = kthread_create(witness_thread, NULL, "umd_witness");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, 0);
	sched_set_fifo(task);
	wake_up_process(task);
	return 0;
}
late_initcall(witness_init);
