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
#include "base/file.h"
#include "base/json.h"
#include "results/receipt.h"
#include "run/channel.h"
#include "run/control.h"
#include "run/machine_plan.h"
#include "run/undo.h"
#include "run/verify.h"

#define SEND_SECONDS  10
#define WAITERS_MAX   8
#define QUEUE_MAX     64
#define SERIAL_LINES  20
#define CONSOLE_BYTES 8192

/*
 * A kernel started by QEMU speaks within a second under a KVM that works. One that says nothing for
 * so long is on a host whose KVM hangs guests: no use waiting for timeouts.boot.
 */
#define SILENT_SECONDS 30

/**
 * struct guardian - State of the process
 * @front_fd:   the front; -1 once it left
 * @detached:   the front left as agreed (preserve)
 * @ending:     the teardown has begun: nothing interrupts any more
 * @end_wanted: the teardown shall begin: front gone, signal, or destroy
 * @queue:      requests of the front not yet served
 * @request:    the one being served, borrowed; NULL: none
 * @waiters:    clients of the control socket that wait for the end
 * @gone:       the VM ended by itself; told to the front once
 * @speak_ns:   when the guest's kernel must have spoken, DEADLINE_NEVER: it need not
 * @receipt:    what the receipt will say
 * @stages:     its array of stages
 * @stopped, @undone, @finished: how far the teardown is
 */
struct guardian {
	const struct machine_spec *spec;
	struct machine machine;
	int front_fd;
	int signal_fd;
	int control_fd;
	struct watch watches[4];
	bool detached;
	bool ending;
	bool end_wanted;
	struct json_object *queue[QUEUE_MAX];
	size_t n_queue;
	struct json_object *request;
	int waiters[WAITERS_MAX];
	size_t n_waiters;
	bool gone;
	uint64_t speak_ns;
	struct json_object *receipt;
	struct json_object *stages;
	bool stopped, undone, finished;
	int undo_code;
	char undo_message[1024];
};

/* ---- talking to the front ---- */

static void front_lost(struct guardian *g)
{
	close_fd(&g->front_fd);
	if (!g->detached)
		g->end_wanted = true;
}

static void send_front(struct guardian *g, struct json_object *message)
{
	AUTO_JSON struct json_object *o = message;

	if (g->front_fd >= 0 && channel_send(g->front_fd, o, deadline_in_s(SEND_SECONDS), NULL) < 0)
		front_lost(g);
}

static void answer(struct guardian *g, struct json_object *request, struct json_object *reply,
		   int r, const struct error *err)
{
	struct json_object *o = reply != NULL ? reply : json_new_object();

	json_add_u64(o, "id", json_u64_or(request, "id", 0));
	json_add_bool(o, "ok", r >= 0);
	if (r < 0) {
		json_add_i64(o, "code", -r);
		json_add_str(o, "error", err->msg);
		json_add_str(o, "hint", err->hint);
	}
	send_front(g, o);
}

static char *last_serial(struct guardian *g)
{
	char *text = NULL;

	if (g->machine.data_fd < 0 || serial_tail(g->machine.data_fd, SERIAL_LINES, &text, NULL) < 0)
		return NULL;
	return text;
}

static void tell_gone(struct guardian *g, const char *text)
{
	AUTO_FREE char *serial = last_serial(g);
	struct json_object *o = json_new_object();

	json_add_str(o, "event", "gone");
	json_add_str(o, "text", text);
	json_add_str(o, "serial", serial);
	g->gone = true;
	if (!json_object_object_get_ex(g->receipt, "vm_ended", NULL)) {
		json_add_str(g->receipt, "vm_ended", text);
		json_add_str(g->receipt, "serial", serial);
	}
	send_front(g, o);
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
	return g->end_wanted && !g->ending ? error_set(err, ECANCELED, "the run is being ended") : 0;
}

static int on_front(void *data, struct error *err)
{
	struct guardian *g = data;
	struct json_object *message = NULL;
	int r = channel_receive(g->front_fd, &message, NULL);

	if (r == 0 && g->n_queue < QUEUE_MAX) {
		const char *what = json_str_or(message, "do", "");

		g->queue[g->n_queue++] = message;
		if (strcmp(what, "stop") == 0)
			g->end_wanted = true;
	} else if (r != -EAGAIN) {
		(void)json_object_put(message);
		front_lost(g);
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
	send_front(g, event);
	g->end_wanted = true;
}

static int on_signal(void *data, struct error *err)
{
	struct guardian *g = data;
	struct signalfd_siginfo info;

	if (read(g->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		want_end(g, "the VM's guardian was told to end");
	return interrupted(g, err);
}

static void serve_console(struct guardian *g, int fd, struct json_object *request)
{
	uint64_t backlog = json_u64_or(request, "backlog", CONSOLE_BYTES);
	struct json_object *o = json_new_object();

	json_add_bool(o, "ok", true);
	control_answer(fd, o);
	(void)serial_attach(&g->machine.serial, fd, (size_t)backlog, NULL);
}

static void refuse(int fd, const char *why)
{
	struct json_object *o = json_new_object();

	json_add_bool(o, "ok", false);
	json_add_str(o, "error", why);
	control_answer(fd, o);
	(void)close(fd);
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
	} else if (strcmp(what, "destroy") == 0 && g->n_waiters < WAITERS_MAX) {
		g->waiters[g->n_waiters++] = fd;
		want_end(g, "the VM was destroyed by `bmvm destroy`");
	} else {
		refuse(fd, "not possible now");
	}
	return interrupted(g, err);
}

static struct watchset watchset_of(struct guardian *g)
{
	g->watches[0] = (struct watch){ g->machine.serial.guest_fd >= 0 ?
						serial_poll_fd(&g->machine.serial) : -1, on_serial, g };
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

/* ---- requests ---- */

static int do_create(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r = machine_create(&g->machine, err);

	(void)reply;
	if (r == 0) {
		g->control_fd = control_listen(g->spec->vd, err);
		r = g->control_fd < 0 ? g->control_fd : 0;
	}
	return r;
}

static struct json_object *describe_mounts(const struct machine *m)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < m->spec->cfg->n_mounts; i++) {
		struct json_object *o = json_new_object();
		bool virtiofs = m->mounts[i].kind == VM_MOUNT_VIRTIOFS;

		json_add_str(o, "tag", m->mounts[i].tag);
		json_add_str(o, "kind", virtiofs ? "virtiofs" : "9p");
		(void)json_object_array_add(list, o);
	}
	return list;
}

static int do_start(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r = machine_start(&g->machine, watchset_of(g), err);

	if (r < 0)
		return r;
	(void)watchset_of(g); /* the serial port is there now */
	if (g->spec->accel == VM_ACCEL_KVM && machine_boots_kernel(g->spec))
		g->speak_ns = deadline_in_s(SILENT_SECONDS);
	json_add_u64(reply, "port", g->machine.port);
	json_add(reply, "mounts", describe_mounts(&g->machine));
	return 0;
}

static int do_serial(struct guardian *g, struct json_object *reply, struct error *err)
{
	AUTO_FREE char *text = last_serial(g);

	(void)err;
	json_add_str(reply, "text", text != NULL ? text : "");
	return 0;
}

static int do_stop(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r;

	(void)reply;
	if (g->stopped)
		return 0;
	g->ending = true;
	if (g->machine.started)
		qemu_set_watch(&g->machine.qemu, watchset_of(g));
	r = machine_stop(&g->machine, !g->gone && json_bool_or(g->request, "powerdown", false), err);
	g->stopped = r == 0;
	return r;
}

static int do_undo(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r;

	(void)reply;
	if (g->undone)
		return 0;
	machine_close(&g->machine);
	r = undo_all(g->spec->host, g->spec->vd, false, err);
	g->undone = r == 0;
	g->undo_code = r;
	if (r < 0)
		(void)snprintf(g->undo_message, sizeof(g->undo_message), "%s", err->msg);
	return r;
}

static void write_receipt(struct guardian *g, struct json_object *differences)
{
	struct json_object *argv = json_new_array();
	char now[CLOCK_ISO_SIZE];

	clock_iso(now);
	json_add_str(g->receipt, "ended", now);
	for (size_t i = 0; i < g->machine.arguments.n; i++)
		(void)json_object_array_add(argv,
					    json_object_new_string(g->machine.arguments.v[i]));
	json_add(g->receipt, "qemu_arguments", argv);
	json_add(g->receipt, "times", json_object_get(g->machine.times));
	json_add(g->receipt, "stages", json_object_get(g->stages));
	if (differences != NULL) {
		json_add_bool(g->receipt, "verified", true);
		json_add_bool(g->receipt, "clean", json_object_array_length(differences) == 0);
		json_add(g->receipt, "differences", json_object_get(differences));
	} else {
		json_add_bool(g->receipt, "verified", false);
	}
}

/* Undo's own failure is a difference too, whatever the comparison saw. */
static struct json_object *verify(struct guardian *g)
{
	struct json_object *list;
	uint64_t start = clock_now_ns();

	if (!g->spec->cfg->cleanup.verify_clean && g->undo_code == 0)
		return NULL;
	list = verify_machine(&g->machine);
	json_add_seconds(g->machine.times, "verify", clock_seconds_since(start));
	if (g->undo_code < 0) {
		struct json_object *o = json_new_object();

		json_add_str(o, "what", "undo");
		json_add_str(o, "expected", "done");
		json_add_str(o, "found", g->undo_message);
		(void)json_object_array_add(list, o);
	}
	return list;
}

static int do_finish(struct guardian *g, struct json_object *reply, struct error *err)
{
	AUTO_JSON struct json_object *differences = verify(g);
	int r;

	write_receipt(g, differences);
	r = receipt_save(g->spec->host->data_fd, g->spec->vd->name, g->receipt, g->spec->receipt, err);
	if (g->undo_code == 0) {
		close_fd(&g->control_fd);
		(void)vmdir_remove(g->spec->host, g->spec->vd, NULL);
	}
	json_add_bool(reply, "verified", differences != NULL);
	json_add_bool(reply, "clean",
		      g->undo_code == 0 &&
			      (differences == NULL || json_object_array_length(differences) == 0));
	json_add(reply, "differences", json_object_get(differences));
	json_add(reply, "times", json_object_get(g->machine.times));
	g->finished = true;
	return r;
}

static int do_preserve(struct guardian *g, struct json_object *reply, struct error *err)
{
	int r = machine_save_info(&g->machine, "preserved", err);

	(void)reply;
	if (r < 0)
		return r;
	json_add_bool(g->receipt, "preserved", true);
	write_receipt(g, NULL);
	g->detached = true;
	return receipt_save(g->spec->host->data_fd, g->spec->vd->name, g->receipt, g->spec->receipt,
			    err);
}

static const struct request {
	const char *name;
	int (*serve)(struct guardian *g, struct json_object *reply, struct error *err);
} requests[] = {
	{ "create", do_create }, { "start", do_start }, { "serial", do_serial },
	{ "stop", do_stop },	 { "undo", do_undo },	{ "finish", do_finish },
	{ "preserve", do_preserve },
};

static void note_stage(struct guardian *g, struct json_object *message)
{
	struct json_object *o = json_new_object();
	struct json_object *seconds = NULL;

	json_add_str(o, "name", json_str_or(message, "name", "?"));
	if (json_object_object_get_ex(message, "seconds", &seconds))
		json_add(o, "seconds", json_object_get(seconds));
	(void)json_object_array_add(g->stages, o);
}

/* Messages that are only written down. */
static bool take_note(struct guardian *g, const char *what, struct json_object *message)
{
	struct json_object *value = NULL;

	if (strcmp(what, "stage") == 0) {
		note_stage(g, message);
	} else if (strcmp(what, "note") == 0) {
		(void)json_object_object_get_ex(message, "value", &value);
		json_add(g->receipt, json_str_or(message, "key", "?"), json_object_get(value));
	} else {
		return false;
	}
	return true;
}

static void serve(struct guardian *g, struct json_object *message)
{
	const char *what = json_str_or(message, "do", "");
	struct error err = ERROR_INIT;

	if (take_note(g, what, message))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct json_object *reply;
		int r;

		if (strcmp(requests[i].name, what) != 0)
			continue;
		reply = json_new_object();
		g->request = message;
		r = requests[i].serve(g, reply, &err);
		g->request = NULL;
		answer(g, message, reply, r, &err);
		return;
	}
	answer(g, message, NULL, error_set(&err, EPROTO, "unknown request \"%s\"", what), &err);
}

static void serve_queue(struct guardian *g)
{
	while (g->n_queue > 0 && !g->finished) {
		AUTO_JSON struct json_object *message = g->queue[0];

		memmove(g->queue, g->queue + 1, (--g->n_queue) * sizeof(struct json_object *));
		serve(g, message);
	}
}

/* ---- the end ---- */

static void answer_waiters(struct guardian *g, struct json_object *result)
{
	for (size_t i = 0; i < g->n_waiters; i++) {
		struct json_object *o = json_new_object();

		json_add_bool(o, "ok", true);
		json_add(o, "result", json_object_get(result));
		control_answer(g->waiters[i], o);
		close_fd(&g->waiters[i]);
	}
	g->n_waiters = 0;
}

/* The front is not there to ask for the steps: do what is left of them. */
static void end_alone(struct guardian *g)
{
	AUTO_JSON struct json_object *reply = json_new_object();
	struct error err = ERROR_INIT;

	if (!json_object_object_get_ex(g->receipt, "outcome", NULL))
		json_add_str(g->receipt, "outcome", "front lost");
	(void)do_stop(g, reply, &err);
	/* what could not be stopped in an orderly way is killed by its journal record */
	(void)do_undo(g, reply, &err);
	(void)do_finish(g, reply, &err);
	answer_waiters(g, reply);
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
		       "(--hypervisor auto tries KVM first)", SILENT_SECONDS);
	tell_gone(g, text);
}

static void poll_once(struct guardian *g)
{
	struct watchset set = watchset_of(g);
	struct pollfd pfds[5];
	size_t n = 0;

	for (; n < set.n; n++)
		pfds[n] = (struct pollfd){ .fd = set.v[n].fd, .events = POLLIN };
	pfds[n++] = (struct pollfd){
		.fd = g->machine.started && !g->stopped ? qemu_poll_fd(&g->machine.qemu) : -1,
		.events = POLLIN,
	};
	if (poll(pfds, n, deadline_poll_ms(g->speak_ns)) < 0)
		return;
	check_silence(g);
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
		serve_queue(g);
		/* after "stop" the front leads the teardown, as long as it is there */
		if (g->end_wanted && g->front_fd < 0 && !g->finished)
			end_alone(g);
	}
	answer_waiters(g, NULL);
}

/* ---- becoming the guardian ---- */

/* A descriptor of the front that stayed open here would keep pipes of the user's shell alive. */
static int keep_only(const struct machine_spec *spec, int front_fd)
{
	const struct host *h = spec->host;
	const int keep[] = { h->proc_fd, h->sys_fd, h->dev_fd,		h->run_fd,
			     h->data_fd, front_fd,  spec->vd->run_fd, spec->vd->lock_fd };
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
	(void)json_object_put(g->stages);
	(void)json_object_put(g->receipt);
	close_fd(&g->front_fd);
	close_fd(&g->signal_fd);
	close_fd(&g->control_fd);
}

static _Noreturn void guardian_main(const struct machine_spec *spec, int front_fd)
{
	struct guardian g = { .spec = spec, .front_fd = front_fd, .control_fd = -1,
			      .speak_ns = DEADLINE_NEVER };
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
