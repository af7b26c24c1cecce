/* SPDX-License-Identifier: MIT */
#include "run/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "run/channel.h"
#include "run/control.h"
#include "run/guardian_private.h"

#define SEND_SECONDS  10
#define SERIAL_LINES  20
#define SERIAL_BYTES  16384
#define CONSOLE_BYTES 8192

/* A front that leads the teardown asks for its next step at once; a stopped one never does. */
#define LEAD_SECONDS 15

/* ---- talking to the front ---- */

void guardian_front_lost(struct guardian *g)
{
	close_fd(&g->front_fd);
	g->lead_ns = DEADLINE_NEVER;
	if (!g->detached)
		g->end_wanted = true;
}

void guardian_send(struct guardian *g, struct json_object *message)
{
	AUTO_JSON struct json_object *o = message;

	int r = g->front_fd < 0 ? 0
				: channel_send(g->front_fd, o, deadline_in_s(SEND_SECONDS), NULL);

	if (r == -EMSGSIZE) {
		/* the sizes of all members are bounded, so this is an error of ours: say so, live
		 * on */
		AUTO_JSON struct json_object *small = json_new_object();

		json_add_u64(small, "id", json_u64_or(o, "id", 0));
		json_add_bool(small, "ok", false);
		json_add_str(small, "error", "the guardian's answer is too long");
		r = channel_send(g->front_fd, small, deadline_in_s(SEND_SECONDS), NULL);
	}
	if (r < 0)
		guardian_front_lost(g);
}

char *guardian_last_serial(struct guardian *g)
{
	char *text = NULL;
	size_t len;

	if (g->machine.data_fd < 0 ||
	    serial_tail(g->machine.data_fd, SERIAL_LINES, &text, NULL) < 0)
		return NULL;
	/* a line may be as long as the guest likes */
	len = strlen(text);
	if (len > SERIAL_BYTES)
		memmove(text, text + len - SERIAL_BYTES, SERIAL_BYTES + 1);
	return text;
}

/* A panic's last words may still be on their way when QEMU is gone already. */
static void drain_serial(struct guardian *g)
{
	uint64_t seen;

	if (g->machine.serial.guest_fd < 0)
		return;
	do {
		seen = serial_seen(&g->machine.serial);
		if (serial_process(&g->machine.serial) == 1)
			return;
	} while (serial_seen(&g->machine.serial) != seen);
}

static void tell_gone(struct guardian *g, const char *text)
{
	AUTO_FREE char *serial = NULL;
	struct json_object *o = json_new_object();

	drain_serial(g);
	serial = guardian_last_serial(g);
	json_add_str(o, "event", "gone");
	json_add_str(o, "text", text);
	json_add_str(o, "serial", serial);
	g->gone = true;
	if (!json_object_object_get_ex(g->receipt, "vm_ended", NULL)) {
		json_add_str(g->receipt, "vm_ended", text);
		json_add_str(g->receipt, "serial", serial);
	}
	guardian_send(g, o);
	if (g->detached)
		(void)machine_save_info(&g->machine, "preserved, off", NULL);
}

/* ---- watches: served by the main loop and by every wait below it ---- */

static int on_serial(void *data, struct error *err)
{
	struct guardian *g = data;

	(void)err;
	if (serial_process(&g->machine.serial) == 1)
		g->watches[0].fd = -1;
	machine_note_output(&g->machine);
	return 0;
}

static int interrupted(const struct guardian *g, struct error *err)
{
	return g->end_wanted && !g->ending ? error_set(err, ECANCELED, "the run is being ended")
					   : 0;
}

static int on_front(void *data, struct error *err)
{
	struct guardian *g = data;
	struct json_object *message = NULL;
	int r = channel_receive(g->front_fd, &message, NULL);

	if (r == 0 && g->n_queue < GUARDIAN_QUEUE_MAX) {
		const char *what = json_str_or(message, "do", "");

		g->queue[g->n_queue++] = message;
		if (strcmp(what, "stop") == 0)
			g->end_wanted = true;
	} else if (r != -EAGAIN) {
		(void)json_object_put(message);
		guardian_front_lost(g);
	}
	g->watches[1].fd = g->front_fd;
	return interrupted(g, err);
}

/* The front leads the teardown while it is there; without it, end_alone() does. */
static void want_end(struct guardian *g, const char *why)
{
	struct json_object *event = json_new_object();

	json_add_str(event, "event", "destroy");
	json_add_str(event, "text", why);
	guardian_send(g, event);
	g->end_wanted = true;
	g->told_to_end = true;
}

static int on_signal(void *data, struct error *err)
{
	struct guardian *g = data;
	struct signalfd_siginfo info;

	if (read(g->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		want_end(g, "the VM's guardian was told to end");
	return interrupted(g, err);
}

static void refuse(int fd, const char *why)
{
	struct json_object *o = json_new_object();

	json_add_bool(o, "ok", false);
	json_add_str(o, "error", why);
	control_answer(fd, o);
	(void)close(fd);
}

/* The answer comes before the port's bytes, and once it is sure that they will come. */
static void serve_console(struct guardian *g, int fd, struct json_object *request)
{
	uint64_t backlog = json_u64_or(request, "backlog", CONSOLE_BYTES);
	struct error err = ERROR_INIT;
	struct json_object *o;

	if (serial_attach(&g->machine.serial, fd, &err) < 0) {
		refuse(fd, err.msg);
		return;
	}
	o = json_new_object();
	json_add_bool(o, "ok", true);
	control_answer(fd, o);
	serial_send_backlog(&g->machine.serial, fd, (size_t)backlog);
}

static int on_control(void *data, struct error *err)
{
	struct guardian *g = data;
	AUTO_JSON struct json_object *request = NULL;
	int fd = control_accept(g->control_fd, &request);
	const char *what = json_str_or(request, "do", "");

	if (fd < 0)
		return 0;
	if (strcmp(what, "console") == 0 && g->machine.started && !g->ending) {
		serve_console(g, fd, request);
	} else if (strcmp(what, "destroy") == 0 && g->n_waiters < GUARDIAN_WAITERS_MAX) {
		g->waiters[g->n_waiters++] = fd;
		want_end(g, "the VM was destroyed by `bmvm destroy`");
	} else {
		refuse(fd, "not possible now");
	}
	return interrupted(g, err);
}

struct watchset guardian_watchset(struct guardian *g)
{
	g->watches[0] =
		(struct watch){ g->machine.serial.guest_fd >= 0 ? serial_poll_fd(&g->machine.serial)
								: -1,
				on_serial, g };
	g->watches[1] = (struct watch){ g->front_fd, on_front, g };
	g->watches[2] = (struct watch){ g->signal_fd, on_signal, g };
	g->watches[3] = (struct watch){ g->control_fd, on_control, g };
	return (struct watchset){ g->watches, ARRAY_SIZE(g->watches) };
}

/* ---- the VM's own events ---- */

static void take_vm_events(struct guardian *g)
{
	char text[VM_EVENT_TEXT_SIZE];
	enum vm_event event;

	while ((event = qemu_next_event(&g->machine.qemu, text)) != VM_EVENT_NONE) {
		switch (event) {
		case VM_EVENT_PANIC:
		case VM_EVENT_RESET:
		case VM_EVENT_POWEROFF:
		case VM_EVENT_IO_ERROR:
			tell_gone(g, text);
			break;
		case VM_EVENT_GONE:
			if (!g->gone)
				tell_gone(g, text);
			break;
		case VM_EVENT_NONE:
		case VM_EVENT_OTHER:
		case VM_EVENT_QUIT:
		case VM_EVENT_STOPPED:
		case VM_EVENT_RESUMED:
			break;
		}
	}
}

static void check_silence(struct guardian *g)
{
	char text[128];

	if (g->machine.first_output_ns != 0 || g->ending)
		g->speak_ns = DEADLINE_NEVER;
	if (g->speak_ns == DEADLINE_NEVER || deadline_poll_ms(g->speak_ns) != 0)
		return;
	g->speak_ns = DEADLINE_NEVER;
	(void)snprintf(text, sizeof(text),
		       "no sign of life from the guest's kernel within %d s under KVM "
		       "(--hypervisor auto tries KVM first)",
		       GUARDIAN_SILENT_SECONDS);
	tell_gone(g, text);
}

static void poll_once(struct guardian *g)
{
	struct watchset set = guardian_watchset(g);
	struct pollfd pfds[5];
	size_t n = 0;

	for (; n < set.n; n++)
		pfds[n] = (struct pollfd){ .fd = set.v[n].fd, .events = POLLIN };
	pfds[n++] = (struct pollfd){
		.fd = g->machine.started && !g->stopped ? qemu_poll_fd(&g->machine.qemu) : -1,
		.events = POLLIN,
	};
	if (poll(pfds, n, deadline_poll_ms(deadline_min(g->speak_ns, g->lead_ns))) < 0)
		return;
	check_silence(g);
	if (deadline_poll_ms(g->lead_ns) == 0)
		guardian_front_lost(g);
	for (size_t i = 0; i < set.n; i++) {
		if (pfds[i].revents != 0 && set.v[i].fd == g->watches[i].fd)
			(void)set.v[i].ready(set.v[i].data, NULL);
	}
	if (pfds[set.n].revents != 0)
		take_vm_events(g);
}

static void guardian_loop(struct guardian *g)
{
	while (!g->finished) {
		poll_once(g);
		if (g->n_queue > 0)
			g->lead_ns = DEADLINE_NEVER;
		guardian_serve_queue(g);
		if (g->told_to_end && g->front_fd >= 0 && g->lead_ns == DEADLINE_NEVER)
			g->lead_ns = deadline_in_s(LEAD_SECONDS);
		/* after "stop" the front leads the teardown, as long as it is there */
		if (g->end_wanted && g->front_fd < 0 && !g->finished)
			guardian_end_alone(g);
	}
	guardian_answer_waiters(g, g->result);
}

/* ---- becoming the guardian ---- */

/* A descriptor of the front that stayed open here would keep pipes of the user's shell alive. */
static int keep_only(const struct machine_spec *spec, int front_fd)
{
	const struct host *h = spec->host;
	const int keep[] = { h->proc_fd, h->sys_fd,        h->dev_fd,        h->run_fd,
			     h->data_fd, h->system_run_fd, h->etc_fd,        h->modules_fd,
			     front_fd,   spec->vd->run_fd, spec->vd->lock_fd };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return -errno;
	for (int fd = 0; fd < 3; fd++) {
		if (dup2(null_fd, fd) < 0)
			return -errno;
	}
	for (int fd = 3; fd < 1024; fd++) {
		bool kept = false;

		for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
			kept = kept || keep[i] == fd;
		if (!kept)
			(void)close(fd);
	}
	return syscall(SYS_close_range, 1024U, ~0U, 0U) < 0 ? -errno : 0;
}

static int open_signals(void)
{
	sigset_t set;

	/* blocked for signalfd; children start with none blocked (base/process.c) */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void free_guardian(struct guardian *g)
{
	for (size_t i = 0; i < g->n_queue; i++)
		(void)json_object_put(g->queue[i]);
	machine_done(&g->machine);
	strv_done(&g->reports);
	(void)json_object_put(g->stages);
	(void)json_object_put(g->receipt);
	(void)json_object_put(g->result);
	close_fd(&g->front_fd);
	close_fd(&g->signal_fd);
	close_fd(&g->control_fd);
}

static _Noreturn void guardian_main(const struct machine_spec *spec, int front_fd)
{
	struct guardian g = {
		.spec = spec,
		.front_fd = front_fd,
		.control_fd = -1,
		.speak_ns = DEADLINE_NEVER,
		.lead_ns = DEADLINE_NEVER,
	};
	struct error err = ERROR_INIT;

	(void)setsid();
	(void)prctl(PR_SET_NAME, "bmvm-guardian");
	if (keep_only(spec, front_fd) < 0 || chdir("/") < 0)
		_exit(1);
	g.signal_fd = open_signals();
	g.receipt = json_object_get(spec->facts);
	g.stages = json_new_array();
	if (g.signal_fd < 0 || machine_init(&g.machine, spec, &err) < 0)
		_exit(1);
	guardian_loop(&g);
	free_guardian(&g);
	_exit(0);
}

pid_t guardian_start(const struct machine_spec *spec, int *ret_fd, struct error *err)
{
	int fds[2];
	pid_t pid;
	int r = channel_pair(fds, err);

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		guardian_main(spec, fds[1]);
	}
	(void)close(fds[1]);
	if (pid < 0) {
		r = error_errno(err, "fork");
		(void)close(fds[0]);
		return r;
	}
	*ret_fd = fds[0];
	return pid;
}
