// SPDX-License-Identifier: GPL-2.0-only
/* The sample's manager: passes an offset on and checks the answer. */
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/security.h>

#include "sample.h"

static int sample_post_start(struct umd_mgmt *mgmt);

struct umd_mgmt sample_mgmt = {
	.info.driver_name = "sample_umh",
	.lock = __MUTEX_INITIALIZER(sample_mgmt.lock),
	.post_start = sample_post_start,
	.kmod = "sample_loader_kmod",
};
EXPORT_SYMBOL_GPL(sample_mgmt);

static int sample_check(const u8 *reply, u32 offset)
{
	u32 i;

	for (i = 0; i < SAMPLE_REPLY_SIZE; i++) {
		u8 expected = i == offset;

		if (reply[i] != expected)
			return -EINVAL;
	}
	return 0;
}

static int sample_post_start(struct umd_mgmt *mgmt)
{
	u32 offset = 0;
	u8 *reply;
	int ret;

	/* Only a sample prints here: kernel.printk_delay makes its caller wait. */
	pr_info("%s started, pid %d\n", mgmt->info.driver_name, pid_nr(mgmt->info.tgid));

	reply = kvzalloc(SAMPLE_REPLY_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;

	ret = umd_send_recv(&mgmt->info, &offset, sizeof(offset), reply, SAMPLE_REPLY_SIZE);
	if (!ret)
		ret = sample_check(reply, offset);
	kvfree(reply);
	return ret;
}

static ssize_t sample_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	u8 *reply;
	u32 offset;
	int ret;

	if (len >= 8)
		return -EINVAL;

	ret = kstrtou32_from_user(buf, len, 10, &offset);
	if (ret)
		return ret;
	if (offset >= SAMPLE_REPLY_SIZE)
		return -EINVAL;

	reply = kvzalloc(SAMPLE_REPLY_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;

	ret = umd_mgmt_send_recv(&sample_mgmt, &offset, sizeof(offset), reply,
				 SAMPLE_REPLY_SIZE);
	if (!ret)
		ret = sample_check(reply, offset);
	kvfree(reply);
	return ret ?: len;
}

static const struct file_operations sample_fops = {
	.owner = THIS_MODULE,
	.write = sample_write,
};

static struct dentry *sample_file;

static int __init sample_mgr_init(void)
{
	sample_file = securityfs_create_file("sample_umd", 0200, NULL, NULL, &sample_fops);
	return PTR_ERR_OR_ZERO(sample_file);
}

static void __exit sample_mgr_exit(void)
{
	securityfs_remove(sample_file);
}

module_init(sample_mgr_init);
module_exit(sample_mgr_exit);
MODULE_DESCRIPTION("Manager of the sample user mode driver");
MODULE_LICENSE("GPL");
