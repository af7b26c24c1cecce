/* SPDX-License-Identifier: MIT */
/*
 * The front's end of a run: its guardian, and the user's signals.
 *
 * Every wait of the front looks at both (front_watchset()). While CMD runs the first Ctrl-C goes to
 * CMD and the second ends the run; outside that, the first ends it; SIGTERM, SIGHUP and SIGQUIT
 * always do. Once the teardown has begun signals only print that it is going on.
 */
#ifndef BMVM_RUN_FRONT_H
#define BMVM_RUN_FRONT_H

#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/progress.h"
#include "base/watch.h"
#include "run/machine.h"

struct error;

enum front_phase {
	FRONT_PREPARE,
	FRONT_WORKLOAD,
	FRONT_TEARDOWN,
};

/**
 * struct front - Start from front_init()
 * @fd, @pid:    the guardian; -1, 0 before front_start_guardian()
 * @timer_fd:    ticks each second, for the progress display
 * @phase:       what a signal means now
 * @caught:      signal that ended the run, 0: none
 * @on_signal:   FRONT_WORKLOAD: a signal for CMD (SIGINT), or SIGWINCH
 * @lost:        the guardian is gone though it should not
 * @vm_gone:     the VM ended by itself: @gone_text, @gone_serial (owned)
 * @destroyed:   somebody asked for the VM's end: @gone_text says who
 */
struct front {
	int fd;
	pid_t pid;
	int signal_fd;
	int timer_fd;
	sigset_t old_mask;
	uint64_t next_id;
	enum front_phase phase;
	int caught;
	unsigned int interrupts;
	void (*on_signal)(void *data, int sig);
	void *on_signal_data;
	bool lost;
	bool vm_gone;
	bool destroyed;
	char gone_text[1024];
	char *gone_serial;
	struct json_object *reply;
	struct progress *progress;
	struct watch watches[3];
};

/** front_init() - Block the signals and read them from a descriptor from now on. 0 or -errno. */
int front_init(struct front *f, struct progress *progress, struct error *err);

/** front_start_guardian() - Fork it (run/guardian.h). Return: 0 or -errno. */
int front_start_guardian(struct front *f, const struct machine_spec *spec, struct error *err);

/** front_watchset() - What every wait has to look at. */
struct watchset front_watchset(struct front *f);

/**
 * front_request() - Ask the guardian and wait for its answer
 * @what:        see run/guardian.h
 * @args:        further members, taken; NULL: none
 * @deadline_ns: for the answer
 * @ret:         the answer, owned by the caller; NULL if not wanted
 *
 * Return: 0; what the guardian answered; -ECONNRESET the VM or the guardian is gone; -EINTR a
 * signal ended the run; -ETIMEDOUT.
 */
int front_request(struct front *f, const char *what, struct json_object *args, uint64_t deadline_ns,
		  struct json_object **ret, struct error *err);

/** front_pause() - Wait until a deadline, served as every wait. Return: 0; as front_request(). */
int front_pause(struct front *f, uint64_t deadline_ns, struct error *err);

/** front_note() - A member for the receipt; @value is taken. Failures do not matter. */
void front_note(struct front *f, const char *key, struct json_object *value);

/** front_stage() - A stage's seconds for the receipt. */
void front_stage(struct front *f, const char *name, double seconds);

/** front_wait_guardian() - Reap the guardian once it has finished. */
void front_wait_guardian(struct front *f, uint64_t deadline_ns);

/** front_done() - Close everything and restore the signal mask. */
void front_done(struct front *f);

#endif
