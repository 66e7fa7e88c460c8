// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler as a kernel thread, managed like a user mode driver: loaded by
 * request_module(), started when it is needed, one transaction at a time under
 * a lock and within the same deadline, stopped after an error.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kmod.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "witness.h"

enum exchange_state { IDLE, ASKED, ANSWERED };

static DEFINE_MUTEX(lock);
static const struct witness_code *loaded_code;
static struct task_struct *thread;
static DECLARE_COMPLETION(thread_left);
static bool thread_quit;

static DECLARE_WAIT_QUEUE_HEAD(exchange_wait);
static enum exchange_state exchange_state;
static struct witness_parse_request exchange_request;
static struct witness_parse_reply exchange_reply;

static bool exchange_reached(enum exchange_state state)
{
	/* pairs with the release in exchange_advance() */
	return smp_load_acquire(&exchange_state) == state;
}

static void exchange_advance(enum exchange_state state)
{
	/* the message is complete before its state says so */
	smp_store_release(&exchange_state, state);
	wake_up_all(&exchange_wait);
}

/* For the thread: the next request, or -EINTR when it is to end. */
int umd_witness_receive(struct witness_message *request)
{
	/* Not interruptible: what others send to it, as BPF's task work, must not end its sleep. */
	wait_event_idle(exchange_wait,
			exchange_reached(ASKED) || READ_ONCE(thread_quit));
	if (READ_ONCE(thread_quit)) {
		complete_all(&thread_left);
		return -EINTR;
	}

	*request = exchange_request.message;
	return 0;
}
EXPORT_SYMBOL_GPL(umd_witness_receive);

void umd_witness_receive_input(void *input)
{
	memcpy(input, &exchange_request.input,
	       offsetof(struct witness_input, data) + exchange_request.input.len);
}
EXPORT_SYMBOL_GPL(umd_witness_receive_input);

/* Before the reply. */
void umd_witness_send_parsed(const void *parsed)
{
	memcpy(exchange_reply.parsed, parsed, witness_parsed_size());
}
EXPORT_SYMBOL_GPL(umd_witness_send_parsed);

void umd_witness_send(const struct witness_message *reply)
{
	exchange_reply.message = *reply;
	exchange_advance(ANSWERED);
}
EXPORT_SYMBOL_GPL(umd_witness_send);

static int wait_for_reply(void)
{
	exchange_advance(ASKED);
	if (!wait_event_timeout(exchange_wait, exchange_reached(ANSWERED), DEADLINE))
		return -ETIMEDOUT;
	return 0;
}

static int exchange_parse(struct witness_parse_request *request, struct witness_parse_reply *reply)
{
	int ret;

	memcpy(&exchange_request, request, witness_request_size(request));
	ret = wait_for_reply();
	if (!ret)
		memcpy(reply, &exchange_reply, witness_reply_size());
	return ret;
}

static int exchange(struct witness_message *request, struct witness_message *reply)
{
	int ret;

	if (request->kind == WITNESS_PARSE)
		return witness_parse(exchange_parse, request, reply);

	exchange_request.message = *request;
	ret = wait_for_reply();
	if (ret)
		return ret;

	*reply = exchange_reply.message;
	memzero_explicit(&exchange_request.message, sizeof(exchange_request.message));
	return 0;
}

/* Like a user process, a thread that does not go in time is not waited for. */
static int stop_locked(unsigned long timeout)
{
	unsigned long expires = jiffies + timeout;

	if (!thread)
		return 0;

	WRITE_ONCE(thread_quit, true);
	wake_up_all(&exchange_wait);
	if (!wait_for_completion_timeout(&thread_left, timeout))
		return -ETIMEDOUT;

	/* Root can keep it from ending, by a lock that each exit takes. */
	while (!READ_ONCE(thread->exit_state)) {
		if (timeout != MAX_SCHEDULE_TIMEOUT && time_after(jiffies, expires))
			return -ETIMEDOUT;
		usleep_range(200, 500);
	}
	put_task_struct(thread);
	thread = NULL;
	return 0;
}

static int start_locked(bool load)
{
	struct witness_birth birth = {
		.page_table = __pa_symbol(swapper_pg_dir),
		.chain = (unsigned long)loaded_code->chain,
		.load = load,
		.exchange = exchange,
	};
	int ret;

	exchange_state = IDLE;
	thread_quit = false;
	reinit_completion(&thread_left);
	thread = kthread_run(loaded_code->run, NULL, "umd_witness_umh");
	if (IS_ERR(thread)) {
		ret = PTR_ERR(thread);
		thread = NULL;
		return ret;
	}

	birth.task = get_task_struct(thread);
	birth.violations = witness_examine(thread, NULL);
	ret = witness_born(&birth);
	if (ret)
		stop_locked(DEADLINE);
	return ret;
}

int umd_witness_kthread_load(const struct witness_code *code)
{
	int ret;

	if (!witness_is_kthread() || code->program != witness_first())
		return -EBUSY;

	mutex_lock(&lock);
	loaded_code = code;
	ret = start_locked(true);
	if (ret) {
		/* the module is about to go, and the thread's code with it */
		stop_locked(MAX_SCHEDULE_TIMEOUT);
		loaded_code = NULL;
	}
	mutex_unlock(&lock);
	wake_up_all(&exchange_wait);
	return ret;
}
EXPORT_SYMBOL_GPL(umd_witness_kthread_load);

void umd_witness_kthread_unload(void)
{
	mutex_lock(&lock);
	stop_locked(MAX_SCHEDULE_TIMEOUT);
	loaded_code = NULL;
	mutex_unlock(&lock);
}
EXPORT_SYMBOL_GPL(umd_witness_kthread_unload);

static bool parses(void)
{
	return witness_parses(witness_first());
}

static const char *kmod(void)
{
	static const char * const modules[WITNESS_PROGRAMS] = {
		[WITNESS_HONEST] = "umd_witness_kthread",
		[WITNESS_X509] = "umd_witness_x509_kthread",
		[WITNESS_PKCS7] = "umd_witness_pkcs7_kthread",
		[WITNESS_RPM] = "umd_witness_rpm_kthread",
		[WITNESS_PGP] = "umd_witness_pgp_kthread",
		[WITNESS_X509_OVERFLOW] = "umd_witness_x509_overflow_kthread",
		[WITNESS_PKCS7_OVERFLOW] = "umd_witness_pkcs7_overflow_kthread",
		[WITNESS_RPM_OVERFLOW] = "umd_witness_rpm_overflow_kthread",
		[WITNESS_PGP_OVERFLOW] = "umd_witness_pgp_overflow_kthread",
	};

	return modules[witness_first()];
}

static void run_load(struct work_struct *work)
{
	request_module("%s", kmod());
}

static DECLARE_WORK(load_work, run_load);

static int transact(struct witness_message *request, struct witness_message *reply)
{
	int ret = 0;

	if (!READ_ONCE(loaded_code)) {
		queue_work(system_unbound_wq, &load_work);
		wait_event_timeout(exchange_wait, READ_ONCE(loaded_code) && READ_ONCE(thread),
				   DEADLINE);
	}

	mutex_lock(&lock);
	if (!loaded_code)
		ret = -ENOPROTOOPT;
	else if (thread && thread_quit)
		ret = stop_locked(DEADLINE);
	if (!ret && !thread)
		ret = start_locked(false);
	if (!ret) {
		ret = exchange(request, reply);
		if (ret)
			stop_locked(DEADLINE);
	}
	mutex_unlock(&lock);
	return ret;
}

static void stop(void)
{
	mutex_lock(&lock);
	stop_locked(DEADLINE);
	mutex_unlock(&lock);
}

static bool is_loaded(void)
{
	return READ_ONCE(loaded_code);
}

static u32 examine(bool image)
{
	u32 found = 0;

	mutex_lock(&lock);
	if (thread && !thread_quit)
		found = witness_examine(thread, NULL);
	mutex_unlock(&lock);
	return found;
}

const struct witness_handler witness_kthread_handler = {
	.kmod = kmod,
	.transact = transact,
	.stop = stop,
	.loaded = is_loaded,
	.examine = examine,
	.parses = parses,
};
