// SPDX-License-Identifier: GPL-2.0-only
/* The manager: takes an advertisement in a file, and gives the name of the device back. */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/string.h>

#include "eir.h"

struct umd_mgmt eir_mgmt = {
	.info.driver_name = "eir",
	.lock = __MUTEX_INITIALIZER(eir_mgmt.lock),
	.kmod = "eir_loader",
	.framed = true,
	.isolated = true,
};
EXPORT_SYMBOL_GPL(eir_mgmt);

static bool eir_is_errno(int status)
{
	return status < 0 && status >= -MAX_ERRNO;
}

/* Moves the name to the start of @data; returns its length. The reply is not to be trusted. */
static ssize_t eir_find_name(char *data, size_t len)
{
	struct eir_reply reply;
	int ret;

	ret = umd_mgmt_send_recv(&eir_mgmt, data, len, &reply, sizeof(reply));
	if (ret)
		return ret;
	if (reply.status)
		return eir_is_errno(reply.status) ? reply.status : -EBADMSG;
	if (reply.offset > len || reply.length > len - reply.offset)
		return -EBADMSG;

	memmove(data, data + reply.offset, reply.length);
	return reply.length;
}

static ssize_t eir_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char *data = simple_transaction_get(file, buf, len);
	ssize_t found;

	if (IS_ERR(data))
		return PTR_ERR(data);

	found = eir_find_name(data, len);
	if (found < 0)
		return found;

	simple_transaction_set(file, found);
	return len;
}

static const struct file_operations eir_fops = {
	.owner = THIS_MODULE,
	.write = eir_write,
	.read = simple_transaction_read,
	.release = simple_transaction_release,
};

static struct dentry *eir_file;

static int __init eir_init(void)
{
	eir_file = securityfs_create_file("eir", 0600, NULL, NULL, &eir_fops);
	return PTR_ERR_OR_ZERO(eir_file);
}

static void __exit eir_exit(void)
{
	securityfs_remove(eir_file);
}

module_init(eir_init);
module_exit(eir_exit);
MODULE_DESCRIPTION("Manager of a user mode driver that parses Bluetooth advertisements");
MODULE_LICENSE("GPL");
