/* SPDX-License-Identifier: MIT */
#include "guest/outlet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void outlet_open(struct outlet *o, int fd)
{
	memset(o, 0, sizeof(*o));
	fdio_open(&o->io, fd, true);
}

static size_t write_some(struct outlet *o, const char *buf, size_t len)
{
	size_t done = 0;

	o->blocked = false;
	while (done < len && o->error == 0) {
		ssize_t n = fdio_write(&o->io, buf + done, len - done);

		if (n == -EAGAIN) {
			o->blocked = true;
			return done;
		}
		if (n < 0)
			o->error = (int)n;
		else
			done += (size_t)n;
		if (n > 0)
			o->bytes += (uint64_t)n;
	}
	return o->error != 0 ? len : done;
}

void outlet_flush(struct outlet *o)
{
	o->off += write_some(o, o->kept + o->off, o->len - o->off);
	if (o->off < o->len)
		return;
	free(o->kept);
	o->kept = NULL;
	o->off = 0;
	o->len = 0;
}

size_t outlet_take(struct outlet *o, const char *buf, size_t len)
{
	if (o->kept != NULL)
		outlet_flush(o);
	return o->kept != NULL ? 0 : write_some(o, buf, len);
}

int outlet_keep(struct outlet *o, const char *buf, size_t len)
{
	size_t have = o->len - o->off;
	char *joined;

	if (len == 0)
		return 0;
	joined = malloc(have + len);
	if (joined == NULL)
		return -ENOMEM;
	if (have > 0)
		memcpy(joined, o->kept + o->off, have);
	memcpy(joined + have, buf, len);
	free(o->kept);
	o->kept = joined;
	o->off = 0;
	o->len = have + len;
	outlet_flush(o);
	return 0;
}

void outlet_done(struct outlet *o)
{
	fdio_close(&o->io);
	free(o->kept);
	memset(o, 0, sizeof(*o));
}
