/* SPDX-License-Identifier: MIT */
#include "vm/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"
#include "vm/args.h"
#include "vm/jail.h"
#include "vm/qemu.h"
#include "vm/tail.h"

#define CACHE_FILE  "kvm-trial.json"
#define CACHE_MAX   16
#define STOP_S      5
#define GUEST_BYTES ((uint64_t)256 << 20)
#define UUID        "00000000-0000-4000-8000-000000000000"
#define SIGN        "Linux version"
#define APPEND      "console=ttyS0 earlyprintk=ttyS0 panic=-1"

/* ---- the boot ---- */

/** struct boot - One trial being made */
struct boot {
	const struct trial_request *req;
	struct qemu qemu;
	int serial_fd;
	struct tail serial;
	uint64_t start_ns, deadline_ns;
};

static int socket_pair(int *ret_ours, int *ret_theirs, struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "socketpair");
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static int start(struct boot *b, struct vm_plan *plan, struct jail *jail, int qmp_fd,
		 struct error *err)
{
	AUTO_STRV struct strv argv = STRV_INIT;
	AUTO_CLOSE int ours = qmp_fd;
	int r = vm_args_build(plan, b->req->caps, &argv, err);

	if (r == 0)
		r = qemu_spawn(&b->qemu, &argv, &plan->fds, jail, err);
	if (r == 0)
		r = qemu_release(&b->qemu, err);
	if (r == 0)
		r = qemu_connect(&b->qemu, TAKE_FD(ours), b->deadline_ns, err);
	return r;
}

/* Root tries it the way runs are made: under a uid of its own, in the jail. */
static int prepare_jail(const struct host *host, enum vm_accel accel, struct jail *jail,
			int *ret_lock, struct error *err)
{
	if (!host->is_root)
		return 0;
	jail->isolate = true;
	jail->kvm = accel == VM_ACCEL_KVM;
	return jail_uid_lease(host->proc_fd, host->run_fd, &jail->uid, ret_lock, err);
}

static int boot_start(struct boot *b, const struct host *host, int kernel_fd, struct error *err)
{
	struct vm_plan plan = VM_PLAN_INIT;
	struct jail jail = JAIL_INIT;
	AUTO_CLOSE int lock = -1, readable = -1, qmp = -1, qmp_theirs = -1, serial_theirs = -1;
	char kernel[32];
	int r = prepare_jail(host, b->req->accel, &jail, &lock, err);

	if (r == 0)
		r = jail_readable_copy(kernel_fd, jail.uid != 0 ? jail.uid : host->uid, &readable,
				       err);
	if (r == 0)
		r = socket_pair(&qmp, &qmp_theirs, err);
	if (r == 0)
		r = socket_pair(&b->serial_fd, &serial_theirs, err);
	if (r < 0)
		return r;
	plan.name = "bmvm-trial";
	plan.uuid = UUID;
	plan.accel = b->req->accel;
	plan.vcpus = 1;
	plan.memory = GUEST_BYTES;
	plan.append = APPEND;
	plan.kernel = kernel;
	plan.qmp_fd = vm_fds_add(&plan.fds, qmp_theirs);
	plan.serial_fd = vm_fds_add(&plan.fds, serial_theirs);
	(void)snprintf(kernel, sizeof(kernel), "/proc/self/fd/%d", vm_fds_add(&plan.fds, readable));
	return start(b, &plan, &jail, TAKE_FD(qmp), err);
}

static bool has_spoken(const struct boot *b)
{
	const char *sign = b->req->sign == NULL ? SIGN : b->req->sign;

	return b->serial.len > 0 &&
	       memmem(b->serial.data, b->serial.len, sign, strlen(sign)) != NULL;
}

/* Wait for the sign of life. Return: whether it came. */
static bool guest_speaks(struct boot *b)
{
	while (!has_spoken(b)) {
		struct pollfd pfds[2] = { { .fd = b->serial_fd, .events = POLLIN },
					  { .fd = b->qemu.process.pidfd, .events = POLLIN } };
		char buf[4096];
		ssize_t n;

		if (poll(pfds, 2, deadline_poll_ms(b->deadline_ns)) == 0)
			return false;
		n = recv(b->serial_fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			tail_add(&b->serial, buf, (size_t)n);
		else if (n == 0 || pfds[1].revents != 0)
			return false;
	}
	return true;
}

static void describe(struct boot *b, struct trial_result *ret)
{
	AUTO_FREE char *said = tail_text(&b->serial, 1);
	char why[VM_EVENT_TEXT_SIZE] = "";
	char text[VM_EVENT_TEXT_SIZE];
	enum vm_event event;

	while ((event = qemu_next_event(&b->qemu, text)) != VM_EVENT_NONE) {
		if (event != VM_EVENT_OTHER)
			memcpy(why, text, sizeof(why));
	}
	if (ret->works)
		(void)snprintf(ret->detail, sizeof(ret->detail), "the kernel spoke after %.1f s",
			       ret->seconds);
	else if (why[0] != '\0')
		(void)snprintf(ret->detail, sizeof(ret->detail), "%.500s", why);
	else
		(void)snprintf(ret->detail, sizeof(ret->detail),
			       "no sign of life from the guest's kernel within %u s%s%.300s",
			       b->req->bound_s, b->serial.len > 0 ? "; the last it said: " : "",
			       said == NULL ? "" : said);
}

static int boot_once(const struct host *host, const struct trial_request *req, int kernel_fd,
		     struct trial_result *ret, struct error *err)
{
	struct boot b = { .req = req, .qemu = QEMU_INIT, .serial_fd = -1 };
	int r;

	b.start_ns = clock_now_ns();
	b.deadline_ns = deadline_in_s(req->bound_s);
	r = boot_start(&b, host, kernel_fd, err);
	if (r == 0) {
		ret->works = guest_speaks(&b);
		ret->seconds = clock_seconds_since(b.start_ns);
		describe(&b, ret);
	}
	if (b.qemu.process.pid > 0)
		(void)process_signal(&b.qemu.process, SIGKILL);
	(void)qemu_stop(&b.qemu, 0, deadline_in_s(STOP_S), NULL, NULL);
	qemu_done(&b.qemu);
	close_fd(&b.serial_fd);
	tail_done(&b.serial);
	return r;
}

/* ---- the cache ---- */

static const char *accel_name(enum vm_accel accel)
{
	switch (accel) {
	case VM_ACCEL_KVM:
		return "kvm";
	case VM_ACCEL_TCG:
		return "tcg";
	}
	return "?";
}

/* What an answer depends on, as one string. Owned by the caller. */
static char *trial_key(const struct trial_request *req, int kernel_fd)
{
	struct stat st;
	char *key = NULL;

	if (fstat(kernel_fd, &st) < 0 ||
	    asprintf(&key, "%s kernel %ju:%ju:%jd:%jd.%09ld qemu %s", accel_name(req->accel),
		     (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, (intmax_t)st.st_size,
		     (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, req->caps->identity) < 0)
		return NULL;
	return key;
}

/* The answers of this boot; an empty list when there are none or the file is somebody's joke. */
static struct json_object *load_answers(const struct host *host)
{
	AUTO_JSON struct json_object *o = NULL;
	struct json_object *list = NULL;

	if (json_load_at(host->run_fd, CACHE_FILE, &o, NULL) < 0 ||
	    strcmp(json_str_or(o, "boot_id", ""), host->boot_id) != 0 ||
	    json_get_array(o, "answers", &list, NULL) < 0)
		return json_new_array();
	return json_object_get(list);
}

static bool find_answer(struct json_object *answers, const char *key, struct trial_result *ret)
{
	for (size_t i = 0; i < json_object_array_length(answers); i++) {
		struct json_object *a = json_object_array_get_idx(answers, i);
		bool works = false;

		if (strcmp(json_str_or(a, "key", ""), key) != 0 ||
		    json_get_bool(a, "works", &works, NULL) < 0)
			continue;
		ret->works = works;
		ret->cached = true;
		(void)snprintf(ret->detail, sizeof(ret->detail), "%s (tried earlier)",
			       json_str_or(a, "detail", ""));
		return true;
	}
	return false;
}

static void save_answer(const struct host *host, struct json_object *answers, const char *key,
			const struct trial_result *result)
{
	AUTO_JSON struct json_object *o = json_new_object();
	struct json_object *list = json_new_array();
	struct json_object *mine = json_new_object();

	json_add_str(mine, "key", key);
	json_add_bool(mine, "works", result->works);
	json_add_str(mine, "detail", result->detail);
	(void)json_object_array_add(list, mine);
	for (size_t i = 0; i < json_object_array_length(answers) && i < CACHE_MAX; i++) {
		struct json_object *a = json_object_array_get_idx(answers, i);

		if (strcmp(json_str_or(a, "key", ""), key) != 0)
			(void)json_object_array_add(list, json_object_get(a));
	}
	json_add_str(o, "boot_id", host->boot_id);
	json_add(o, "answers", list);
	(void)json_save_at(host->run_fd, CACHE_FILE, o, 0600, NULL);
}

int trial_run(const struct host *host, const struct trial_request *req, struct trial_result *ret,
	      struct error *err)
{
	AUTO_CLOSE int kernel_fd = open(req->kernel, O_RDONLY | O_CLOEXEC);
	AUTO_JSON struct json_object *answers = NULL;
	AUTO_FREE char *key = NULL;
	struct trial_result result = { .works = false };
	int r;

	if (kernel_fd < 0)
		return error_errno(err, "open the kernel %s", req->kernel);
	key = trial_key(req, kernel_fd);
	if (key == NULL)
		return error_set(err, ENOMEM, "out of memory");
	answers = load_answers(host);
	if (req->fresh || !find_answer(answers, key, &result)) {
		r = boot_once(host, req, kernel_fd, &result, err);
		if (r < 0)
			return error_prefix(err, r, "trial boot");
		save_answer(host, answers, key, &result);
	}
	*ret = result;
	return 0;
}
