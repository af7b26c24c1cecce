/* SPDX-License-Identifier: MIT */
/*
 * Messages for people, on stderr. stdout is never written here: it carries only the answer.
 *
 * The level is the program's only process-wide variable. When stderr is no terminal each line
 * begins with "bmvm: "; control bytes of foreign text are shown as \xNN.
 */
#ifndef BMVM_BASE_LOG_H
#define BMVM_BASE_LOG_H

#include <stdbool.h>

struct error;

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/** log_set_level() - Show messages up to and including @level (default LOG_LEVEL_INFO). */
void log_set_level(enum log_level level);
/** log_enabled() - Whether @level is shown. */
bool log_enabled(enum log_level level);

/* One line each; a trailing newline is added. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * log_over_line() - Whether the terminal's last line is one that may be overwritten
 * @drawn: it is: a message erases it first
 */
void log_over_line(bool drawn);

/** log_failure() - Print an error and its hint as two lines: "error: ..." and "hint: ...". */
void log_failure(const struct error *err);

#endif
