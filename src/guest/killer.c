/* SPDX-License-Identifier: MIT */
#include "guest/killer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guest/script.h"

#define SIGNAL_MAX 64

void killer_init(struct killer *k, struct guest *g)
{
	memset(k, 0, sizeof(*k));
	k->g = g;
}

void killer_add(struct killer *k, int sig)
{
	if (sig > 0 && sig <= SIGNAL_MAX && k->n < KILLER_QUEUE)
		k->queue[k->n++] = sig;
}

static size_t ignore_data(void *data, enum channel_stream stream, const char *buf, size_t len)
{
	(void)data;
	(void)stream;
	(void)buf;
	return len;
}

static int begin(struct killer *k, struct error *err)
{
	struct channel_request request = { .on_data = ignore_data };
	AUTO_FREE char *script = NULL;

	if (asprintf(&script, "kill -%d -- %s || kill -%d %s\n", k->queue[0], k->target,
		     k->queue[0], k->target) < 0) {
		script = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	k->command = script_inline(script);
	if (k->command == NULL)
		return error_set(err, ENOMEM, "out of memory");
	request.command = k->command;
	guest_channel_start(&k->channel, k->g, &request);
	k->n--;
	memmove(k->queue, k->queue + 1, k->n * sizeof(k->queue[0]));
	return 0;
}

static void finish(struct killer *k)
{
	guest_channel_done(&k->channel);
	free(k->command);
	k->command = NULL;
}

int killer_step(struct killer *k, struct error *err)
{
	while (k->command != NULL || (k->n > 0 && k->target != NULL)) {
		int r = 0;

		if (k->command == NULL)
			r = begin(k, err);
		if (r == 0)
			r = guest_channel_step(&k->channel, err);
		if (r == -EAGAIN || r == -EPROTO) {
			/* The guest is out of channels or processes: this one is lost. */
			if (err != NULL)
				*err = (struct error)ERROR_INIT;
			finish(k);
			continue;
		}
		if (r < 0)
			return r;
		if (r == 0 || !guest_channel_is_over(&k->channel))
			return 0;
		finish(k);
	}
	return 0;
}

void killer_done(struct killer *k)
{
	finish(k);
	k->n = 0;
	k->target = NULL;
}
