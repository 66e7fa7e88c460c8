// SPDX-License-Identifier: GPL-2.0-only
/* The handler as a user mode driver, of whatever management library is in the tree. */
#include <crypto/sha2.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "witness.h"

static const char * const loaders[WITNESS_PROGRAMS] = {
	[WITNESS_HONEST] = "umd_witness_loader",
	[WITNESS_BACKDOOR] = "umd_witness_backdoor",
	[WITNESS_X509] = "umd_witness_x509",
	[WITNESS_PKCS7] = "umd_witness_pkcs7",
	[WITNESS_RPM] = "umd_witness_rpm",
	[WITNESS_PGP] = "umd_witness_pgp",
	[WITNESS_X509_OVERFLOW] = "umd_witness_x509_overflow",
	[WITNESS_PKCS7_OVERFLOW] = "umd_witness_pkcs7_overflow",
	[WITNESS_RPM_OVERFLOW] = "umd_witness_rpm_overflow",
	[WITNESS_PGP_OVERFLOW] = "umd_witness_pgp_overflow",
};

#ifdef WITNESS_ISOLATION
static const u8 digests[WITNESS_PROGRAMS][SHA256_DIGEST_SIZE] = {
	[WITNESS_HONEST] = {
#include "umd_witness_umh.sha256"
	},
	[WITNESS_BACKDOOR] = {
#include "umd_witness_backdoor_umh.sha256"
	},
#if IS_ENABLED(CONFIG_UMD_WITNESS_X509)
	[WITNESS_X509] = {
#include "umd_witness_x509_umh.sha256"
	},
	[WITNESS_X509_OVERFLOW] = {
#include "umd_witness_x509_overflow_umh.sha256"
	},
#endif
#if IS_ENABLED(CONFIG_UMD_WITNESS_PKCS7)
	[WITNESS_PKCS7] = {
#include "umd_witness_pkcs7_umh.sha256"
	},
	[WITNESS_PKCS7_OVERFLOW] = {
#include "umd_witness_pkcs7_overflow_umh.sha256"
	},
#endif
#if IS_ENABLED(CONFIG_UMD_WITNESS_RPM)
	[WITNESS_RPM] = {
#include "umd_witness_rpm_umh.sha256"
	},
	[WITNESS_RPM_OVERFLOW] = {
#include "umd_witness_rpm_overflow_umh.sha256"
	},
#endif
#if IS_ENABLED(CONFIG_UMD_WITNESS_PGP)
	[WITNESS_PGP] = {
#include "umd_witness_pgp_umh.sha256"
	},
	[WITNESS_PGP_OVERFLOW] = {
#include "umd_witness_pgp_overflow_umh.sha256"
	},
#endif
};
#endif

static enum witness_program program;

#ifdef WITNESS_FRESH
module_param_named(fresh, umd_witness_mgmt.fresh, bool, 0);
MODULE_PARM_DESC(fresh, "each request has a handler of its own, of which it sees less");
#endif

static int exchange(struct witness_message *request, struct witness_message *reply)
{
	return umd_send_recv(&umd_witness_mgmt.info, request, sizeof(*request),
			     reply, sizeof(*reply));
}

/* Returns 0, with what was found, or an error: the image is unknown then. */
static int examine_image(struct task_struct *task, u32 *found)
{
	int ret = witness_check_image(program, task);

	if (ret != -ESTALE)
		return ret;
	/* Of what has ended meanwhile, nothing is mapped any more. */
	if (!(READ_ONCE(task->flags) & PF_EXITING))
		*found |= WITNESS_IMAGE;
	return 0;
}

/*
 * Before the handler gets its secret, so that an impostor cannot leave with the secret. Runs in the
 * task that starts the handler, which is modprobe for a load. Root may kill that task.
 */
static int post_start(struct umd_mgmt *mgmt)
{
	struct witness_birth birth = {
		.exchange = exchange,
		.info = &mgmt->info,
		/* set only once the handler has started */
		.load = !mgmt->kmod_loaded,
	};
	struct mm_struct *mm;
	int ret;

	birth.task = get_pid_task(mgmt->info.tgid, PIDTYPE_TGID);
	if (!birth.task)
		return -ESRCH;

	mm = witness_get_mm(birth.task);
	if (mm) {
		birth.page_table = __pa(mm->pgd);
		mmput(mm);
	}
	birth.violations = witness_examine(birth.task, &mgmt->info);
	ret = examine_image(birth.task, &birth.violations);
	if (ret)
		witness_note(birth.violations);
	else
		ret = witness_born(&birth);
	put_task_struct(birth.task);
	return ret;
}

struct umd_mgmt umd_witness_mgmt = {
	.info.driver_name = "umd_witness_umh",
	.lock = __MUTEX_INITIALIZER(umd_witness_mgmt.lock),
	.post_start = post_start,
};
EXPORT_SYMBOL_GPL(umd_witness_mgmt);

static int transact_parse(struct witness_parse_request *request, struct witness_parse_reply *reply)
{
	return umd_mgmt_send_recv(&umd_witness_mgmt, request, witness_request_size(request),
				  reply, witness_reply_size());
}

static int transact(struct witness_message *request, struct witness_message *reply)
{
	if (request->kind == WITNESS_PARSE)
		return witness_parse(transact_parse, request, reply);

	return umd_mgmt_send_recv(&umd_witness_mgmt, request, sizeof(*request),
				  reply, sizeof(*reply));
}

static struct task_struct *task_get(void)
{
	struct task_struct *task = NULL;

	mutex_lock(&umd_witness_mgmt.lock);
	if (umd_witness_mgmt.info.tgid)
		task = get_pid_task(umd_witness_mgmt.info.tgid, PIDTYPE_TGID);
	mutex_unlock(&umd_witness_mgmt.lock);
	return task;
}

/* The library starts a new one when it finds this one dead. */
static void stop(void)
{
	unsigned long expires = jiffies + DEADLINE;
	struct task_struct *task = task_get();

	if (!task)
		return;

	witness_kill(task_tgid(task));
	while (!READ_ONCE(task->exit_state) && time_before(jiffies, expires))
		usleep_range(200, 500);
	put_task_struct(task);
}

static bool is_loaded(void)
{
	return READ_ONCE(umd_witness_mgmt.kmod_loaded);
}

static const char *kmod(void)
{
	return loaders[program];
}

/* With the lock, under which the task, its pipes and its mount belong together. */
static u32 examine(bool image)
{
	struct umd_info *info = &umd_witness_mgmt.info;
	struct task_struct *task;
	u32 found = 0;

	mutex_lock(&umd_witness_mgmt.lock);
	task = info->tgid ? get_pid_task(info->tgid, PIDTYPE_TGID) : NULL;
	if (task) {
		found = witness_examine(task, info);
		if (image && examine_image(task, &found))
			found |= WITNESS_IMAGE;
		put_task_struct(task);
	}
	mutex_unlock(&umd_witness_mgmt.lock);
	return found;
}

static void choose(enum witness_program chosen)
{
	program = chosen;
	umd_witness_mgmt.kmod = loaders[program];
#ifdef WITNESS_ISOLATION
	umd_witness_mgmt.isolated = true;
	umd_witness_mgmt.framed = umd_defends(UMD_FRAMING);
	umd_witness_mgmt.digest = umd_defends(UMD_IMAGE) ? digests[program] : NULL;
#endif
}

static void open_backdoor(void)
{
	choose(WITNESS_BACKDOOR);
	witness_examine_anew();
}

static int __init choose_first(void)
{
	choose(witness_first());
	return 0;
}
core_initcall(choose_first);

static bool parses(void)
{
	return witness_parses(program);
}

/* Root may have had another module loaded than the one that was asked for. */
static bool has_backdoor(void)
{
	return is_loaded() && witness_loaded() == WITNESS_BACKDOOR;
}

const struct witness_handler witness_umd_handler = {
	.kmod = kmod,
	.transact = transact,
	.stop = stop,
	.loaded = is_loaded,
	.examine = examine,
	.open_backdoor = open_backdoor,
	.has_backdoor = has_backdoor,
	.parses = parses,
};
