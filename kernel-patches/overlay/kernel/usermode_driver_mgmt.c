// SPDX-License-Identifier: GPL-2.0-only
/*
 * Management library for user mode drivers.
 *
 * Whatever may block for as long as user space likes (modprobe, the exec of
 * the handler, its pipes) runs as a job on a workqueue, and the caller waits
 * for it until a deadline. A job past the deadline is abandoned: it owns all
 * that it touches and cleans up after itself, whenever that may be. The hop
 * also keeps the caller's signals, rlimits and cgroups out of the transfer.
 *
 * The deadline is a build-time constant. Were it writable at run time, setting
 * it to a millisecond would stop every handler.
 */
#define pr_fmt(fmt) "umd: " fmt

#include <crypto/sha2.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kmod.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pipe_fs_i.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/splice.h>
#include <linux/usermode_driver_mgmt.h>
#include <linux/workqueue.h>
#include <uapi/linux/umd.h>

#define UMD_DEADLINE	msecs_to_jiffies(CONFIG_USERMODE_DRIVER_MGMT_DEADLINE_MS)

/*
 * What kvmalloc() gives at most. It also keeps the number of pages from overflowing.
 * The length in a frame has room for more.
 */
#define UMD_LEN_MAX	INT_MAX

static struct workqueue_struct *umd_wq __ro_after_init;

/* A piece of work with two owners: the worker, and the caller that waits. */
struct umd_job {
	struct work_struct work;
	struct completion done;
	struct kref kref;
	int ret;
	int (*run)(struct umd_job *job);
	void (*free)(struct umd_job *job);
};

static void umd_job_release(struct kref *kref)
{
	struct umd_job *job = container_of(kref, struct umd_job, kref);

	job->free(job);
}

static void umd_job_put(struct umd_job *job)
{
	kref_put(&job->kref, umd_job_release);
}

static void umd_job_work(struct work_struct *work)
{
	struct umd_job *job = container_of(work, struct umd_job, work);

	job->ret = job->run(job);
	complete_all(&job->done);
	umd_job_put(job);
}

static void umd_job_queue(struct umd_job *job, struct workqueue_struct *wq,
			  int (*run)(struct umd_job *job),
			  void (*free)(struct umd_job *job))
{
	INIT_WORK(&job->work, umd_job_work);
	init_completion(&job->done);
	kref_init(&job->kref);
	job->run = run;
	job->free = free;

	kref_get(&job->kref);
	queue_work(wq, &job->work);
}

/* Returns what the job returned, or -ETIMEDOUT if it is still not done. */
static int umd_job_wait(struct umd_job *job, unsigned long timeout)
{
	if (!wait_for_completion_timeout(&job->done, timeout))
		return -ETIMEDOUT;

	return job->ret;
}

/* What a job is made from */
struct umd_order {
	const struct umd_info *info;
	const char *kmod;
	const void *in;
	size_t in_len;
	size_t out_len;
	size_t out_min;
};

/* Loading: one modprobe per loader at a time, shared by all who wait for it. */
struct umd_load {
	struct umd_job job;
	struct list_head list;
	char kmod[MODULE_NAME_LEN];
};

static LIST_HEAD(umd_loads);
static DEFINE_MUTEX(umd_loads_lock);

static int umd_load_run(struct umd_job *job)
{
	struct umd_load *load = container_of(job, struct umd_load, job);
	int ret = request_module("%s", load->kmod);

	mutex_lock(&umd_loads_lock);
	list_del(&load->list);
	mutex_unlock(&umd_loads_lock);
	return ret;
}

static void umd_load_free(struct umd_job *job)
{
	kfree(container_of(job, struct umd_load, job));
}

static struct umd_job *umd_load_alloc(const struct umd_order *order, gfp_t gfp)
{
	struct umd_load *load = kzalloc(sizeof(*load), gfp);

	if (!load)
		return NULL;

	strscpy(load->kmod, order->kmod);
	return &load->job;
}

/* Queues the load, or frees it if the same loader is being loaded. */
static struct umd_load *umd_load_get(struct umd_load *load, bool *joined)
{
	struct umd_load *other;

	*joined = true;
	list_for_each_entry(other, &umd_loads, list) {
		if (!strcmp(other->kmod, load->kmod)) {
			kref_get(&other->job.kref);
			kfree(load);
			return other;
		}
	}
	*joined = false;

	list_add(&load->list, &umd_loads);
	umd_job_queue(&load->job, umd_wq, umd_load_run, umd_load_free);
	return load;
}

static int umd_request_loader(const char *kmod, bool *joined)
{
	const struct umd_order order = { .kmod = kmod };
	struct umd_job *job = umd_load_alloc(&order, GFP_KERNEL);
	struct umd_load *load;
	int ret;

	*joined = false;
	if (!job)
		return -ENOMEM;

	/* Nothing is allocated with the lock held: that can take as long as root likes. */
	mutex_lock(&umd_loads_lock);
	load = umd_load_get(container_of(job, struct umd_load, job), joined);
	mutex_unlock(&umd_loads_lock);

	ret = umd_job_wait(&load->job, UMD_DEADLINE);
	umd_job_put(&load->job);
	return ret;
}

/*
 * Turns: whoever wants a driver gets it in the order in which they came. A
 * mutex alone can be waited for only without a deadline.
 */
struct umd_turn {
	struct list_head list;
	struct umd_mgmt *mgmt;
	struct completion come;
};

static LIST_HEAD(umd_turns);
static DEFINE_SPINLOCK(umd_turns_lock);

static void umd_call_first(const struct umd_mgmt *mgmt)
{
	struct umd_turn *turn;

	list_for_each_entry(turn, &umd_turns, list) {
		if (turn->mgmt == mgmt) {
			complete_all(&turn->come);
			return;
		}
	}
}

static void umd_turn_queue(struct umd_turn *turn, struct umd_mgmt *mgmt)
{
	turn->mgmt = mgmt;
	init_completion(&turn->come);

	spin_lock(&umd_turns_lock);
	list_add_tail(&turn->list, &umd_turns);
	umd_call_first(mgmt);
	spin_unlock(&umd_turns_lock);
}

static void umd_turn_end(struct umd_turn *turn)
{
	spin_lock(&umd_turns_lock);
	list_del(&turn->list);
	umd_call_first(turn->mgmt);
	spin_unlock(&umd_turns_lock);
}

static int umd_lock(struct umd_mgmt *mgmt, struct umd_turn *turn)
{
	long left;

	umd_turn_queue(turn, mgmt);
	left = wait_for_completion_killable_timeout(&turn->come, UMD_DEADLINE);
	if (left <= 0) {
		umd_turn_end(turn);
		return left ? -EINTR : -ETIMEDOUT;
	}

	mutex_lock(&mgmt->lock);
	return 0;
}

/* For what cannot fail; those ahead give up or end in time. */
static void umd_lock_anyway(struct umd_mgmt *mgmt, struct umd_turn *turn)
{
	umd_turn_queue(turn, mgmt);
	wait_for_completion(&turn->come);
	mutex_lock(&mgmt->lock);
}

static void umd_unlock(struct umd_turn *turn)
{
	mutex_unlock(&turn->mgmt->lock);
	umd_turn_end(turn);
}

/*
 * Transfers. The caller copies the message into pages, behind the frame if there is
 * one. The pages go into the pipe as they are, so that nothing is copied again.
 */
struct umd_transfer {
	struct umd_job job;
	struct file *to_umh;
	struct file *from_umh;
	struct page **pages;
	void *out;
	size_t in_len;
	size_t out_len;	/* room for the reply, then the reply's length */
	size_t out_min;
	unsigned long expires;
	bool framed;
};

/*
 * Only the kernel's pipe ends are non-blocking, so that every wait is here and
 * has a deadline. A worker takes no signals; should its sleep be cut short all
 * the same, it looks again.
 */
static int umd_wait_pipe(struct file *file, wait_queue_head_t *wait,
			 __poll_t events, unsigned long expires)
{
	long left;

	events |= EPOLLERR | EPOLLHUP;
	while ((left = expires - jiffies) > 0) {
		if (wait_event_interruptible_timeout(*wait, vfs_poll(file, NULL) & events,
						     left) > 0)
			return 0;
	}
	return -ETIMEDOUT;
}

static size_t umd_frame_len(const struct umd_transfer *transfer)
{
	return transfer->framed ? sizeof(struct umd_frame) : 0;
}

static size_t umd_sent_len(const struct umd_transfer *transfer)
{
	return umd_frame_len(transfer) + transfer->in_len;
}

/* A page that is in a pipe, this one or another by tee(2), is not cleared: it may be read yet. */
static void umd_free_pages(struct umd_transfer *transfer)
{
	size_t i, pages = DIV_ROUND_UP(umd_sent_len(transfer), PAGE_SIZE);

	for (i = 0; transfer->pages && i < pages && transfer->pages[i]; i++) {
		if (page_count(transfer->pages[i]) == 1)
			clear_page(page_address(transfer->pages[i]));
		put_page(transfer->pages[i]);
	}
	kvfree(transfer->pages);
}

static int umd_fill_pages(struct umd_transfer *transfer, const void *in, gfp_t gfp)
{
	size_t i, part, at = umd_frame_len(transfer), left = transfer->in_len;
	size_t pages = DIV_ROUND_UP(at + left, PAGE_SIZE);

	transfer->pages = kvcalloc(pages, sizeof(*transfer->pages), gfp);
	if (!transfer->pages)
		return -ENOMEM;

	for (i = 0; i < pages; i++, at = 0) {
		transfer->pages[i] = alloc_page(gfp);
		if (!transfer->pages[i])
			return -ENOMEM;

		part = min_t(size_t, left, PAGE_SIZE - at);
		memcpy(page_address(transfer->pages[i]) + at, in, part);
		in += part;
		left -= part;
	}
	return 0;
}

/* The pipe has a reference of its own, or none if this fails. */
static int umd_add_page(struct pipe_inode_info *pipe, struct page *page, size_t len)
{
	struct pipe_buffer buf = { .page = page, .len = len, .ops = &nosteal_pipe_buf_ops };
	ssize_t n;

	get_page(page);
	n = add_to_pipe(pipe, &buf);
	return n < 0 ? n : 0;
}

/*
 * Asks no hook, so that no security module gets between the kernel and its own pipes,
 * and sends no notification. Wakes the handler as a write to the pipe does.
 */
static int umd_send(struct umd_transfer *transfer)
{
	struct pipe_inode_info *pipe = get_pipe_info(transfer->to_umh, false);
	size_t len = umd_sent_len(transfer), sent = 0, part;
	int ret = 0;

	while (sent < len) {
		pipe_lock(pipe);
		while (sent < len) {
			part = min_t(size_t, len - sent, PAGE_SIZE);
			ret = umd_add_page(pipe, transfer->pages[sent / PAGE_SIZE], part);
			if (ret)
				break;
			sent += part;
		}
		pipe_unlock(pipe);
		wake_up_interruptible_sync_poll(&pipe->rd_wait, EPOLLIN | EPOLLRDNORM);
		kill_fasync(&pipe->fasync_readers, SIGIO, POLL_IN);

		if (ret == -EAGAIN)
			ret = umd_wait_pipe(transfer->to_umh, &pipe->wr_wait, EPOLLOUT,
					    transfer->expires);
		else if (ret)
			ret = -EFAULT;
		if (ret)
			return ret;
	}
	return 0;
}

/* __kernel_read() leaves out the file_permission hook. */
static int umd_read(struct umd_transfer *transfer, void *to, size_t len)
{
	struct pipe_inode_info *pipe = get_pipe_info(transfer->from_umh, false);
	size_t received = 0;
	ssize_t n;
	int ret;

	while (received < len) {
		n = __kernel_read(transfer->from_umh, to + received, len - received, NULL);
		if (n > 0) {
			received += n;
			continue;
		}
		if (n != -EAGAIN && n != -ERESTARTSYS)
			return -EFAULT;
		ret = umd_wait_pipe(transfer->from_umh, &pipe->rd_wait, EPOLLIN,
				    transfer->expires);
		if (ret)
			return ret;
	}
	return 0;
}

/* Between transactions there is nothing to be read. */
static int umd_check_silent(struct umd_transfer *transfer)
{
	struct pipe_inode_info *pipe = get_pipe_info(transfer->from_umh, false);

	return pipe_empty(READ_ONCE(pipe->head), READ_ONCE(pipe->tail)) ? 0 : -EBADMSG;
}

static void umd_set_frame(struct umd_transfer *transfer, struct umd_frame *frame)
{
	frame->magic = UMD_FRAME_MAGIC;
	frame->len = transfer->in_len;
	get_random_bytes(frame->nonce, sizeof(frame->nonce));
	memcpy(page_address(transfer->pages[0]), frame, sizeof(*frame));
}

static int umd_read_frame(struct umd_transfer *transfer, const struct umd_frame *request)
{
	struct umd_frame reply;
	int ret;

	ret = umd_read(transfer, &reply, sizeof(reply));
	if (ret)
		return ret;
	if (reply.magic != UMD_FRAME_MAGIC || reply.len < transfer->out_min ||
	    reply.len > transfer->out_len ||
	    memcmp(reply.nonce, request->nonce, sizeof(reply.nonce)))
		return -EBADMSG;

	transfer->out_len = reply.len;
	return 0;
}

static int umd_exchange(struct umd_transfer *transfer)
{
	return umd_send(transfer) ?:
	       umd_read(transfer, transfer->out, transfer->out_len);
}

static int umd_exchange_framed(struct umd_transfer *transfer)
{
	struct umd_frame frame;

	umd_set_frame(transfer, &frame);
	return umd_check_silent(transfer) ?:
	       umd_send(transfer) ?:
	       umd_read_frame(transfer, &frame) ?:
	       umd_read(transfer, transfer->out, transfer->out_len) ?:
	       umd_check_silent(transfer);
}

static int umd_transfer_run(struct umd_job *job)
{
	struct umd_transfer *transfer = container_of(job, struct umd_transfer, job);
	int ret = transfer->framed ? umd_exchange_framed(transfer) : umd_exchange(transfer);

	/* By the worker in any case, see umd_drop_pipes(). */
	__fput_sync(transfer->to_umh);
	__fput_sync(transfer->from_umh);
	return ret;
}

/*
 * Only the kernel's own end of a pipe: the driver's sleeps, as it expects. And only
 * here: whoever talks to a driver without this library wants to sleep, too.
 */
static struct file *umd_get_pipe(struct file *pipe)
{
	spin_lock(&pipe->f_lock);
	pipe->f_flags |= O_NONBLOCK;
	spin_unlock(&pipe->f_lock);
	return get_file(pipe);
}

static bool umd_fits(size_t len)
{
	return len <= UMD_LEN_MAX;
}

static void umd_transfer_free(struct umd_job *job)
{
	struct umd_transfer *transfer = container_of(job, struct umd_transfer, job);

	umd_free_pages(transfer);
	kvfree_sensitive(transfer->out, transfer->out_len);
	kfree(transfer);
}

/* A reply has between @out_min and *@out_len bytes. On success *@out_len is their number. */
static struct umd_job *umd_transfer_alloc(const struct umd_order *order, gfp_t gfp)
{
	struct umd_transfer *transfer = kzalloc(sizeof(*transfer), gfp);

	if (!transfer)
		return NULL;

	transfer->in_len = order->in_len;
	transfer->out_len = order->out_len;
	transfer->out_min = order->out_min;
	transfer->framed = order->info->framed;
	transfer->out = kvmalloc(order->out_len, gfp);
	if (transfer->out && !umd_fill_pages(transfer, order->in, gfp))
		return &transfer->job;

	umd_transfer_free(&transfer->job);
	return NULL;
}

static int umd_transact(struct umd_info *info, const void *in, size_t in_len, void *out,
			size_t *out_len, size_t out_min)
{
	const struct umd_order order = {
		.info = info,
		.in = in,
		.in_len = in_len,
		.out_len = *out_len,
		.out_min = out_min,
	};
	struct umd_transfer *transfer;
	struct umd_job *job;
	int ret;

	if (!umd_wq)
		return -ENODEV;
	if (!info->tgid)
		return -EFAULT;
	if (!umd_fits(in_len) || !umd_fits(*out_len))
		return -ENOMEM;

	job = umd_transfer_alloc(&order, GFP_KERNEL);
	if (!job)
		return -ENOMEM;

	transfer = container_of(job, struct umd_transfer, job);
	transfer->to_umh = umd_get_pipe(info->pipe_to_umh);
	transfer->from_umh = umd_get_pipe(info->pipe_from_umh);
	transfer->expires = jiffies + UMD_DEADLINE;
	umd_job_queue(&transfer->job, umd_wq, umd_transfer_run, umd_transfer_free);

	/*
	 * The worker's own waits end at the deadline. Not so the pipe's mutex,
	 * for whoever else holds the pipe open; hence one more second, and out.
	 */
	ret = umd_job_wait(&transfer->job, UMD_DEADLINE + HZ);
	if (!ret) {
		*out_len = transfer->out_len;
		memcpy(out, transfer->out, *out_len);
	}
	umd_job_put(&transfer->job);
	return ret;
}

/**
 * umd_send_recv - send a message to a user mode driver and receive its reply
 * @info: the user mode driver, which must not go away meanwhile
 * @in: message to send
 * @in_len: its length in bytes, as both sides agreed
 * @out: where the reply goes; untouched unless all of it arrived
 * @out_len: its length in bytes, as both sides agreed
 *
 * Both may be longer than a pipe holds. The caller's signals play no part.
 *
 * Return: 0, -ENODEV if the library could not be set up at boot, -EFAULT if there is
 * no handler or the transfer ended short,
 * -EBADMSG if what came is no reply to this message, as far as frames tell,
 * -ETIMEDOUT if it did not end in time, -ENOMEM, for over INT_MAX bytes as well.
 */
noinline int umd_send_recv(struct umd_info *info, void *in, size_t in_len, void *out,
			   size_t out_len)
{
	/* Not inlined: a probe here sees the messages of umd_mgmt_send_recv() as well. */
	return umd_transact(info, in, in_len, out, &out_len, out_len);
}
EXPORT_SYMBOL_GPL(umd_send_recv);

struct umd_drop {
	struct work_struct work;
	struct file *file;
};

static void umd_drop_work(struct work_struct *work)
{
	struct umd_drop *drop = container_of(work, struct umd_drop, work);

	__fput_sync(drop->file);
	kfree(drop);
}

/*
 * The last fput() of a pipe takes its mutex, which whoever else has the pipe
 * open can hold for ever: splice() from a silent terminal does. The caller
 * would wait for it on its way out of the system call. A worker of our own
 * waits instead, and synchronously: what a kernel thread leaves to the delayed
 * fput() holds up all others of the system.
 */
static void umd_drop(struct workqueue_struct *wq, struct file *file)
{
	struct umd_drop *drop = kmalloc(sizeof(*drop), GFP_KERNEL);

	if (!drop) {
		fput(file);
		return;
	}

	drop->file = file;
	INIT_WORK(&drop->work, umd_drop_work);
	queue_work(wq, &drop->work);
}

static void umd_drop_pipes(struct umd_info *info)
{
	umd_drop(umd_wq, info->pipe_to_umh);
	umd_drop(umd_wq, info->pipe_from_umh);
	put_pid(info->tgid);
	info->tgid = NULL;
}

static bool umd_exited(struct pid *tgid)
{
	struct task_struct *task;
	bool exited;

	rcu_read_lock();
	task = pid_task(tgid, PIDTYPE_PID);
	exited = !task || (READ_ONCE(task->exit_state) && thread_group_empty(task));
	rcu_read_unlock();
	return exited;
}

/* A handler that does not die in time is left to itself, without its pipes. */
static void umd_shutdown(struct umd_info *info)
{
	umd_kill(info->tgid);
	if (!wait_event_timeout(info->tgid->wait_pidfd, umd_exited(info->tgid),
				UMD_DEADLINE))
		pr_warn("%s (pid %d) does not die, abandoned\n",
			info->driver_name, pid_nr(info->tgid));
	umd_drop_pipes(info);
}

/* Starting: the job has a copy of the driver's info until the start is done. */
struct umd_start {
	struct umd_job job;
	struct umd_info info;
};

static int umd_start_run(struct umd_job *job)
{
	struct umd_start *start = container_of(job, struct umd_start, job);

	return fork_usermode_driver(&start->info);
}

static void umd_start_free(struct umd_job *job)
{
	struct umd_start *start = container_of(job, struct umd_start, job);

	if (start->info.tgid)
		umd_shutdown(&start->info);
	path_put(&start->info.wd);
	kfree(start->info.driver_name);
	kfree(start);
}

static struct umd_job *umd_start_alloc(const struct umd_order *order, gfp_t gfp)
{
	struct umd_start *start = kzalloc(sizeof(*start), gfp);

	if (!start)
		return NULL;

	start->info = *order->info;
	start->info.driver_name = kstrdup(order->info->driver_name, gfp);
	if (start->info.driver_name)
		return &start->job;

	kfree(start);
	return NULL;
}

static int umd_start(struct umd_info *info)
{
	const struct umd_order order = { .info = info };
	struct umd_job *job = umd_start_alloc(&order, GFP_KERNEL);
	struct umd_start *start;
	int ret;

	if (!job)
		return -ENOMEM;

	start = container_of(job, struct umd_start, job);
	path_get(&start->info.wd);
	umd_job_queue(&start->job, umd_wq, umd_start_run, umd_start_free);

	ret = umd_job_wait(&start->job, UMD_DEADLINE);
	if (!ret) {
		info->pipe_to_umh = start->info.pipe_to_umh;
		info->pipe_from_umh = start->info.pipe_from_umh;
		info->tgid = start->info.tgid;
		start->info.tgid = NULL;
	}
	umd_job_put(&start->job);
	return ret;
}

static int umd_mgmt_start(struct umd_mgmt *mgmt)
{
	struct umd_info *info = &mgmt->info;
	int ret;

	info->framed = mgmt->framed;
	ret = umd_start(info);
	if (ret || !mgmt->post_start)
		return ret;

	ret = mgmt->post_start(mgmt);
	if (ret)
		umd_shutdown(info);
	return ret;
}

/* Takes the lock if it returns 0, and holds none while the loader is fetched. */
static int umd_lock_loaded(struct umd_mgmt *mgmt, struct umd_turn *turn)
{
	bool joined = true;
	int loaded = 0, tries = 0, ret;

	while (!(ret = umd_lock(mgmt, turn)) && !mgmt->kmod_loaded) {
		umd_unlock(turn);
		if (loaded == -ETIMEDOUT)
			return loaded;
		/* A load that was under way may have failed before this one was asked for. */
		if (tries++ == 2 || !joined)
			return -ENOPROTOOPT;
		loaded = umd_request_loader(mgmt->kmod, &joined);
	}
	return ret;
}

static int umd_mgmt_ready(struct umd_mgmt *mgmt)
{
	struct umd_info *info = &mgmt->info;

	if (info->tgid && umd_exited(info->tgid))
		umd_drop_pipes(info);
	return info->tgid ? 0 : umd_mgmt_start(mgmt);
}

/* Takes the lock if it returns 0. There is a handler then. */
static int umd_mgmt_begin(struct umd_mgmt *mgmt, struct umd_turn *turn)
{
	int ret;

	if (!umd_wq)
		return -ENODEV;

	ret = umd_lock_loaded(mgmt, turn);
	if (ret)
		return ret;

	ret = umd_mgmt_ready(mgmt);
	if (ret)
		umd_unlock(turn);
	return ret;
}

static int umd_mgmt_end(struct umd_mgmt *mgmt, struct umd_turn *turn, int ret)
{
	/* Nothing was sent then: what the caller lacks is not the handler's fault. */
	if (ret && ret != -ENOMEM)
		umd_shutdown(&mgmt->info);
	umd_unlock(turn);
	return ret;
}

/**
 * umd_mgmt_send_recv - one transaction with a user mode driver
 * @mgmt: the user mode driver
 * @in: message to send
 * @in_len: its length in bytes
 * @out: where the reply goes
 * @out_len: its length in bytes
 *
 * Loads the loader module and starts the handler if need be. After an error that
 * came once something was sent, the handler is shut down and the next transaction
 * starts another one, since the two sides may disagree on where in the stream they
 * are.
 *
 * Return: 0, -ENOPROTOOPT without a loader module, -ETIMEDOUT if a step did not
 * end in time or the driver stayed busy with others, -EINTR if the caller was
 * killed while it was, or what starting or umd_send_recv() returned.
 */
int umd_mgmt_send_recv(struct umd_mgmt *mgmt, void *in, size_t in_len,
		       void *out, size_t out_len)
{
	struct umd_turn turn;
	int ret = umd_mgmt_begin(mgmt, &turn);

	if (ret)
		return ret;

	ret = umd_send_recv(&mgmt->info, in, in_len, out, out_len);
	return umd_mgmt_end(mgmt, &turn, ret);
}
EXPORT_SYMBOL_GPL(umd_mgmt_send_recv);

/**
 * umd_mgmt_request - one transaction whose reply has a length of its own
 * @mgmt: the user mode driver, whose messages have frames
 * @in: message to send
 * @in_len: its length in bytes
 * @out: where the reply goes
 * @out_len: how many bytes @out has room for; after a success, how many the reply has
 *
 * A reply may have no bytes at all. Check *@out_len before you read @out, the rest of
 * which is as it was.
 *
 * Return: as umd_mgmt_send_recv(), -EBADMSG as well if the reply is longer than
 * @out, -EINVAL if messages have no frames.
 */
int umd_mgmt_request(struct umd_mgmt *mgmt, const void *in, size_t in_len,
		     void *out, size_t *out_len)
{
	struct umd_turn turn;
	int ret;

	if (!mgmt->framed)
		return -EINVAL;

	ret = umd_mgmt_begin(mgmt, &turn);
	if (ret)
		return ret;

	ret = umd_transact(&mgmt->info, in, in_len, out, out_len, 0);
	return umd_mgmt_end(mgmt, &turn, ret);
}
EXPORT_SYMBOL_GPL(umd_mgmt_request);

/* A signature proves who made a loader, not that it is the one that was asked for. */
static bool umd_is_expected(const struct umd_mgmt *mgmt, const char *blob, size_t len)
{
	u8 digest[SHA256_DIGEST_SIZE];

	if (!mgmt->digest)
		return true;

	sha256(blob, len, digest);
	return !memcmp(digest, mgmt->digest, sizeof(digest));
}

/**
 * umd_mgmt_load - put a loader module's blob in place and start the handler
 * @mgmt: the user mode driver
 * @start: the blob's first byte
 * @end: the byte behind its last
 *
 * For the loader module's init function.
 *
 * Return: 0, or a negative errno with nothing loaded by this call: -EKEYREJECTED
 * for another blob than the manager's, -EBUSY if a blob is loaded already,
 * -ETIMEDOUT or -EINTR as umd_mgmt_send_recv().
 */
int umd_mgmt_load(struct umd_mgmt *mgmt, char *start, char *end)
{
	struct umd_info blob = { .driver_name = mgmt->info.driver_name };
	struct umd_turn turn;
	int ret;

	if (!umd_wq)
		return -ENODEV;
	if (!umd_is_expected(mgmt, start, end - start))
		return -EKEYREJECTED;

	/* Without the lock: this runs the final fput() of others' files. */
	ret = umd_load_blob(&blob, start, end - start);
	if (ret)
		return ret;

	ret = umd_lock(mgmt, &turn);
	if (ret)
		goto unload;

	ret = -EBUSY;
	if (!mgmt->kmod_loaded) {
		mgmt->info = blob;
		ret = umd_mgmt_start(mgmt);
		if (ret)
			mgmt->info.wd = (struct path){ };
		else
			mgmt->kmod_loaded = true;
	}
	umd_unlock(&turn);
unload:
	if (ret)
		umd_unload_blob(&blob);
	return ret;
}
EXPORT_SYMBOL_GPL(umd_mgmt_load);

/**
 * umd_mgmt_unload - shut the handler down and take the blob away
 * @mgmt: the user mode driver
 *
 * For the loader module's exit function.
 */
void umd_mgmt_unload(struct umd_mgmt *mgmt)
{
	struct umd_turn turn;

	umd_lock_anyway(mgmt, &turn);
	if (mgmt->info.tgid)
		umd_shutdown(&mgmt->info);
	mgmt->kmod_loaded = false;
	umd_unload_blob(&mgmt->info);
	umd_unlock(&turn);
}
EXPORT_SYMBOL_GPL(umd_mgmt_unload);

static int __init umd_mgmt_init(void)
{
	/* A workqueue of its own: others may be kept busy, as long as root likes. */
	umd_wq = alloc_workqueue("umd_mgmt", WQ_UNBOUND | WQ_HIGHPRI, 0);
	return umd_wq ? 0 : -ENOMEM;
}
subsys_initcall(umd_mgmt_init);

#ifdef CONFIG_UMD_KUNIT_TEST
#include "usermode_driver_mgmt_test.c"
#endif
