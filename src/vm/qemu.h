/* SPDX-License-Identifier: MIT */
/*
 * One QEMU process: started held, let go, spoken to over QMP, watched, stopped.
 *
 * Theory of operation. qemu_spawn() forks a child that waits; the owner journals its pid and calls
 * qemu_release(). qemu_connect() does the QMP handshake. From then on the owner's event loop polls
 * qemu_poll_fd(), which is readable whenever the process ended, wrote to stderr or sent an event,
 * and calls qemu_next_event() until it says VM_EVENT_NONE. qemu_stop() ends it.
 *
 * Every wait in here ends at once when the process does, and also serves the watchset given to
 * qemu_set_watch(): that is where the serial port belongs, since a guest whose serial output nobody
 * takes may stop shutting down.
 *
 * The process dies with its parent (the thread that called qemu_spawn()).
 */
#ifndef BMVM_VM_QEMU_H
#define BMVM_VM_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/watch.h"
#include "vm/jail.h"
#include "vm/plan.h"
#include "vm/tail.h"

struct cpu_mask;
struct json_object;
struct qmp;

/**
 * enum vm_event - What happened to the VM, as far as its owner has to care
 * @VM_EVENT_NONE:     nothing (more) at present
 * @VM_EVENT_OTHER:    an event that needs no reaction; its name is the text
 * @VM_EVENT_PANIC:    the guest's kernel panicked (GUEST_PANICKED); QEMU ends by itself
 * @VM_EVENT_RESET:    the guest reset itself; with our arguments QEMU ends by itself
 * @VM_EVENT_POWEROFF: the guest switched itself off; QEMU ends by itself
 * @VM_EVENT_QUIT:     QEMU is ending because it was told to (quit, a signal)
 * @VM_EVENT_IO_ERROR: a disk access failed on the host (the text says "no space" where it was
 *                     that); the guest is paused
 * @VM_EVENT_STOPPED:  the guest is paused
 * @VM_EVENT_RESUMED:  it runs again
 * @VM_EVENT_GONE:     the process has ended and is reaped; the text has its status and the end of
 *                     its stderr. Comes once, after all others
 */
enum vm_event {
	VM_EVENT_NONE,
	VM_EVENT_OTHER,
	VM_EVENT_PANIC,
	VM_EVENT_RESET,
	VM_EVENT_POWEROFF,
	VM_EVENT_QUIT,
	VM_EVENT_IO_ERROR,
	VM_EVENT_STOPPED,
	VM_EVENT_RESUMED,
	VM_EVENT_GONE,
};

#define VM_EVENT_TEXT_SIZE 1024

/**
 * struct qemu - The process; start from QEMU_INIT, members private but for reading
 * @process:   pid and pidfd
 * @stderr_fd: read end of its stdout and stderr
 * @output:    the last of what it wrote there
 * @qmp:       the control connection, NULL before qemu_connect()
 * @epoll_fd:  see qemu_poll_fd()
 * @watch:     see qemu_set_watch(); @watch_error: why one of them ended a wait
 * @ended, @gone_told, @status: it has been reaped; VM_EVENT_GONE was given; its wait status
 */
struct qemu {
	struct process process;
	int stderr_fd;
	struct tail output;
	struct qmp *qmp;
	int epoll_fd;
	struct watchset watch;
	struct error watch_error;
	bool ended;
	bool gone_told;
	int status;
};

#define QEMU_INIT                                                                                  \
	{                                                                                          \
		.process = PROCESS_INIT, .stderr_fd = -1, .epoll_fd = -1                           \
	}

/**
 * qemu_spawn() - Fork the process, held before exec
 * @q:    filled
 * @argv: as vm_args_build() made it
 * @fds:  what it inherits beside 0 (/dev/null), 1 and 2 (our pipe)
 * @jail: borrowed for the call; NULL: none at all (tests, probes)
 *
 * Return: 0, then q->process.pid is to be journaled; errno with nothing left behind.
 */
int qemu_spawn(struct qemu *q, const struct strv *argv, const struct vm_fds *fds, struct jail *jail,
	       struct error *err);

/** qemu_release() - Let it exec. Return: 0; why jail or exec failed, with it reaped. */
int qemu_release(struct qemu *q, struct error *err);

/**
 * qemu_connect() - QMP handshake
 * @fd:          our end of the control socketpair; taken over on success AND failure
 * @deadline_ns: scale it with the memory: huge pages are allocated before QEMU answers
 *
 * Return: 0; QEMU ended (status and stderr in @err): -EINVAL by itself, so it would again, -ENOMEM
 * by itself for want of memory, -EIO killed; -ETIMEDOUT; -EPROTO; what a watch returned.
 */
int qemu_connect(struct qemu *q, int fd, uint64_t deadline_ns, struct error *err);

/** qemu_set_watch() - What every wait in here serves as well; the entries are borrowed. */
void qemu_set_watch(struct qemu *q, struct watchset watch);

/** qemu_poll_fd() - Readable when qemu_next_event() has something to do; valid until done. */
int qemu_poll_fd(const struct qemu *q);

/**
 * qemu_next_event() - Take the next event without blocking; also reads stderr
 * @text: VM_EVENT_TEXT_SIZE bytes, one printable line (VM_EVENT_GONE: a few); NULL if not wanted
 *
 * Return: the event; VM_EVENT_NONE when there is none, or after VM_EVENT_GONE.
 */
enum vm_event qemu_next_event(struct qemu *q, char *text);

/**
 * qemu_execute() - Execute a QMP command, serving the watchset meanwhile
 * @args: borrowed, NULL for none
 * @ret:  value of "return", owned by the caller; NULL if not wanted
 *
 * Return: as qmp_execute(), but -EIO also when QEMU has ended (with its status in @err), -ENOTCONN
 * before qemu_connect(), and what a watch returned. Call qemu_next_event() afterwards: an event
 * that came before the reply does not make qemu_poll_fd() readable again.
 */
int qemu_execute(struct qemu *q, const char *command, struct json_object *args,
		 uint64_t deadline_ns, struct json_object **ret, struct error *err);

/**
 * qemu_ssh_port() - Which port of 127.0.0.1 leads to the guest's port 22
 *
 * Asks over QMP ("info usernet"). Return: the port; -ENOENT there is no such forward; as
 * qmp_execute().
 */
int qemu_ssh_port(struct qemu *q, uint64_t deadline_ns, struct error *err);

/**
 * qemu_pin_vcpus() - Bind each vCPU thread to one host CPU
 * @cpus: host CPU of each vCPU
 * @n:    length of @cpus
 *
 * Return: 0; -EINVAL fewer CPUs than vCPUs, or a CPU that is not there or not ours to use; as
 * qemu_execute().
 */
int qemu_pin_vcpus(struct qemu *q, const unsigned int *cpus, size_t n, uint64_t deadline_ns,
		   struct error *err);

/**
 * qemu_keep_vcpus() - Let all vCPU threads run on these host CPUs only
 *
 * Return: 0; -EINVAL none of the CPUs is there and ours to use; as qemu_execute().
 */
int qemu_keep_vcpus(struct qemu *q, const struct cpu_mask *cpus, uint64_t deadline_ns,
		    struct error *err);

/**
 * enum qemu_ending - How far qemu_stop() had to go
 */
enum qemu_ending {
	QEMU_ENDED_BEFORE, /* it had ended already */
	QEMU_ENDED_POWERDOWN,
	QEMU_ENDED_QUIT,
	QEMU_ENDED_TERM,
	QEMU_ENDED_KILL,
};

/**
 * qemu_stop() - End it: power button, then quit, then TERM, then KILL; and reap it
 * @powerdown_ms: how long the guest may take to shut down after the power button; 0: do not ask it
 * @deadline_ns:  of the whole; KILL comes early enough to be waited for. quit and TERM get 5 s
 *                each at most. A large guest may take long to give its memory back: be generous
 * @ret:          how it ended; NULL if not wanted
 *
 * Events met meanwhile stay queued for qemu_next_event(). Return: 0; -ETIMEDOUT it sits in the
 * kernel; never fails otherwise.
 */
int qemu_stop(struct qemu *q, unsigned int powerdown_ms, uint64_t deadline_ns,
	      enum qemu_ending *ret, struct error *err);

/** qemu_ending_text() - "after the power button" and the like, a constant. */
const char *qemu_ending_text(enum qemu_ending ending);

/** qemu_done() - SIGKILL and reap it if it still runs, free everything; accepts QEMU_INIT. */
void qemu_done(struct qemu *q);

#define AUTO_QEMU CLEANUP(qemu_done)

#endif
