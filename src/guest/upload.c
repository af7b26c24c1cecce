/* SPDX-License-Identifier: MIT */
#include "guest/upload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guest/pipe.h"

static const char script[] = UPLOAD_SET_TARGET
	"t=$d.bmvm-part\n"
	"(umask 077; rm -f \"$t\"; set -C; cat > \"$t\") || exit\n"
	"chmod \"$3\" \"$t\" && mv -f \"$t\" \"$d\"\n";

int upload_file(struct guest *g, const struct upload *u, uint64_t deadline_ns,
		const struct watchset *ws, struct error *err)
{
	struct guest_pipe pipe = GUEST_PIPE_INIT;
	AUTO_FREE char *path = strdup(u->path);
	AUTO_FREE char *name = strdup(u->name);
	char mode[8];
	char *argv[] = { path, name, mode, NULL };

	if (path == NULL || name == NULL)
		return error_set(err, ENOMEM, "out of memory");
	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned int)(u->mode & 07777));
	pipe.script = script;
	pipe.argv = argv;
	pipe.input_fd = u->fd;
	pipe.input = u->data;
	pipe.input_len = u->len;
	pipe.deadline_ns = deadline_ns;
	return guest_pipe_check(g, &pipe, ws, err);
}
