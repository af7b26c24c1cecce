/* SPDX-License-Identifier: MIT */
#include "tests/qemu/helper_guest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "vm/args.h"

#define LATE_S 60

/* A Multiboot kernel; the assembly is beside the bytes. */
static const unsigned char kernel[] = {
	0x02, 0xb0, 0xad, 0x1b, 0x00, 0x00, 0x01, 0x00, 0xfe, 0x4f, 0x51, 0xe4, /* header */
	0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, /* load at 1 MiB */
	0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x10, 0x00,                         /* entry 0x100020 */
	0xbe, 0x82, 0x00, 0x10, 0x00,                   /* mov  $hello, %esi */
	0xac, 0x84, 0xc0, 0x74, 0x07,                   /* 1: lodsb; test %al, %al; jz 2f */
	0x66, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf4,       /* out %al to 0x3f8; jmp 1b */
	0x66, 0xba, 0x02, 0x06, 0x66, 0xb8, 0x00, 0x01, /* 2: power button enable: */
	0x66, 0xef,                                     /* out 0x100 to 0x602 (PM1_EN) */
	0x66, 0xba, 0x00, 0x06, 0x66, 0xed,             /* loop: in from 0x600 (PM1_STS) */
	0x66, 0xa9, 0x00, 0x01, 0x75, 0x2f,             /* power button pressed: off */
	0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01,       /* in from 0x3fd (LSR) */
	0x74, 0xeb,                                     /* nothing to read: loop */
	0x66, 0xba, 0xf8, 0x03, 0xec,                   /* in from 0x3f8 */
	0x3c, 0x70, 0x74, 0x0b,                         /* 'p': panic */
	0x3c, 0x72, 0x74, 0x10,                         /* 'r': reset */
	0x3c, 0x73, 0x74, 0x15,                         /* 's': off */
	0xee, 0xeb, 0xd7,                               /* echo; loop */
	0x66, 0xba, 0x05, 0x05, 0xb0, 0x01, 0xee,       /* panic: out 1 to 0x505 (pvpanic) */
	0xeb, 0xce, 0x66, 0xba, 0xf9, 0x0c, 0xb0, 0x06, /* loop; reset: out 6 to 0xcf9 */
	0xee, 0xeb, 0xc5,                               /* loop */
	0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, /* off: out 0x2000 */
	0x66, 0xef, 0xeb, 0xb9,                         /* to 0x604 (PM1_CNT); loop */
	'g',  'u',  'e',  's',  't',  ' ',  'i',  's',  ' ',  'u',  'p',  '\n', 0,
};

void guest_caps(struct qemu_caps *caps)
{
	struct error err = ERROR_INIT;
	int r = qemu_caps_get(NULL, -1, caps, &err);

	if (r == -ENOENT)
		cr_skip("no QEMU: %s", err.msg);
	cr_assert_eq(r, 0, "%s", err.msg);
}

int guest_kernel(void)
{
	char name[] = "/tmp/bmvm-test-kernel-XXXXXX";
	AUTO_CLOSE int fd = mkstemp(name);
	int ro;

	cr_assert_geq(fd, 0);
	cr_assert_eq(fd_write_all(fd, kernel, sizeof(kernel)), 0);
	cr_assert_eq(fchmod(fd, 0644), 0);
	ro = open(name, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(ro, 0);
	unlink(name);
	return ro;
}

static void make_pair(int *ours, int *theirs)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ours = pair[0];
	*theirs = pair[1];
}

void guest_init(struct guest *g)
{
	char dir[] = "/tmp/bmvm-test-XXXXXX";

	*g = (struct guest){
		.plan = VM_PLAN_INIT,
		.jail = JAIL_INIT,
		.qemu = QEMU_INIT,
		.serial = -1,
		.qmp = -1,
	};
	guest_caps(&g->caps);
	cr_assert_not_null(mkdtemp(dir));
	g->dir = strdup(dir);
	g->kernel_fd = guest_kernel();
	make_pair(&g->qmp, &g->theirs[0]);
	make_pair(&g->serial, &g->theirs[1]);
	g->plan.name = "test";
	g->plan.uuid = "6f1c2a90-3b44-4d0e-9a51-0123456789ab";
	g->plan.accel = VM_ACCEL_TCG;
	g->plan.vcpus = 1;
	g->plan.memory = (uint64_t)64 << 20;
	g->plan.qmp_fd = vm_fds_add(&g->plan.fds, g->theirs[0]);
	g->plan.serial_fd = vm_fds_add(&g->plan.fds, g->theirs[1]);
	(void)snprintf(g->kernel, sizeof(g->kernel), "/proc/self/fd/%d",
		       vm_fds_add(&g->plan.fds, g->kernel_fd));
	g->plan.kernel = g->kernel;
}

void guest_spawn(struct guest *g, bool jailed)
{
	struct error err = ERROR_INIT;

	cr_assert_eq(vm_args_build(&g->plan, &g->caps, &g->args, &err), 0, "%s", err.msg);
	cr_assert_eq(qemu_spawn(&g->qemu, &g->args, &g->plan.fds, jailed ? &g->jail : NULL, &err),
		     0, "%s", err.msg);
	close_fd(&g->theirs[0]);
	close_fd(&g->theirs[1]);
}

void guest_start(struct guest *g)
{
	struct error err = ERROR_INIT;

	guest_spawn(g, false);
	cr_assert_eq(qemu_release(&g->qemu, &err), 0, "%s", err.msg);
	cr_assert_eq(qemu_connect(&g->qemu, TAKE_FD(g->qmp), deadline_in_s(LATE_S), &err), 0, "%s",
		     err.msg);
}

void guest_expect(struct guest *g, const char *text)
{
	uint64_t deadline = deadline_in_s(LATE_S);
	char got[4096];
	size_t n = 0;

	got[0] = '\0';
	while (strstr(got, text) == NULL) {
		struct pollfd pfd = { .fd = g->serial, .events = POLLIN };
		ssize_t r;

		cr_assert_gt(poll(&pfd, 1, deadline_poll_ms(deadline)), 0,
			     "no \"%s\" from the guest, but \"%s\"", text, got);
		r = read(g->serial, got + n, sizeof(got) - 1 - n);
		cr_assert_gt(r, 0, "the serial port closed after \"%s\"", got);
		n += (size_t)r;
		got[n] = '\0';
	}
}

void guest_say(struct guest *g, const char *text)
{
	cr_assert_eq(fd_write_all(g->serial, text, strlen(text)), 0);
}

enum vm_event guest_event(struct guest *g, char *text)
{
	uint64_t deadline = deadline_in_s(LATE_S);

	for (;;) {
		struct pollfd pfd = { .fd = qemu_poll_fd(&g->qemu), .events = POLLIN };
		enum vm_event event = qemu_next_event(&g->qemu, text);

		if (event != VM_EVENT_NONE && event != VM_EVENT_OTHER)
			return event;
		if (event == VM_EVENT_NONE)
			cr_assert_gt(poll(&pfd, 1, deadline_poll_ms(deadline)), 0, "no event");
	}
}

void guest_done(struct guest *g)
{
	qemu_done(&g->qemu);
	strv_done(&g->args);
	qemu_caps_done(&g->caps);
	close_fd(&g->kernel_fd);
	close_fd(&g->serial);
	close_fd(&g->qmp);
	close_fd(&g->theirs[0]);
	close_fd(&g->theirs[1]);
	cr_assert_eq(file_remove_tree_at(AT_FDCWD, g->dir, NULL), 0);
	free(g->dir);
}
