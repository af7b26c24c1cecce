/* SPDX-License-Identifier: MIT */
/*
 * qmp/ against real QEMU: what the scripted peer only claims.
 *
 * Each QEMU runs no guest code (-S), talks over an inherited end of a socketpair, dies with this
 * process, and is waited for with a bound.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qmp/commands.h"
#include "qmp/message.h"
#include "qmp/qmp.h"

#define QEMU "qemu-system-x86_64"

static uint64_t in_s(unsigned int s)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec + s) * 1000000000U + (uint64_t)ts.tv_nsec;
}

#define LATE in_s(30)

struct vm {
	struct qmp *q;
	pid_t pid;
};

static void exec_qemu(int fd, pid_t parent, const char *const *machine)
{
	char *argv[32] = { (char *)QEMU };
	size_t n = 1;
	static const char *const common[] = { "-S",
					      "-nodefaults",
					      "-no-user-config",
					      "-display",
					      "none",
					      "-chardev",
					      "socket,id=q,fd=3",
					      "-mon",
					      "chardev=q,mode=control",
					      NULL };

	for (size_t i = 0; machine[i] != NULL; i++)
		argv[n++] = (char *)machine[i];
	for (size_t i = 0; common[i] != NULL; i++)
		argv[n++] = (char *)common[i];
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(126);
	if (fd == 3 ? fcntl(3, F_SETFD, 0) < 0 : dup2(fd, 3) < 0)
		_exit(126);
	execvp(QEMU, argv);
	_exit(127);
}

static void vm_start(struct vm *vm, const char *const *machine)
{
	int fds[2];
	pid_t parent = getpid();
	struct qmp_error err = { 0 };

	cr_assert(eq(int, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0));
	vm->pid = fork();
	cr_assert(ge(int, vm->pid, 0));
	if (vm->pid == 0)
		exec_qemu(fds[1], parent, machine);
	close(fds[1]);
	cr_assert(eq(int, qmp_connect_fd(fds[0], LATE, &vm->q, &err), 0), "%s", err.desc);
}

/* Wait for QEMU, killing it after 30 s. Return: its wait status. */
static int vm_reap(struct vm *vm)
{
	int status = 0;
	struct pollfd pfd = { .fd = (int)syscall(SYS_pidfd_open, vm->pid, 0), .events = POLLIN };
	int ready = poll(&pfd, 1, 30000);

	if (ready != 1)
		kill(vm->pid, SIGKILL);
	cr_assert(eq(int, waitpid(vm->pid, &status, 0), vm->pid));
	cr_expect(eq(int, ready, 1), "QEMU did not end by itself");
	close(pfd.fd);
	return status;
}

static void vm_stop(struct vm *vm)
{
	struct qmp_error err = { 0 };

	cr_expect(eq(int, qmp_quit(vm->q, LATE, &err), 0), "%s", err.desc);
	cr_expect(eq(int, vm_reap(vm), 0));
	qmp_close(vm->q);
}

static const char *const none[] = { "-M", "none", NULL };
static const char *const q35[] = { "-M", "q35", "-accel", "tcg",     "-smp",
				   "2",  "-m",  "64",     "-device", "pcie-root-port,id=port0",
				   NULL };

TestSuite(qmp_real, .timeout = 120);

Test(qmp_real, greeting_names_a_version_and_status_is_prelaunch)
{
	struct vm vm;
	uint64_t major = 0;
	struct qmp_status status = { .running = true };

	vm_start(&vm, none);
	struct json_object *version = qmp_member(qmp_greeting(vm.q), "version", json_type_object);
	cr_expect(qmp_member_u64(qmp_member(version, "qemu", json_type_object), "major", &major));
	cr_expect(ge(u64, major, 5));
	cr_assert(eq(int, qmp_query_status(vm.q, LATE, &status, NULL), 0));
	cr_expect(eq(str, status.status, (char *)"prelaunch"));
	cr_expect(not(status.running));
	vm_stop(&vm);
}

Test(qmp_real, unknown_command_is_told_by_its_class)
{
	struct vm vm;
	struct qmp_error err = { 0 };

	vm_start(&vm, none);
	cr_expect(eq(int, qmp_execute(vm.q, "no-such-command", NULL, LATE, NULL, &err), -EIO));
	cr_expect(eq(str, err.class_, (char *)"CommandNotFound"));
	cr_expect(strstr(err.desc, "no-such-command") != NULL);
	vm_stop(&vm);
}

Test(qmp_real, quit_leaves_shutdown_to_be_read_and_ends_the_connection)
{
	struct vm vm;
	struct qmp_event event = { 0 };

	vm_start(&vm, none);
	cr_expect(eq(int, qmp_quit(vm.q, LATE, NULL), 0));
	cr_expect(eq(int, vm_reap(&vm), 0));
	cr_assert(eq(int, qmp_next_event(vm.q, LATE, &event, NULL), 0));
	cr_expect(eq(str, (char *)event.name, (char *)"SHUTDOWN"));
	cr_expect(eq(str, (char *)qmp_member_str(event.data, "reason"), (char *)"host-qmp-quit"));
	cr_expect(gt(u64, event.time_us, 0));
	qmp_event_done(&event);
	cr_expect(eq(int, qmp_next_event(vm.q, LATE, &event, NULL), -ECONNRESET));
	cr_expect(eq(int, (int)qmp_state(vm.q), (int)QMP_STATE_CLOSED));
	qmp_close(vm.q);
}

Test(qmp_real, killed_qemu_is_a_lost_connection)
{
	struct vm vm;
	int status = 0;

	vm_start(&vm, none);
	cr_expect(eq(int, kill(vm.pid, SIGKILL), 0));
	cr_assert(eq(int, waitpid(vm.pid, &status, 0), vm.pid));
	cr_expect(eq(int, qmp_execute(vm.q, "query-status", NULL, LATE, NULL, NULL), -ECONNRESET));
	qmp_close(vm.q);
}

Test(qmp_real, stopped_qemu_times_out_and_its_late_reply_is_dropped)
{
	struct vm vm;
	struct qmp_status status = { 0 };

	vm_start(&vm, none);
	cr_assert(eq(int, kill(vm.pid, SIGSTOP), 0));
	cr_expect(eq(int, qmp_execute(vm.q, "query-name", NULL, in_s(1), NULL, NULL), -ETIMEDOUT));
	cr_assert(eq(int, kill(vm.pid, SIGCONT), 0));
	cr_expect(eq(int, qmp_query_status(vm.q, LATE, &status, NULL), 0));
	cr_expect(eq(str, status.status, (char *)"prelaunch"));
	vm_stop(&vm);
}

/* The largest reply that QEMU has, in many pieces. */
Test(qmp_real, schema_comes_whole)
{
	struct vm vm;
	struct qmp_error err = { 0 };
	struct json_object *ret = NULL;

	vm_start(&vm, none);
	cr_assert(eq(int, qmp_execute(vm.q, "query-qmp-schema", NULL, LATE, &ret, &err), 0), "%s",
		  err.desc);
	cr_expect(gt(sz, json_object_array_length(ret), 500));
	json_object_put(ret);
	vm_stop(&vm);
}

Test(qmp_real, text_outside_ascii_comes_back_as_it_went)
{
	struct vm vm;
	struct qmp_error err = { 0 };
	struct json_object *args = json_object_new_object();

	/* The path is quoted in the error. */
	json_object_object_add(args, "device",
			       json_object_new_string("gr\xc3\xb6\xc3\x9f"
						      "e \"\\ \xf0\x9f\x90\xa7"));
	vm_start(&vm, none);
	cr_expect(eq(int, qmp_execute(vm.q, "eject", args, LATE, NULL, &err), -EIO));
	cr_expect(strstr(err.desc,
			 "gr\xc3\xb6\xc3\x9f"
			 "e \"\\ \xf0\x9f\x90\xa7") != NULL,
		  "%s", err.desc);
	json_object_put(args);
	vm_stop(&vm);
}

static int n_pipe_writers_gone(int read_fd)
{
	struct pollfd pfd = { .fd = read_fd, .events = POLLIN };

	return poll(&pfd, 1, 30000) == 1 && (pfd.revents & POLLHUP) != 0;
}

Test(qmp_real, getfd_gives_qemu_a_copy_that_closefd_closes)
{
	struct vm vm;
	struct qmp_error err = { 0 };
	int pipe_fds[2];
	struct pollfd pfd = { .events = POLLIN };

	vm_start(&vm, none);
	cr_assert(eq(int, pipe2(pipe_fds, O_CLOEXEC), 0));
	cr_expect(eq(int, qmp_getfd(vm.q, "pipe", pipe_fds[1], LATE, &err), 0), "%s", err.desc);
	close(pipe_fds[1]);
	pfd.fd = pipe_fds[0];
	cr_expect(eq(int, poll(&pfd, 1, 0), 0), "QEMU holds no copy");
	cr_expect(eq(int, qmp_closefd(vm.q, "pipe", LATE, &err), 0), "%s", err.desc);
	cr_expect(n_pipe_writers_gone(pipe_fds[0]));
	cr_expect(eq(int, qmp_closefd(vm.q, "pipe", LATE, &err), -EIO));

	/* Without a descriptor it is refused: none lingered from before. */
	struct json_object *args = json_tokener_parse("{\"fdname\": \"x\"}");
	cr_expect(eq(int, qmp_execute(vm.q, "getfd", args, LATE, NULL, &err), -EIO));
	json_object_put(args);
	close(pipe_fds[0]);
	vm_stop(&vm);
}

Test(qmp_real, cpus_have_their_threads)
{
	struct vm vm;
	struct qmp_cpu *cpus = NULL;
	size_t n = 0;
	char path[64];

	vm_start(&vm, q35);
	cr_assert(eq(int, qmp_query_cpus(vm.q, LATE, &cpus, &n, NULL), 0));
	cr_assert(eq(sz, n, 2));
	for (size_t i = 0; i < n; i++) {
		cr_expect(eq(uint, cpus[i].cpu_index, (unsigned int)i));
		snprintf(path, sizeof(path), "/proc/%d/task/%d", vm.pid, cpus[i].thread_id);
		cr_expect(eq(int, access(path, F_OK), 0), "%s", path);
	}
	free(cpus);
	vm_stop(&vm);
}

Test(qmp_real, devices_come_at_once_and_go_only_with_the_guest)
{
	struct vm vm;
	struct qmp_error err = { 0 };
	struct json_object *device = json_tokener_parse(
		"{\"driver\": \"virtio-rng-pci\", \"id\": \"rng0\", \"bus\": \"port0\"}");

	vm_start(&vm, q35);
	cr_expect(eq(int, qmp_device_add(vm.q, device, LATE, &err), 0), "%s", err.desc);
	cr_expect(eq(int, qmp_device_add(vm.q, device, LATE, &err), -EIO));
	cr_expect(strstr(err.desc, "rng0") != NULL, "%s", err.desc);
	cr_expect(eq(int, qmp_device_del(vm.q, "other", LATE, &err), -EIO));
	cr_expect(eq(str, err.class_, (char *)"DeviceNotFound"));
	/* With the vCPUs stopped nobody answers the hot-unplug request. */
	cr_expect(eq(int, qmp_device_del(vm.q, "rng0", in_s(1), &err), -ETIMEDOUT));
	cr_expect(eq(int, qmp_wait_device_deleted(vm.q, "rng0", 0, &err), -ETIMEDOUT));
	json_object_put(device);
	vm_stop(&vm);
}

static bool is_named(const struct qmp_event *event, const void *name)
{
	return strcmp(event->name, name) == 0;
}

static void expect_event(struct vm *vm, const char *name)
{
	struct qmp_event event = { 0 };
	struct qmp_error err = { 0 };

	cr_expect(eq(int, qmp_wait_event(vm->q, is_named, name, LATE, &event, &err), 0), "%s: %s",
		  name, err.desc);
	qmp_event_done(&event);
}

/* A QEMU USB port on the machine without a guest lets go at once: the whole device_del is seen. */
Test(qmp_real, device_that_needs_no_guest_is_deleted)
{
	static const char *const usb[] = { "-M", "q35",     "-accel",    "tcg", "-m",
					   "64", "-device", "qemu-xhci", NULL };
	struct vm vm;
	struct qmp_error err = { 0 };
	struct json_object *device =
		json_tokener_parse("{\"driver\": \"usb-tablet\", \"id\": \"tablet0\"}");

	vm_start(&vm, usb);
	for (int i = 0; i < 2; i++) {
		cr_expect(eq(int, qmp_device_add(vm.q, device, LATE, &err), 0), "%s", err.desc);
		cr_expect(eq(int, qmp_device_del(vm.q, "tablet0", LATE, &err), 0), "%s", err.desc);
	}
	cr_expect(eq(int, qmp_device_del(vm.q, "tablet0", LATE, &err), -EIO));
	cr_expect(eq(str, err.class_, (char *)"DeviceNotFound"));
	json_object_put(device);
	vm_stop(&vm);
}

Test(qmp_real, cont_and_stop_change_the_run_state)
{
	struct vm vm;
	struct qmp_status status = { 0 };

	vm_start(&vm, q35);
	cr_expect(eq(int, qmp_cont(vm.q, LATE, NULL), 0));
	expect_event(&vm, "RESUME");
	cr_expect(eq(int, qmp_query_status(vm.q, LATE, &status, NULL), 0));
	cr_expect(status.running);
	cr_expect(eq(str, status.status, (char *)"running"));
	cr_expect(eq(int, qmp_stop(vm.q, LATE, NULL), 0));
	expect_event(&vm, "STOP");
	cr_expect(eq(int, qmp_query_status(vm.q, LATE, &status, NULL), 0));
	cr_expect(eq(str, status.status, (char *)"paused"));
	cr_expect(eq(int, qmp_system_powerdown(vm.q, LATE, NULL), 0));
	expect_event(&vm, "POWERDOWN");
	vm_stop(&vm);
}

Test(qmp_real, types_and_commands_that_are_there)
{
	static const struct {
		const char *type;
		bool is_there;
	} types[] = {
		{ "virtio-rng-pci", true },
		{ "memory-backend-memfd", true },
		{ "device", false }, /* abstract */
		{ "no-such-device", false },
	};
	struct vm vm;
	bool is_there = false;

	vm_start(&vm, none);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		cr_assert(eq(int, qmp_has_type(vm.q, types[i].type, LATE, &is_there, NULL), 0));
		cr_expect(eq(int, is_there, types[i].is_there), "%s", types[i].type);
	}
	cr_assert(eq(int, qmp_has_command(vm.q, "device_add", LATE, &is_there, NULL), 0));
	cr_expect(is_there);
	cr_assert(eq(int, qmp_has_command(vm.q, "device_a", LATE, &is_there, NULL), 0));
	cr_expect(not(is_there));
	vm_stop(&vm);
}

Test(qmp_real, human_monitor_answers_in_text)
{
	struct vm vm;
	char *text = NULL;

	vm_start(&vm, none);
	cr_assert(eq(int, qmp_human_monitor_command(vm.q, "info status", LATE, &text, NULL), 0));
	cr_expect(strstr(text, "prelaunch") != NULL, "%s", text);
	free(text);
	cr_expect(eq(int, qmp_human_monitor_command(vm.q, "info name", LATE, NULL, NULL), 0));
	vm_stop(&vm);
}

static bool is_in_path(const char *program)
{
	const char *env = getenv("PATH");
	char *path = strdup(env != NULL ? env : "/usr/bin:/bin");
	char *rest = path;
	bool is_found = false;

	for (char *dir = strsep(&rest, ":"); dir != NULL && !is_found; dir = strsep(&rest, ":")) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", dir, program);
		is_found = access(file, X_OK) == 0;
	}
	free(path);
	return is_found;
}

int main(int argc, char *argv[])
{
	if (!is_in_path(QEMU)) {
		puts("SKIP: " QEMU " is not in PATH");
		return 77;
	}

	struct criterion_test_set *tests = criterion_initialize();
	int status = 0;

	if (criterion_handle_args(argc, argv, true))
		status = criterion_run_all_tests(tests) ? 0 : 1;
	criterion_finalize(tests);
	return status;
}
