/* SPDX-License-Identifier: MIT */
/*
 * src/vm/qemu with real QEMU processes, under software emulation.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "host/cpus.h"
#include "tests/qemu/helper_guest.h"

static double seconds_to_stop(struct guest *g, unsigned int powerdown_ms, enum qemu_ending *how)
{
	struct error err = ERROR_INIT;
	uint64_t start = clock_now_ns();

	cr_assert_eq(qemu_stop(&g->qemu, powerdown_ms, deadline_in_s(60), how, &err), 0, "%s",
		     err.msg);
	return clock_seconds_since(start);
}

static void expect_gone(struct guest *g)
{
	char text[VM_EVENT_TEXT_SIZE];

	cr_expect_eq(guest_event(g, text), VM_EVENT_GONE, "%s", text);
	cr_expect_eq(qemu_next_event(&g->qemu, NULL), VM_EVENT_NONE, "gone is told once");
}

Test(qemu, a_held_process_has_a_pid_and_has_not_started)
{
	struct guest g;
	char path[64], exe[256];
	ssize_t n;
	pid_t pid;

	guest_init(&g);
	guest_spawn(&g, false);
	pid = g.qemu.process.pid;
	cr_assert_gt(pid, 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	cr_assert_gt(n, 0);
	exe[n] = '\0';
	cr_expect(strstr(exe, "qemu-system") == NULL, "%s", exe);
	qemu_done(&g.qemu);
	cr_expect_eq(kill(pid, 0), -1);
	cr_expect_eq(errno, ESRCH);
	guest_done(&g);
}

Test(qemu, starts_speaks_and_stops_by_the_power_button)
{
	struct guest g;
	enum qemu_ending how;

	guest_init(&g);
	guest_start(&g);
	guest_expect(&g, GUEST_HELLO);
	guest_say(&g, "xyz");
	guest_expect(&g, "xyz");
	(void)seconds_to_stop(&g, 30000, &how);
	cr_expect_eq(how, QEMU_ENDED_POWERDOWN, "%s", qemu_ending_text(how));
	cr_expect_eq(guest_event(&g, NULL), VM_EVENT_POWEROFF);
	expect_gone(&g);
	guest_done(&g);
}

Test(qemu, a_deaf_guest_is_quit)
{
	struct guest g;
	enum qemu_ending how;
	double s;

	guest_init(&g);
	guest_start(&g); /* no power button before the guest has enabled it: so do not wait */
	s = seconds_to_stop(&g, 0, &how);
	cr_expect_eq(how, QEMU_ENDED_QUIT, "%s after %.1f s", qemu_ending_text(how), s);
	cr_expect_eq(guest_event(&g, NULL), VM_EVENT_QUIT);
	expect_gone(&g);
	guest_done(&g);
}

Test(qemu, a_paused_guest_is_not_asked_to_power_down)
{
	struct guest g;
	enum qemu_ending how;

	guest_init(&g);
	guest_start(&g);
	guest_expect(&g, GUEST_HELLO);
	cr_assert_eq(qemu_execute(&g.qemu, "stop", NULL, deadline_in_s(10), NULL, NULL), 0);
	cr_expect_eq(guest_event(&g, NULL), VM_EVENT_STOPPED);
	cr_expect_lt(seconds_to_stop(&g, 50000, &how), 40.0);
	cr_expect_eq(how, QEMU_ENDED_QUIT);
	guest_done(&g);
}

Test(qemu, a_stopped_process_is_killed)
{
	struct guest g;
	enum qemu_ending how;

	guest_init(&g);
	guest_start(&g);
	cr_assert_eq(kill(g.qemu.process.pid, SIGSTOP), 0);
	cr_assert_eq(qemu_stop(&g.qemu, 2000, deadline_in_s(6), &how, NULL), 0);
	cr_expect_eq(how, QEMU_ENDED_KILL, "%s", qemu_ending_text(how));
	expect_gone(&g);
	cr_expect_eq(qemu_stop(&g.qemu, 2000, deadline_in_s(6), &how, NULL), 0);
	cr_expect_eq(how, QEMU_ENDED_BEFORE);
	guest_done(&g);
}

static int want_on(void *data, struct error *err)
{
	(void)data;
	return error_set(err, ECANCELED, "interrupted");
}

Test(qemu, a_watch_cuts_a_wait_short_and_its_error_is_reported)
{
	struct guest g;
	struct error err = ERROR_INIT;
	enum qemu_ending how;
	int pipe_fds[2];

	guest_init(&g);
	guest_start(&g);
	cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	struct watch watch = { .fd = pipe_fds[0], .ready = want_on };

	qemu_set_watch(&g.qemu, (struct watchset){ .v = &watch, .n = 1 });
	cr_assert_eq(kill(g.qemu.process.pid, SIGSTOP), 0); /* it cannot answer at all */
	cr_expect_eq(qemu_execute(&g.qemu, "query-status", NULL, deadline_in_s(50), NULL, &err),
		     -ECANCELED);
	cr_expect_str_eq(err.msg, "interrupted");
	cr_assert_eq(kill(g.qemu.process.pid, SIGCONT), 0);
	cr_assert_eq(qemu_stop(&g.qemu, 50000, deadline_in_s(60), &how, &err), 0, "%s", err.msg);
	guest_done(&g);
}

Test(qemu, guest_events_are_told_apart)
{
	static const struct {
		const char *key;
		enum vm_event event;
		const char *says;
	} rows[] = {
		{ "p", VM_EVENT_PANIC, "panicked" },
		{ "r", VM_EVENT_RESET, "guest-reset" },
		{ "s", VM_EVENT_POWEROFF, "guest-shutdown" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[VM_EVENT_TEXT_SIZE];
		enum vm_event event;
		struct guest g;

		guest_init(&g);
		guest_start(&g);
		guest_expect(&g, GUEST_HELLO);
		guest_say(&g, rows[i].key);
		event = guest_event(&g, text);
		cr_expect_eq(event, rows[i].event, "key %s: %s", rows[i].key, text);
		cr_expect(strstr(text, rows[i].says) != NULL, "key %s: %s", rows[i].key, text);
		while (event != VM_EVENT_GONE)
			event = guest_event(&g, text);
		cr_expect(strstr(text, "exit code 0") != NULL, "%s", text);
		guest_done(&g);
	}
}

/* SeaBIOS reads the first sector of the disk, which fails as a bad host disk would. */
Test(qemu, a_failing_disk_pauses_the_guest_and_says_so)
{
	static char blockdev[] = "-blockdev";
	static char node[] =
		"{\"driver\":\"blkdebug\",\"node-name\":\"bad\",\"read-only\":true,"
		"\"image\":{\"driver\":\"null-co\",\"size\":1048576},"
		"\"inject-error\":[{\"event\":\"none\",\"errno\":28}]}";
	static char flag[] = "-device";
	static char device[] =
		"{\"driver\":\"virtio-blk-pci\",\"drive\":\"bad\",\"bootindex\":0,"
		"\"rerror\":\"stop\",\"werror\":\"stop\"}";
	char *extra[] = { blockdev, node, flag, device, NULL };
	char text[VM_EVENT_TEXT_SIZE];
	struct guest g;

	guest_init(&g);
	g.plan.kernel = NULL;
	g.plan.extra = extra;
	guest_start(&g);
	cr_expect_eq(guest_event(&g, text), VM_EVENT_IO_ERROR);
	cr_expect_str_eq(text, "disk error: read on bad: no space left");
	cr_expect_eq(guest_event(&g, text), VM_EVENT_STOPPED);
	guest_done(&g);
}

Test(qemu, a_dead_qemu_fails_the_handshake_at_once_and_says_why)
{
	static char flag[] = "-device", device[] = "no-such-device";
	char *extra[] = { flag, device, NULL };
	struct error err = ERROR_INIT;
	struct guest g;
	uint64_t start;

	guest_init(&g);
	g.plan.extra = extra;
	guest_spawn(&g, false);
	cr_assert_eq(qemu_release(&g.qemu, NULL), 0);
	start = clock_now_ns();
	cr_expect_eq(qemu_connect(&g.qemu, TAKE_FD(g.qmp), deadline_in_s(60), &err), -EINVAL);
	cr_expect_eq(err.code, EINVAL);
	cr_expect_lt(clock_seconds_since(start), 30.0);
	cr_expect(strstr(err.msg, "exit code 1") != NULL, "%s", err.msg);
	cr_expect(strstr(err.msg, "no-such-device") != NULL, "%s", err.msg);
	expect_gone(&g);
	guest_done(&g);
}

/* What the handshake with "sh -c @script" in QEMU's place returns. */
static int connect_to_script(const char *script, struct error *err)
{
	struct vm_fds fds = { .n = 0 };
	AUTO_STRV struct strv argv = STRV_INIT;
	struct qemu q = QEMU_INIT;
	int pair[2], r;

	strv_add(&argv, "/bin/sh");
	strv_add(&argv, "-c");
	strv_add(&argv, script);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	(void)vm_fds_add(&fds, pair[1]);
	cr_assert_eq(qemu_spawn(&q, &argv, &fds, NULL, err), 0, "%s", err->msg);
	cr_assert_eq(qemu_release(&q, err), 0, "%s", err->msg);
	(void)close(pair[1]);
	r = qemu_connect(&q, pair[0], deadline_in_s(60), err);
	qemu_done(&q);
	return r;
}

Test(qemu, why_it_ended_tells_whether_another_try_makes_sense)
{
	static const struct {
		const char *script;
		int r;
	} cases[] = {
		{ "echo 'qemu: -bogus: invalid option' >&2; exit 1", -EINVAL },
		{ "exit 0", -EINVAL },
		{ "echo \"qemu: cannot set up guest memory 'ram': Cannot allocate memory\" >&2; "
		  "exit 1",
		  -ENOMEM },
		{ "echo 'qemu: Insufficient free host memory pages available' >&2; exit 1",
		  -ENOMEM },
		{ "kill -KILL $$", -EIO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;

		cr_expect_eq(connect_to_script(cases[i].script, &err), cases[i].r, "%s: %s",
			     cases[i].script, err.msg);
		cr_expect_eq(err.code, -cases[i].r);
	}
}

Test(qemu, a_qemu_killed_while_a_command_runs_ends_the_command)
{
	struct error err = ERROR_INIT;
	struct guest g;

	guest_init(&g);
	guest_start(&g);
	cr_assert_eq(kill(g.qemu.process.pid, SIGSTOP), 0);
	if (fork() == 0) {
		clock_sleep_ms(200);
		_exit(kill(g.qemu.process.pid, SIGKILL) == 0 ? 0 : 1);
	}
	cr_expect_eq(qemu_execute(&g.qemu, "query-status", NULL, deadline_in_s(60), NULL, &err),
		     -EIO);
	cr_expect(strstr(err.msg, "signal 9") != NULL, "%s", err.msg);
	expect_gone(&g);
	guest_done(&g);
}

Test(qemu, a_program_that_is_not_there_is_an_error)
{
	struct error err = ERROR_INIT;
	struct guest g;

	guest_init(&g);
	free(g.caps.binary);
	g.caps.binary = path_join(g.dir, "absent");
	guest_spawn(&g, false);
	cr_expect_eq(qemu_release(&g.qemu, &err), -ENOENT);
	cr_expect(strstr(err.msg, "/absent") != NULL, "%s", err.msg);
	guest_done(&g);
}

Test(qemu, dies_with_its_parent)
{
	struct guest g;
	int pipe_fds[2];
	pid_t pid = 0, parent;
	char path[64];

	guest_init(&g);
	cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0) {
		guest_start(&g);
		pid = g.qemu.process.pid;
		(void)!write(pipe_fds[1], &pid, sizeof(pid));
		_exit(0); /* without a word to QEMU */
	}
	cr_assert_eq(read(pipe_fds[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
	cr_assert_eq(waitpid(parent, NULL, 0), parent);
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	for (int i = 0; i < 500 && access(path, F_OK) == 0; i++)
		clock_sleep_ms(20);
	cr_expect_neq(access(path, F_OK), 0, "QEMU %d outlives its parent", (int)pid);
	guest_done(&g);
}

static int connect_to(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0, "port %d", port);
	return fd;
}

Test(qemu, two_guests_get_ports_of_their_own)
{
	struct error err = ERROR_INIT;
	struct guest g[2];
	int port[2];

	for (int i = 0; i < 2; i++) {
		guest_init(&g[i]);
		g[i].plan.network = true;
		g[i].plan.mac = "52:54:00:00:00:01";
		guest_start(&g[i]);
		port[i] = qemu_ssh_port(&g[i].qemu, deadline_in_s(30), &err);
		cr_assert_gt(port[i], 0, "%s", err.msg);
		close(connect_to(port[i])); /* QEMU listens there; the guest has no network */
	}
	cr_expect_neq(port[0], port[1]);
	for (int i = 0; i < 2; i++)
		guest_done(&g[i]);
}

Test(qemu, without_a_network_there_is_no_port)
{
	struct error err = ERROR_INIT;
	struct guest g;

	guest_init(&g);
	guest_start(&g);
	cr_expect_eq(qemu_ssh_port(&g.qemu, deadline_in_s(30), &err), -ENOENT);
	guest_done(&g);
}

static int first_cpu(void)
{
	cpu_set_t set;

	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &set))
			return i;
	}
	return 0;
}

static int vcpu_thread(struct guest *g)
{
	AUTO_JSON struct json_object *reply = NULL;
	uint64_t id = 0;

	cr_assert_eq(
		qemu_execute(&g->qemu, "query-cpus-fast", NULL, deadline_in_s(30), &reply, NULL),
		0);
	cr_assert_eq(json_get_u64(json_object_array_get_idx(reply, 0), "thread-id", &id, NULL), 0);
	return (int)id;
}

Test(qemu, vcpus_are_kept_on_the_cpus_of_a_node)
{
	struct cpu_mask mine = { { 0 } }, absent = { { 0 } };
	struct error err = ERROR_INIT;
	struct guest g;
	cpu_set_t set;

	cpu_mask_add(&mine, (unsigned int)first_cpu());
	cpu_mask_add(&mine, 4000); /* one that is not there does no harm beside one that is */
	cpu_mask_add(&absent, 4000);
	guest_init(&g);
	g.plan.vcpus = 2;
	g.plan.numa_node = 0;
	guest_start(&g);
	cr_assert_eq(qemu_keep_vcpus(&g.qemu, &mine, deadline_in_s(30), &err), 0, "%s", err.msg);
	cr_assert_eq(sched_getaffinity(vcpu_thread(&g), sizeof(set), &set), 0);
	cr_expect_eq(CPU_COUNT(&set), 1);
	cr_expect(CPU_ISSET((size_t)first_cpu(), &set));
	cr_expect_eq(qemu_keep_vcpus(&g.qemu, &absent, deadline_in_s(30), &err), -EINVAL);
	cr_expect(strstr(err.msg, "4000") != NULL, "%s", err.msg);
	guest_done(&g);
}

/* What the kernel says of the memory that QEMU has: all of the guest's is bound. */
Test(qemu, memory_is_bound_to_the_node)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *maps = NULL;
	struct guest g;

	guest_init(&g);
	g.plan.numa_node = 0;
	guest_start(&g);
	cr_assert_gt(asprintf(&path, "/proc/%d/numa_maps", (int)g.qemu.process.pid), 0);
	if (file_read_at(AT_FDCWD, path, (size_t)1 << 22, &maps, NULL, NULL) < 0)
		cr_skip("the kernel has no numa_maps");
	cr_expect(strstr(maps, " bind:0") != NULL, "%s", maps);
	guest_done(&g);
}

Test(qemu, a_vcpu_is_pinned_to_the_cpu_asked_for)
{
	unsigned int cpus[] = { (unsigned int)first_cpu() };
	unsigned int absent[] = { 4000 };
	struct error err = ERROR_INIT;
	struct guest g;
	cpu_set_t set;

	guest_init(&g);
	guest_start(&g);
	cr_assert_eq(qemu_pin_vcpus(&g.qemu, cpus, 1, deadline_in_s(30), &err), 0, "%s", err.msg);
	cr_assert_eq(sched_getaffinity(vcpu_thread(&g), sizeof(set), &set), 0);
	cr_expect_eq(CPU_COUNT(&set), 1);
	cr_expect(CPU_ISSET(cpus[0], &set));
	cr_expect_eq(qemu_pin_vcpus(&g.qemu, cpus, 0, deadline_in_s(30), &err), -EINVAL);
	cr_expect_eq(qemu_pin_vcpus(&g.qemu, absent, 1, deadline_in_s(30), &err), -EINVAL);
	cr_expect(strstr(err.msg, "4000") != NULL, "%s", err.msg);
	guest_done(&g);
}
