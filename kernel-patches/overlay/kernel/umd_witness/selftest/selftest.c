// SPDX-License-Identifier: GPL-2.0-only
/* The self-test's manager: messages and replies of any length. */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/random.h>
#include <linux/security.h>

#include "selftest.h"

#define SELFTEST_TEXT	24

static bool hold;
module_param(hold, bool, 0600);
MODULE_PARM_DESC(hold, "do not finish the start of a handler while this is set");

static bool call;
module_param(call, bool, 0600);
MODULE_PARM_DESC(call, "have the handler make a system call that isolation forbids");

static u8 selftest_order(u32 reply_len)
{
	return ilog2(reply_len) | (READ_ONCE(call) ? SELFTEST_CALL : 0);
}

/* With the driver's lock held, as for any start. */
static int selftest_post_start(struct umd_mgmt *mgmt)
{
	u8 message = SELFTEST_SINGLE | selftest_order(1), reply;

	pr_info("%s started, pid %d\n", mgmt->info.driver_name, pid_nr(mgmt->info.tgid));

	while (READ_ONCE(hold))
		msleep(20);
	return umd_send_recv(&mgmt->info, &message, 1, &reply, 1);
}

struct umd_mgmt selftest_mgmt = {
	.info.driver_name = "umd_selftest_umh",
	.lock = __MUTEX_INITIALIZER(selftest_mgmt.lock),
	.post_start = selftest_post_start,
	.kmod = "umd_selftest_loader",
#ifdef SELFTEST_ISOLATION
	.isolated = true,
#endif
};
EXPORT_SYMBOL_GPL(selftest_mgmt);

#ifdef SELFTEST_ISOLATION
module_param_named(isolated, selftest_mgmt.isolated, bool, 0400);
MODULE_PARM_DESC(isolated, "ask for an isolated handler");
#endif

#ifdef SELFTEST_FRESH
module_param_named(fresh, selftest_mgmt.fresh, bool, 0600);
MODULE_PARM_DESC(fresh, "ask for a handler for each message");
#endif

static void selftest_fill(u8 *message, u32 len, u32 reply_len)
{
	get_random_bytes(message, len);
	if (len == 1) {
		message[0] = SELFTEST_SINGLE | selftest_order(reply_len);
	} else {
		message[0] = ilog2(len);
		message[1] = selftest_order(reply_len);
	}
}

static int selftest_check(const u8 *message, u32 len, const u8 *reply, u32 reply_len)
{
	u32 sum = selftest_sum(0, message, len);
	u32 i;

	for (i = 0; i < reply_len; i++)
		if (reply[i] != selftest_byte(sum, i))
			return -EBADMSG;
	return 0;
}

static int selftest_transact(u32 len, u32 reply_len)
{
	u8 *message = kvmalloc(len, GFP_KERNEL);
	u8 *reply = kvzalloc(reply_len, GFP_KERNEL);
	int ret = -ENOMEM;

	if (message && reply) {
		selftest_fill(message, len, reply_len);
		ret = umd_mgmt_send_recv(&selftest_mgmt, message, len, reply, reply_len);
		if (!ret)
			ret = selftest_check(message, len, reply, reply_len);
	}
	kvfree(message);
	kvfree(reply);
	return ret;
}

static bool selftest_length(u32 len)
{
	return is_power_of_2(len) && len <= 1U << SELFTEST_ORDER_MAX;
}

static ssize_t selftest_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char text[SELFTEST_TEXT] = "";
	u32 message_len, reply_len;
	char rest;
	int ret;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	if (sscanf(text, "%u %u%c", &message_len, &reply_len, &rest) != 2)
		return -EINVAL;
	if (!selftest_length(message_len) || !selftest_length(reply_len))
		return -EINVAL;

	ret = selftest_transact(message_len, reply_len);
	return ret ?: len;
}

static const struct file_operations selftest_fops = {
	.owner = THIS_MODULE,
	.write = selftest_write,
};

static struct dentry *selftest_file;

static int __init umd_selftest_init(void)
{
	selftest_file = securityfs_create_file("umd_selftest", 0200, NULL, NULL, &selftest_fops);
	return PTR_ERR_OR_ZERO(selftest_file);
}

static void __exit umd_selftest_exit(void)
{
	securityfs_remove(selftest_file);
}

module_init(umd_selftest_init);
module_exit(umd_selftest_exit);
MODULE_DESCRIPTION("Self-test of the user mode driver management library");
MODULE_LICENSE("GPL");
