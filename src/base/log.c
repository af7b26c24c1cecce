/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define ERASE "\r\033[K"

static enum log_level shown_level = LOG_LEVEL_INFO;
static bool line_is_drawn;

void log_set_level(enum log_level level)
{
	shown_level = level;
}

void log_over_line(bool drawn)
{
	line_is_drawn = drawn;
}

bool log_enabled(enum log_level level)
{
	return level <= shown_level;
}

/* Control characters: ASCII's, and U+0080..U+009F, which a terminal may obey as well. */
static bool is_control(const char *p)
{
	unsigned char c = (unsigned char)p[0], next = (unsigned char)p[1];

	return (c < 0x20 && c != '\t') || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0);
}

/* The whole line goes out in one write, so that lines of several processes do not mix. */
__attribute__((format(printf, 3, 0))) static void log_line(enum log_level level, const char *tag,
							   const char *fmt, va_list ap)
{
	char text[2048];
	char line[sizeof(text) * 4 + 64];
	size_t n = 0;
	int r;

	if (!log_enabled(level))
		return;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	r = snprintf(line, 64, "%s%s%s", line_is_drawn ? ERASE : "",
		     isatty(STDERR_FILENO) != 0 ? "" : "bmvm: ", tag);
	n = r > 0 ? (size_t)r : 0;
	for (const char *p = text; *p != '\0'; p++) {
		if (is_control(p))
			n += (size_t)snprintf(line + n, 5, "\\x%02x", (unsigned char)*p);
		else
			line[n++] = *p;
	}
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody left to tell */
}

#define LOG_FUNCTION(name, level, tag)                                                             \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		log_line(level, tag, fmt, ap);                                                     \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, "error: ")
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING, "warning: ")
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, "")
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, "debug: ")

static void log_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
LOG_FUNCTION(log_hint, LOG_LEVEL_ERROR, "hint: ")

void log_failure(const struct error *err)
{
	log_error("%s", err->msg[0] != '\0' ? err->msg : strerror(err->code));
	if (err->hint[0] != '\0')
		log_hint("%s", err->hint);
}
