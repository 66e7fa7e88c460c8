// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the management library for user mode drivers: frames, lengths,
 * digests, turns and jobs.
 *
 * usermode_driver_mgmt.c includes this file. The pipes are real. There is no driver
 * at their other ends: the test itself or a job of it reads and writes there.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/panic.h>
#include <linux/string.h>

#define UMD_TEST_LEN	100
#define UMD_TEST_WAIT	(60 * HZ)

/* Of each pair of files, the first is for reading. */
struct umd_test {
	struct file *to_umh[2];
	struct file *from_umh[2];
	struct umd_transfer transfer;
};

static u8 *umd_test_bytes(struct kunit *test, size_t len, u8 seed)
{
	u8 *bytes = kunit_kzalloc(test, max_t(size_t, len, 1), GFP_KERNEL);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	for (i = 0; i < len; i++)
		bytes[i] = seed + i + i / 251;
	return bytes;
}

static int umd_test_init(struct kunit *test)
{
	struct umd_test *pipes = kunit_kzalloc(test, sizeof(*pipes), GFP_KERNEL);
	int ret;

	if (!pipes)
		return -ENOMEM;

	ret = create_pipe_files(pipes->to_umh, 0);
	if (ret)
		return ret;
	ret = create_pipe_files(pipes->from_umh, 0);
	if (ret) {
		fput(pipes->to_umh[0]);
		fput(pipes->to_umh[1]);
		return ret;
	}

	pipes->transfer.to_umh = umd_get_pipe(pipes->to_umh[1]);
	pipes->transfer.from_umh = umd_get_pipe(pipes->from_umh[0]);
	pipes->transfer.in_len = UMD_TEST_LEN;
	pipes->transfer.out_len = UMD_TEST_LEN;
	pipes->transfer.out_min = UMD_TEST_LEN;
	pipes->transfer.expires = jiffies + UMD_TEST_WAIT;
	pipes->transfer.framed = true;
	test->priv = pipes;
	return umd_fill_pages(&pipes->transfer, umd_test_bytes(test, UMD_TEST_LEN, 1),
			      GFP_KERNEL);
}

static void umd_test_exit(struct kunit *test)
{
	struct umd_test *pipes = test->priv;

	if (!pipes)
		return;

	umd_free_pages(&pipes->transfer);
	fput(pipes->transfer.to_umh);
	fput(pipes->transfer.from_umh);
	fput(pipes->to_umh[0]);
	fput(pipes->to_umh[1]);
	fput(pipes->from_umh[0]);
	if (pipes->from_umh[1])
		fput(pipes->from_umh[1]);
}

/* As umd_send_recv() wants it, which asks only whether there is a handler. */
static struct umd_info umd_test_info(struct kunit *test)
{
	struct umd_test *pipes = test->priv;

	return (struct umd_info) {
		.pipe_to_umh = pipes->to_umh[1],
		.pipe_from_umh = pipes->from_umh[0],
		.tgid = task_pid(current),
	};
}

static bool umd_test_nothing_sent(struct kunit *test)
{
	struct umd_test *pipes = test->priv;
	struct umd_transfer sent = { .from_umh = pipes->to_umh[0] };

	return !umd_check_silent(&sent);
}

static void umd_test_answer(struct kunit *test, const void *reply, size_t len)
{
	struct umd_test *pipes = test->priv;

	if (len)
		KUNIT_ASSERT_EQ(test, __kernel_write(pipes->from_umh[1], reply, len, NULL),
				(ssize_t)len);
}

static void umd_test_hang_up(struct kunit *test)
{
	struct umd_test *pipes = test->priv;

	__fput_sync(pipes->from_umh[1]);
	pipes->from_umh[1] = NULL;
}

/* Frames. */
static void umd_test_request_frame(struct kunit *test)
{
	struct umd_test *pipes = test->priv;
	struct umd_frame first, second, sent;

	umd_set_frame(&pipes->transfer, &first);
	KUNIT_ASSERT_EQ(test, umd_send(&pipes->transfer), 0);
	KUNIT_ASSERT_EQ(test, __kernel_read(pipes->to_umh[0], &sent, sizeof(sent), NULL),
			(ssize_t)sizeof(sent));
	KUNIT_EXPECT_EQ(test, memcmp(&sent, &first, sizeof(sent)), 0);
	KUNIT_EXPECT_EQ(test, sent.magic, (u32)UMD_FRAME_MAGIC);
	KUNIT_EXPECT_EQ(test, sent.len, (u32)UMD_TEST_LEN);

	umd_set_frame(&pipes->transfer, &second);
	KUNIT_EXPECT_NE(test, memcmp(second.nonce, first.nonce, sizeof(first.nonce)), 0);
}

/* Reads a request in place of a driver. */
struct umd_test_reader {
	struct umd_job job;
	struct umd_transfer wire;
	u8 *got;
	size_t len;
};

static int umd_test_reader_run(struct umd_job *job)
{
	struct umd_test_reader *reader = container_of(job, struct umd_test_reader, job);

	return umd_read(&reader->wire, reader->got, reader->len);
}

/* Behind the frame, a page has less room. The last ones are longer than a pipe. */
static const size_t umd_framed_lengths[] = {
	0, 1, PAGE_SIZE - sizeof(struct umd_frame), PAGE_SIZE - sizeof(struct umd_frame) + 1,
	PAGE_SIZE, 2 * PAGE_SIZE, PIPE_DEF_BUFFERS * PAGE_SIZE,
	2 * PIPE_DEF_BUFFERS * PAGE_SIZE + 1,
};

static void umd_length_name(const size_t *len, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%zu bytes", *len);
}

KUNIT_ARRAY_PARAM(umd_framed_length, umd_framed_lengths, umd_length_name);

static void umd_test_framed_request(struct kunit *test)
{
	struct umd_test_reader *reader = kunit_kzalloc(test, sizeof(*reader), GFP_KERNEL);
	size_t len = *(const size_t *)test->param_value;
	struct umd_test *pipes = test->priv;
	u8 *in = umd_test_bytes(test, len, 5);
	struct umd_frame frame;

	KUNIT_ASSERT_NOT_NULL(test, reader);
	umd_free_pages(&pipes->transfer);
	pipes->transfer.in_len = len;
	KUNIT_ASSERT_EQ(test, umd_fill_pages(&pipes->transfer, in, GFP_KERNEL), 0);

	reader->wire.from_umh = umd_get_pipe(pipes->to_umh[0]);
	reader->wire.expires = jiffies + UMD_TEST_WAIT;
	reader->len = sizeof(frame) + len;
	reader->got = umd_test_bytes(test, reader->len, 0);
	/* Its reference is never put, so there is nothing to free. */
	umd_job_queue(&reader->job, umd_wq, umd_test_reader_run, NULL);

	umd_set_frame(&pipes->transfer, &frame);
	KUNIT_EXPECT_EQ(test, umd_send(&pipes->transfer), 0);
	flush_workqueue(umd_wq);
	fput(reader->wire.from_umh);
	KUNIT_EXPECT_EQ(test, umd_job_wait(&reader->job, 1), 0);
	KUNIT_EXPECT_EQ(test, memcmp(reader->got, &frame, sizeof(frame)), 0);
	KUNIT_EXPECT_EQ(test, memcmp(reader->got + sizeof(frame), in, len), 0);
	KUNIT_EXPECT_TRUE(test, umd_test_nothing_sent(test));
}

/* The message is not copied again. */
static void umd_test_pages_go_into_the_pipe(struct kunit *test)
{
	struct umd_test *pipes = test->priv;
	struct pipe_inode_info *pipe = get_pipe_info(pipes->to_umh[0], false);

	KUNIT_ASSERT_EQ(test, umd_send(&pipes->transfer), 0);
	KUNIT_EXPECT_PTR_EQ(test, pipe->bufs[pipe->tail & (pipe->ring_size - 1)].page,
			    pipes->transfer.pages[0]);
}

struct umd_frame_case {
	const char *name;
	size_t wanted;
	u32 len;
	u32 magic_flip;
	u8 first_flip;
	u8 last_flip;
	int ret;
};

static const struct umd_frame_case umd_frame_cases[] = {
	{ "same", UMD_TEST_LEN, UMD_TEST_LEN },
	{ "empty as wanted", 0, 0 },
	{ "a byte as wanted", 1, 1 },
	{ "PIPE_BUF as wanted", PIPE_BUF, PIPE_BUF },
	{ "longest as wanted", UMD_LEN_MAX, UMD_LEN_MAX },
	{ "another magic", UMD_TEST_LEN, UMD_TEST_LEN, .magic_flip = 1, .ret = -EBADMSG },
	{ "nonce: first bit", UMD_TEST_LEN, UMD_TEST_LEN, .first_flip = 0x80, .ret = -EBADMSG },
	{ "nonce: last bit", UMD_TEST_LEN, UMD_TEST_LEN, .last_flip = 1, .ret = -EBADMSG },
	{ "too short", UMD_TEST_LEN, UMD_TEST_LEN - 1, .ret = -EBADMSG },
	{ "too long", UMD_TEST_LEN, UMD_TEST_LEN + 1, .ret = -EBADMSG },
	{ "empty", UMD_TEST_LEN, 0, .ret = -EBADMSG },
	{ "not empty", 0, 1, .ret = -EBADMSG },
	{ "over the bound", UMD_LEN_MAX, UMD_LEN_MAX + 1U, .ret = -EBADMSG },
	{ "all ones", UMD_TEST_LEN, U32_MAX, .ret = -EBADMSG },
#ifdef CONFIG_64BIT
	{ "overflow", BIT(32) + UMD_TEST_LEN, UMD_TEST_LEN, .ret = -EBADMSG },
	{ "overflow: all ones", SIZE_MAX, U32_MAX, .ret = -EBADMSG },
#endif
};

static void umd_frame_case_name(const struct umd_frame_case *one, char *name)
{
	strscpy(name, one->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(umd_frame, umd_frame_cases, umd_frame_case_name);

static void umd_test_reply_frame(struct kunit *test)
{
	const struct umd_frame_case *one = test->param_value;
	struct umd_test *pipes = test->priv;
	struct umd_frame request, reply;

	umd_set_frame(&pipes->transfer, &request);
	reply = request;
	reply.magic ^= one->magic_flip;
	reply.len = one->len;
	reply.nonce[0] ^= one->first_flip;
	reply.nonce[sizeof(reply.nonce) - 1] ^= one->last_flip;
	umd_test_answer(test, &reply, sizeof(reply));

	pipes->transfer.out_len = one->wanted;
	pipes->transfer.out_min = one->wanted;
	KUNIT_EXPECT_EQ(test, umd_read_frame(&pipes->transfer, &request), one->ret);
}

static void umd_test_reply_frame_of_earlier(struct kunit *test)
{
	struct umd_test *pipes = test->priv;
	struct umd_frame earlier, request;

	umd_set_frame(&pipes->transfer, &earlier);
	umd_set_frame(&pipes->transfer, &request);
	umd_test_answer(test, &earlier, sizeof(earlier));
	umd_test_answer(test, &request, sizeof(request));

	KUNIT_EXPECT_EQ(test, umd_read_frame(&pipes->transfer, &request), -EBADMSG);
	KUNIT_EXPECT_EQ(test, umd_read_frame(&pipes->transfer, &request), 0);
}

static void umd_test_reply_frame_cut(struct kunit *test)
{
	struct umd_frame request = { .magic = UMD_FRAME_MAGIC, .len = UMD_TEST_LEN };
	struct umd_test *pipes = test->priv;

	umd_test_answer(test, &request, sizeof(request) - 1);
	umd_test_hang_up(test);
	KUNIT_EXPECT_EQ(test, umd_read_frame(&pipes->transfer, &request), -EFAULT);
}

static void umd_test_silent(struct kunit *test)
{
	struct umd_test *pipes = test->priv;
	u8 byte = 0;

	KUNIT_EXPECT_EQ(test, umd_check_silent(&pipes->transfer), 0);
	umd_test_answer(test, &byte, 1);
	KUNIT_EXPECT_EQ(test, umd_check_silent(&pipes->transfer), -EBADMSG);
	KUNIT_ASSERT_EQ(test, umd_read(&pipes->transfer, &byte, 1), 0);
	KUNIT_EXPECT_EQ(test, umd_check_silent(&pipes->transfer), 0);
}

/* A framed transfer starts with a look whether there is something left to be read. */
static void umd_test_not_silent_before(struct kunit *test)
{
	struct umd_test *pipes = test->priv;
	u8 byte = 0;

	pipes->transfer.expires = jiffies;
	umd_test_answer(test, &byte, 1);
	KUNIT_EXPECT_EQ(test, umd_exchange_framed(&pipes->transfer), -EBADMSG);
	KUNIT_EXPECT_TRUE(test, umd_test_nothing_sent(test));
}

/* Answers a framed request in place of a driver, all at once. */
struct umd_test_peer {
	struct umd_job job;
	struct umd_test *pipes;
	const struct umd_peer_case *one;
	const u8 *expected;
};

/* A reply has @len bytes, and its frame says @said. */
struct umd_peer_case {
	const char *name;
	size_t len;
	u32 said;
	u8 nonce_flip;
	int ret;
};

static const struct umd_peer_case umd_peer_cases[] = {
	{ "whole", UMD_TEST_LEN, UMD_TEST_LEN },
	{ "another nonce", UMD_TEST_LEN, UMD_TEST_LEN, .nonce_flip = 1, .ret = -EBADMSG },
	{ "byte left over", UMD_TEST_LEN + 1, UMD_TEST_LEN, .ret = -EBADMSG },
	{ "byte missing", UMD_TEST_LEN - 1, UMD_TEST_LEN, .ret = -EFAULT },
	{ "frame alone", 0, UMD_TEST_LEN, .ret = -EFAULT },
};

static const struct umd_peer_case umd_bound_cases[] = {
	{ "longest", UMD_TEST_LEN, UMD_TEST_LEN },
	{ "a byte shorter", UMD_TEST_LEN - 1, UMD_TEST_LEN - 1 },
	{ "a byte", 1, 1 },
	{ "empty", 0, 0 },
	{ "a byte longer", UMD_TEST_LEN + 1, UMD_TEST_LEN + 1, .ret = -EBADMSG },
	{ "longer than said", 2, 1, .ret = -EBADMSG },
	{ "shorter than said", 1, 2, .ret = -EFAULT },
};

static void umd_peer_case_name(const struct umd_peer_case *one, char *name)
{
	strscpy(name, one->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(umd_peer, umd_peer_cases, umd_peer_case_name);
KUNIT_ARRAY_PARAM(umd_bound, umd_bound_cases, umd_peer_case_name);

struct umd_test_message {
	struct umd_frame frame;
	u8 body[UMD_TEST_LEN + 1];
};

static int umd_test_peer_run(struct umd_job *job)
{
	struct umd_test_peer *peer = container_of(job, struct umd_test_peer, job);
	struct umd_test *pipes = peer->pipes;
	struct umd_test_message message = { };
	struct umd_transfer wire = {
		.from_umh = umd_get_pipe(pipes->to_umh[0]),
		.expires = jiffies + UMD_TEST_WAIT,
	};
	int ret = umd_read(&wire, &message, sizeof(message.frame) + UMD_TEST_LEN);

	if (!ret && memcmp(message.body, peer->expected, UMD_TEST_LEN))
		ret = -EBADMSG;
	if (!ret) {
		size_t len = sizeof(message.frame) + peer->one->len;

		message.frame.len = peer->one->said;
		message.frame.nonce[7] ^= peer->one->nonce_flip;
		memset(message.body, 0x3c, sizeof(message.body));
		if (__kernel_write(pipes->from_umh[1], &message, len, NULL) != len)
			ret = -EIO;
	}
	__fput_sync(wire.from_umh);
	__fput_sync(pipes->from_umh[1]);
	pipes->from_umh[1] = NULL;
	return ret;
}

static int umd_test_ask(struct kunit *test, struct umd_mgmt *mgmt, u8 *out, size_t *out_len,
			size_t out_min)
{
	struct umd_test_peer *peer = kunit_kzalloc(test, sizeof(*peer), GFP_KERNEL);
	u8 *in = umd_test_bytes(test, UMD_TEST_LEN, 7);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, peer);
	peer->pipes = test->priv;
	peer->one = test->param_value;
	peer->expected = in;
	/* Its reference is never put, so there is nothing to free. */
	umd_job_queue(&peer->job, umd_wq, umd_test_peer_run, NULL);

	mgmt->info = umd_test_info(test);
	mgmt->info.framed = true;
	/* What fails would have the library kill the handler, which is the test itself. */
	if (mgmt->framed && !peer->one->ret)
		ret = umd_mgmt_request(mgmt, in, UMD_TEST_LEN, out, out_len);
	else
		ret = umd_transact(&mgmt->info, in, UMD_TEST_LEN, out, out_len, out_min);
	flush_workqueue(umd_wq);
	KUNIT_EXPECT_EQ(test, umd_job_wait(&peer->job, 1), 0);
	return ret;
}

static void umd_test_framed(struct kunit *test)
{
	const struct umd_peer_case *one = test->param_value;
	u8 out[UMD_TEST_LEN] = { };
	struct umd_mgmt mgmt = { };
	size_t len = sizeof(out);

	KUNIT_EXPECT_EQ(test, umd_test_ask(test, &mgmt, out, &len, len), one->ret);
	KUNIT_EXPECT_EQ(test, len, sizeof(out));
	/* All of it, or nothing. */
	KUNIT_EXPECT_NULL(test, memchr_inv(out, one->ret ? 0 : 0x3c, sizeof(out)));
}

static void umd_test_reply_up_to_a_bound(struct kunit *test)
{
	const struct umd_peer_case *one = test->param_value;
	struct umd_mgmt mgmt = { .kmod_loaded = true, .framed = true };
	u8 out[UMD_TEST_LEN] = { };
	size_t len = sizeof(out), filled = one->ret ? 0 : one->len;

	mutex_init(&mgmt.lock);
	KUNIT_EXPECT_EQ(test, umd_test_ask(test, &mgmt, out, &len, 0), one->ret);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&mgmt.lock));
	KUNIT_EXPECT_TRUE(test, list_empty(&umd_turns));
	KUNIT_EXPECT_EQ(test, len, one->ret ? sizeof(out) : one->len);
	KUNIT_EXPECT_NULL(test, memchr_inv(out, 0x3c, filled));
	KUNIT_EXPECT_NULL(test, memchr_inv(out + filled, 0, sizeof(out) - filled));
}

static void umd_test_no_bound_without_frames(struct kunit *test)
{
	struct umd_mgmt mgmt = { .kmod = "umd_test_none" };
	u8 in = 1, out = 2;
	size_t len = 1;

	mutex_init(&mgmt.lock);
	KUNIT_EXPECT_EQ(test, umd_mgmt_request(&mgmt, &in, 1, &out, &len), -EINVAL);
	KUNIT_EXPECT_EQ(test, len, 1);
	KUNIT_EXPECT_EQ(test, out, 2);
}

/* Lengths. */
static void umd_test_bound(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, umd_fits(0));
	KUNIT_EXPECT_TRUE(test, umd_fits(1));
	KUNIT_EXPECT_TRUE(test, umd_fits(PIPE_BUF));
	KUNIT_EXPECT_TRUE(test, umd_fits(UMD_LEN_MAX));
	KUNIT_EXPECT_FALSE(test, umd_fits((size_t)UMD_LEN_MAX + 1));
	KUNIT_EXPECT_FALSE(test, umd_fits(SIZE_MAX));
#ifdef CONFIG_64BIT
	KUNIT_EXPECT_FALSE(test, umd_fits(BIT(32)));
	KUNIT_EXPECT_FALSE(test, umd_fits(BIT(32) + UMD_TEST_LEN));
#endif
}

/* Without its own bound, the library would have the allocator warn, or pages overflow. */
static void umd_test_too_long(struct kunit *test)
{
	static const size_t lengths[] = { (size_t)UMD_LEN_MAX + 1, SIZE_MAX };
	int warned = test_taint(TAINT_WARN);
	struct umd_info info = umd_test_info(test);
	u8 in = 1, out = 2;
	int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		KUNIT_EXPECT_EQ(test, umd_send_recv(&info, &in, lengths[i], &out, 1), -ENOMEM);
		KUNIT_EXPECT_EQ(test, umd_send_recv(&info, &in, 1, &out, lengths[i]), -ENOMEM);
	}
	KUNIT_EXPECT_EQ(test, out, 2);
	KUNIT_EXPECT_EQ(test, test_taint(TAINT_WARN), warned);
}

static const size_t umd_lengths[] = {
	0, 1, UMD_TEST_LEN, PIPE_BUF - 1, PIPE_BUF, PIPE_BUF + 1, PIPE_DEF_BUFFERS * PAGE_SIZE,
};

KUNIT_ARRAY_PARAM(umd_length, umd_lengths, umd_length_name);

static void umd_test_lengths(struct kunit *test)
{
	size_t len = *(const size_t *)test->param_value;
	u8 *in = umd_test_bytes(test, len, 1);
	u8 *reply = umd_test_bytes(test, len, 2);
	u8 *out = umd_test_bytes(test, len, 3);
	struct umd_test *pipes = test->priv;
	struct umd_info info = umd_test_info(test);

	umd_test_answer(test, reply, len);
	KUNIT_ASSERT_EQ(test, umd_send_recv(&info, in, len, out, len), 0);
	KUNIT_EXPECT_EQ(test, memcmp(out, reply, len), 0);
	KUNIT_EXPECT_EQ(test, umd_check_silent(&pipes->transfer), 0);

	if (len)
		KUNIT_ASSERT_EQ(test, __kernel_read(pipes->to_umh[0], out, len, NULL),
				(ssize_t)len);
	KUNIT_EXPECT_EQ(test, memcmp(out, in, len), 0);
	KUNIT_EXPECT_TRUE(test, umd_test_nothing_sent(test));
}

static void umd_test_reply_cut(struct kunit *test)
{
	u8 *reply = umd_test_bytes(test, UMD_TEST_LEN, 2);
	u8 *out = umd_test_bytes(test, UMD_TEST_LEN, 3);
	u8 *before = umd_test_bytes(test, UMD_TEST_LEN, 3);
	struct umd_info info = umd_test_info(test);
	u8 in = 1;

	umd_test_answer(test, reply, UMD_TEST_LEN - 1);
	umd_test_hang_up(test);
	KUNIT_EXPECT_EQ(test, umd_send_recv(&info, &in, 1, out, UMD_TEST_LEN), -EFAULT);
	KUNIT_EXPECT_EQ(test, memcmp(out, before, UMD_TEST_LEN), 0);
}

static void umd_test_no_handler(struct kunit *test)
{
	struct umd_info info = { };
	u8 in = 1, out = 2;

	KUNIT_EXPECT_EQ(test, umd_send_recv(&info, &in, 1, &out, 1), -EFAULT);
}

static void umd_test_expired(struct kunit *test)
{
	struct umd_test *pipes = test->priv;
	u8 byte;
	int i;

	pipes->transfer.expires = jiffies;
	KUNIT_EXPECT_EQ(test, umd_read(&pipes->transfer, &byte, 1), -ETIMEDOUT);
	/* What needs no wait is done all the same. */
	for (i = 0; i < PIPE_DEF_BUFFERS; i++)
		KUNIT_EXPECT_EQ(test, umd_send(&pipes->transfer), 0);
	KUNIT_EXPECT_EQ(test, umd_send(&pipes->transfer), -ETIMEDOUT);
}

static void umd_test_own_ends(struct kunit *test)
{
	struct umd_test *pipes = test->priv;

	KUNIT_EXPECT_TRUE(test, pipes->to_umh[1]->f_flags & O_NONBLOCK);
	KUNIT_EXPECT_TRUE(test, pipes->from_umh[0]->f_flags & O_NONBLOCK);
	KUNIT_EXPECT_FALSE(test, pipes->to_umh[0]->f_flags & O_NONBLOCK);
	KUNIT_EXPECT_FALSE(test, pipes->from_umh[1]->f_flags & O_NONBLOCK);
}

static struct kunit_case umd_pipe_cases[] = {
	KUNIT_CASE(umd_test_request_frame),
	KUNIT_CASE_PARAM(umd_test_framed_request, umd_framed_length_gen_params),
	KUNIT_CASE(umd_test_pages_go_into_the_pipe),
	KUNIT_CASE_PARAM(umd_test_reply_frame, umd_frame_gen_params),
	KUNIT_CASE(umd_test_reply_frame_of_earlier),
	KUNIT_CASE(umd_test_reply_frame_cut),
	KUNIT_CASE(umd_test_silent),
	KUNIT_CASE(umd_test_not_silent_before),
	KUNIT_CASE_PARAM(umd_test_framed, umd_peer_gen_params),
	KUNIT_CASE_PARAM(umd_test_reply_up_to_a_bound, umd_bound_gen_params),
	KUNIT_CASE(umd_test_no_bound_without_frames),
	KUNIT_CASE(umd_test_bound),
	KUNIT_CASE(umd_test_too_long),
	KUNIT_CASE_PARAM(umd_test_lengths, umd_length_gen_params),
	KUNIT_CASE(umd_test_reply_cut),
	KUNIT_CASE(umd_test_no_handler),
	KUNIT_CASE(umd_test_expired),
	KUNIT_CASE(umd_test_own_ends),
	{ }
};

static struct kunit_suite umd_pipe_suite = {
	.name = "umd_mgmt_pipes",
	.init = umd_test_init,
	.exit = umd_test_exit,
	.test_cases = umd_pipe_cases,
};

/* Digests: SHA-256 of "abc", and of nothing (FIPS 180-4). */
static const u8 umd_digest_abc[SHA256_DIGEST_SIZE] = {
	0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22,
	0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
	0x15, 0xad,
};

static const u8 umd_digest_empty[SHA256_DIGEST_SIZE] = {
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
	0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
	0xb8, 0x55,
};

static void umd_test_digest(struct kunit *test)
{
	struct umd_mgmt abc = { .digest = umd_digest_abc };
	struct umd_mgmt empty = { .digest = umd_digest_empty };

	KUNIT_EXPECT_TRUE(test, umd_is_expected(&abc, "abc", 3));
	KUNIT_EXPECT_TRUE(test, umd_is_expected(&empty, "", 0));

	KUNIT_EXPECT_FALSE(test, umd_is_expected(&abc, "abd", 3));
	KUNIT_EXPECT_FALSE(test, umd_is_expected(&abc, "abc", 2));
	KUNIT_EXPECT_FALSE(test, umd_is_expected(&abc, "abc", 4));
	KUNIT_EXPECT_FALSE(test, umd_is_expected(&abc, "", 0));
	KUNIT_EXPECT_FALSE(test, umd_is_expected(&empty, "abc", 3));
}

static void umd_test_digest_bits(struct kunit *test)
{
	u8 digest[SHA256_DIGEST_SIZE];
	struct umd_mgmt mgmt = { .digest = digest };
	int bit;

	memcpy(digest, umd_digest_abc, sizeof(digest));
	for (bit = 0; bit < 8 * SHA256_DIGEST_SIZE; bit++) {
		digest[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_FALSE_MSG(test, umd_is_expected(&mgmt, "abc", 3), "bit %d", bit);
		digest[bit / 8] ^= 1 << bit % 8;
	}
	KUNIT_EXPECT_TRUE(test, umd_is_expected(&mgmt, "abc", 3));
}

static void umd_test_no_digest(struct kunit *test)
{
	struct umd_mgmt any = { };

	KUNIT_EXPECT_TRUE(test, umd_is_expected(&any, "abc", 3));
	KUNIT_EXPECT_TRUE(test, umd_is_expected(&any, "", 0));
}

static void umd_test_load_of_another(struct kunit *test)
{
	struct umd_mgmt mgmt = { .info.driver_name = "umd_test", .digest = umd_digest_abc };
	char blob[] = "abd";

	mutex_init(&mgmt.lock);
	KUNIT_EXPECT_EQ(test, umd_mgmt_load(&mgmt, blob, blob + 3), -EKEYREJECTED);
	KUNIT_EXPECT_FALSE(test, mgmt.kmod_loaded);
	KUNIT_EXPECT_NULL(test, mgmt.info.wd.mnt);
}

static struct kunit_case umd_digest_cases[] = {
	KUNIT_CASE(umd_test_digest),
	KUNIT_CASE(umd_test_digest_bits),
	KUNIT_CASE(umd_test_no_digest),
	KUNIT_CASE(umd_test_load_of_another),
	{ }
};

static struct kunit_suite umd_digest_suite = {
	.name = "umd_mgmt_digests",
	.test_cases = umd_digest_cases,
};

/* Turns and jobs. */
static void umd_test_turns(struct kunit *test)
{
	struct umd_mgmt one = { }, other = { };
	struct umd_turn first, second, third, others;

	umd_turn_queue(&first, &one);
	umd_turn_queue(&second, &one);
	umd_turn_queue(&others, &other);
	umd_turn_queue(&third, &one);
	KUNIT_EXPECT_TRUE(test, completion_done(&first.come));
	KUNIT_EXPECT_FALSE(test, completion_done(&second.come));
	KUNIT_EXPECT_FALSE(test, completion_done(&third.come));
	KUNIT_EXPECT_TRUE(test, completion_done(&others.come));

	/* The second gives up, and the third has to wait for the first all the same. */
	umd_turn_end(&second);
	KUNIT_EXPECT_FALSE(test, completion_done(&third.come));
	umd_turn_end(&first);
	KUNIT_EXPECT_TRUE(test, completion_done(&third.come));

	umd_turn_end(&third);
	umd_turn_end(&others);
	KUNIT_EXPECT_TRUE(test, list_empty(&umd_turns));
}

struct umd_test_job {
	struct umd_job job;
	struct completion go;
	struct completion freed;
};

static int umd_test_job_run(struct umd_job *job)
{
	struct umd_test_job *mine = container_of(job, struct umd_test_job, job);

	wait_for_completion(&mine->go);
	return -EXDEV;
}

static void umd_test_job_free(struct umd_job *job)
{
	complete(&container_of(job, struct umd_test_job, job)->freed);
}

static struct umd_test_job *umd_test_job_queue(struct kunit *test)
{
	struct umd_test_job *mine = kunit_kzalloc(test, sizeof(*mine), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mine);
	init_completion(&mine->go);
	init_completion(&mine->freed);
	umd_job_queue(&mine->job, umd_wq, umd_test_job_run, umd_test_job_free);
	return mine;
}

static void umd_test_job_waited_for(struct kunit *test)
{
	struct umd_test_job *mine = umd_test_job_queue(test);

	complete(&mine->go);
	KUNIT_EXPECT_EQ(test, umd_job_wait(&mine->job, UMD_TEST_WAIT), -EXDEV);
	KUNIT_EXPECT_FALSE(test, completion_done(&mine->freed));
	umd_job_put(&mine->job);
	KUNIT_EXPECT_TRUE(test, wait_for_completion_timeout(&mine->freed, UMD_TEST_WAIT));
}

static void umd_test_job_abandoned(struct kunit *test)
{
	struct umd_test_job *mine = umd_test_job_queue(test);

	KUNIT_EXPECT_EQ(test, umd_job_wait(&mine->job, 1), -ETIMEDOUT);
	umd_job_put(&mine->job);
	KUNIT_EXPECT_FALSE(test, completion_done(&mine->freed));
	complete(&mine->go);
	KUNIT_EXPECT_TRUE(test, wait_for_completion_timeout(&mine->freed, UMD_TEST_WAIT));
}

static struct kunit_case umd_wait_cases[] = {
	KUNIT_CASE(umd_test_turns),
	KUNIT_CASE(umd_test_job_waited_for),
	KUNIT_CASE(umd_test_job_abandoned),
	{ }
};

static struct kunit_suite umd_wait_suite = {
	.name = "umd_mgmt_waits",
	.test_cases = umd_wait_cases,
};

kunit_test_suites(&umd_pipe_suite, &umd_digest_suite, &umd_wait_suite);
