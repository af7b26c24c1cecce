/* SPDX-License-Identifier: MIT */
/*
 * The command of one guest_run() while it runs: its channel, its streams, the signals on their way
 * to it, and the clocks that may end it. Not for users of src/guest.
 */
#ifndef BMVM_GUEST_JOB_H
#define BMVM_GUEST_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "guest/channel.h"
#include "guest/exec.h"
#include "guest/inlet.h"
#include "guest/killer.h"
#include "guest/marker.h"
#include "guest/outlet.h"
#include "guest/terminal.h"

struct watchset;

/* How CMD is ended: each step is a signal and the seconds it is given. */
enum ending_step {
	ENDING_NONE,
	ENDING_PIPE,
	ENDING_TERM,
	ENDING_KILL,
	ENDING_LOST, /* it survived SIGKILL: leave it to the end of the guest */
};

/**
 * struct job - All of it
 * @announced:  the marker was seen, CMD exists
 * @started:    the channel runs; the terminal is raw from then on
 * @ending:     why and how far CMD is being ended; next step at @ending_ns
 * @failed:     what guest_run() is to return once CMD has ended, with @why
 * @seen:       bytes of output that came, written or not
 * @status_ns:  when the exit status was noticed, @status_seen: @seen then
 * @quiet:      round trips since without new output, @quiet_seen: @seen at the last
 * @drained:    no more output is waited for
 * @collecting: output is only gathered for a message, into @words
 */
struct job {
	struct guest *g;
	const struct guest_command *cmd;
	struct guest_result *res;
	struct guest_channel main;
	struct killer killer;
	struct marker marker;
	struct inlet in;
	struct outlet out;
	struct outlet err;
	struct terminal terminal;
	bool resized;
	bool started;
	bool in_ready;
	enum ending_step ending;
	uint64_t ending_ns;
	int failed;
	struct error why;
	uint64_t seen;
	uint64_t status_ns;
	uint64_t status_seen;
	uint64_t quiet_seen;
	unsigned int quiet;
	bool drained;
	bool collecting;
	char words[512];
	size_t words_len;
};

/**
 * job_open() - Prepare @j, which must stay in place until job_done()
 * @marker:  made by the caller, owned by @j from now on, also on failure
 * @command: for the login shell, borrowed; NULL: the login shell itself
 *
 * Return: 0; -ENOMEM.
 */
int job_open(struct job *j, struct guest *g, const struct guest_command *cmd, const char *command,
	     const struct marker *marker, struct error *err);

/**
 * job_run() - Run it to its end
 * @ret: filled as guest_run() says
 */
int job_run(struct job *j, struct guest_result *ret, const struct watchset *ws, struct error *err);

/** job_done() - Restore the terminal, close and free. */
void job_done(struct job *j);

#endif
