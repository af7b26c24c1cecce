/* SPDX-License-Identifier: MIT */
#include "run/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#define LINE_MAX_BYTES 65536
#define CLIENT_MS      200

/* Folders may be deep, sun_path is short: reach the folder through its descriptor. */
static void address_of(const struct vmdir *vd, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/control",
		       vd->run_fd);
}

int control_listen(const struct vmdir *vd, struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;

	if (fd < 0)
		return error_errno(err, "control socket");
	address_of(vd, &addr);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0)
		return error_errno(err, "control socket of VM %s", vd->name);
	return TAKE_FD(fd);
}

/* One line, byte by byte: what follows it belongs to the console. */
static int read_line(int fd, uint64_t deadline_ns, char *buf, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int ready = poll(&pfd, 1, deadline_poll_ms(deadline_ns));

		if (ready == 0)
			return -ETIMEDOUT;
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready < 0)
			continue;
		if (read(fd, buf + n, 1) != 1)
			return -ECONNRESET;
		if (buf[n] == '\n') {
			buf[n] = '\0';
			return (int)n;
		}
		n++;
	}
	return -EMSGSIZE;
}

static int read_json(int fd, uint64_t deadline_ns, struct json_object **ret, struct error *err)
{
	AUTO_FREE char *line = malloc(LINE_MAX_BYTES);
	int n;

	if (line == NULL)
		return error_set(err, ENOMEM, "out of memory");
	n = read_line(fd, deadline_ns, line, LINE_MAX_BYTES);
	if (n < 0)
		return error_set(err, -n, "no answer from the guardian: %s", strerror(-n));
	return json_parse(line, (size_t)n, ret, err);
}

int control_accept(int listen_fd, struct json_object **ret)
{
	AUTO_CLOSE int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 || read_json(fd, deadline_in_ms(CLIENT_MS), ret, NULL) < 0)
		return -EAGAIN;
	return TAKE_FD(fd);
}

void control_answer(int fd, struct json_object *answer)
{
	AUTO_JSON struct json_object *o = answer;
	AUTO_FREE char *line = NULL;
	int n = asprintf(&line, "%s\n", json_compact(o));

	if (n < 0)
		line = NULL;
	else if (send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* the client left */
}

static int connect_to(const struct vmdir *vd, struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	if (fd < 0)
		return error_errno(err, "socket");
	if (vd->run_fd < 0)
		return error_set(err, EHOSTUNREACH,
				 "VM %s belongs to a session with another run folder", vd->name);
	address_of(vd, &addr);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_errno(err, "reach the guardian of VM %s", vd->name);
	return TAKE_FD(fd);
}

int control_request(const struct vmdir *vd, struct json_object *request, uint64_t deadline_ns,
		    struct json_object **ret, int *ret_fd, struct error *err)
{
	AUTO_CLOSE int fd = connect_to(vd, err);
	AUTO_JSON struct json_object *answer = NULL;
	int r;

	if (fd < 0) {
		(void)json_object_put(request);
		return fd;
	}
	control_answer(fd, request);
	r = read_json(fd, deadline_ns, &answer, err);
	if (r < 0)
		return r;
	if (!json_bool_or(answer, "ok", false))
		return error_set(err, EIO, "VM %s: %s", vd->name,
				 json_str_or(answer, "error", "the guardian refused"));
	*ret = TAKE_PTR(answer);
	if (ret_fd != NULL)
		*ret_fd = TAKE_FD(fd);
	return 0;
}
