/* SPDX-License-Identifier: MIT */
#include "guest/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

void terminal_raw(struct terminal *t, int fd)
{
	struct termios raw;

	t->fd = -1;
	t->raw = false;
	if (fd < 0 || !isatty(fd) || tcgetattr(fd, &t->saved) < 0)
		return;
	t->fd = fd;
	raw = t->saved;
	cfmakeraw(&raw);
	t->raw = tcsetattr(fd, TCSANOW, &raw) == 0;
}

void terminal_restore(struct terminal *t)
{
	if (t->raw)
		(void)tcsetattr(t->fd, TCSANOW, &t->saved);
	t->raw = false;
}

static bool size_of(int fd, int *ret_columns, int *ret_rows)
{
	struct winsize ws;

	if (fd < 0 || ioctl(fd, TIOCGWINSZ, &ws) < 0 || ws.ws_col == 0 || ws.ws_row == 0)
		return false;
	*ret_columns = ws.ws_col;
	*ret_rows = ws.ws_row;
	return true;
}

void terminal_size(int fd, int other_fd, int *ret_columns, int *ret_rows)
{
	if (size_of(fd, ret_columns, ret_rows) || size_of(other_fd, ret_columns, ret_rows))
		return;
	*ret_columns = 80;
	*ret_rows = 24;
}

size_t escape_filter(enum escape_state *state, const char *in, size_t len, char *out,
		     bool *ret_quit)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = in[i];

		if (*state == ESCAPE_LINE_START && c == '~') {
			*state = ESCAPE_TILDE;
			continue;
		}
		if (*state == ESCAPE_TILDE && c == '.') {
			*ret_quit = true;
			return n;
		}
		if (*state == ESCAPE_TILDE && c != '~')
			out[n++] = '~';
		out[n++] = c;
		*state = c == '\r' || c == '\n' ? ESCAPE_LINE_START : ESCAPE_MIDDLE;
	}
	return n;
}
