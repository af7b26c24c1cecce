/* SPDX-License-Identifier: MIT */
/*
 * Running CMD in the guest with its streams connected to ours, byte for byte.
 *
 * Theory of operation: the command string given to sshd is read by the user's login shell, whatever
 * that is, so it is `exec sh -c LOADER bmvm WORD` where WORD is a POSIX script spelled with letters
 * and octal escapes only, which sh, csh and fish all read alike. The script sets environment and
 * folder, announces its process group in one marker line on stderr (taken out again here) and execs
 * CMD. Signals go by `kill` on a second channel of the same connection. No byte is lost or changed
 * in either direction; a stalled reader or writer on our side stalls CMD, never this program's
 * attention to signals, deadlines and the guest's health.
 */
#ifndef BMVM_GUEST_EXEC_H
#define BMVM_GUEST_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct guest;
struct watchset;

/**
 * struct guest_command - What to run; everything borrowed for the call
 * @argv:           program and arguments, NULL-terminated; NULL: the user's login shell
 * @env:            "NAME=VALUE" strings, NULL-terminated, or NULL. NAME must be a shell identifier
 * @workdir:        folder to start in, NULL: the user's home
 * @stdin_fd:       read from; -1 or a closed descriptor: CMD reads end of file
 * @stdout_fd:      written to; -1: thrown away
 * @stderr_fd:      written to; -1: thrown away; unused with @tty
 * @tty:            run CMD on a terminal of its own. @stdin_fd, when a terminal, is made raw while
 *                  it runs; "~." at the start of a line ends the session, "~~" sends "~"
 * @term:           TERM for @tty, NULL: "dumb"
 * @deadline_ns:    then TERM to CMD's process group, 10 s later KILL
 *
 * The descriptors' open files are shared with others, so their flags are never changed; each may
 * be a file, pipe, terminal or socket.
 */
struct guest_command {
	char *const *argv;
	char *const *env;
	const char *workdir;
	int stdin_fd;
	int stdout_fd;
	int stderr_fd;
	bool tty;
	const char *term;
	uint64_t deadline_ns;
};

#define GUEST_COMMAND_INIT                                                                         \
	{                                                                                          \
		.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .deadline_ns = UINT64_MAX        \
	}

/**
 * struct guest_result - How CMD ended
 * @started:       CMD was started (126 and 127 count as started: the shell's answer)
 * @exit_code:     0..255; 128+@signal when killed by a signal; 255 when killed by a signal whose
 *                 number SSH cannot tell (anything but ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT
 *                 SEGV TERM USR1 USR2)
 * @signal:        the signal that killed it, else 0
 * @timed_out:     @deadline_ns passed and CMD was ended for it; the caller's code is 124
 * @stdout_closed: our stdout was closed by its reader and CMD went on writing: it was ended, and
 *                 @signal is SIGPIPE, as in any pipeline
 * @escaped:       the user typed "~."; @signal is SIGHUP
 * @bytes_in, @bytes_out, @bytes_err: forwarded, for the receipt
 */
struct guest_result {
	bool started;
	int exit_code;
	int signal;
	bool timed_out;
	bool stdout_closed;
	bool escaped;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t bytes_err;
};

/**
 * guest_run() - Run a command to its end
 * @ws:  served all the time; a watch that returns < 0 ends the wait (CMD's channel is closed, CMD
 *       itself is not signalled: the guest goes away); NULL: none
 * @ret: filled also on failure, as far as known
 *
 * SIGPIPE is ignored while it runs. Output that CMD wrote before it ended is all delivered; output
 * of processes it left behind is cut once CMD's own has drained. A terminal made raw is restored
 * on every return.
 * Return: 0 CMD ended, by itself, by a signal or by the deadline; -EINVAL bad @env; -ENOENT no such
 * @workdir; -ENOEXEC the login shell does not run commands (its words are in @err); -ETIMEDOUT
 * "guest unresponsive"; -ECONNRESET the connection broke; the errno of writing our stdout (not
 * EPIPE), CMD having been ended; what a watch returned.
 */
int guest_run(struct guest *g, const struct guest_command *cmd, struct guest_result *ret,
	      const struct watchset *ws, struct error *err);

/**
 * guest_run_signal() - Send a signal to the process group of the running CMD
 * @sig: as numbered on Linux x86
 *
 * For watch callbacks during guest_run(): only notes the wish, which is carried out soon after (as
 * soon as CMD has started). Several wishes are kept in order, at most 8. Without a running CMD:
 * nothing.
 */
void guest_run_signal(struct guest *g, int sig);

/** guest_run_resize() - The local window changed (SIGWINCH); for watch callbacks. */
void guest_run_resize(struct guest *g);

/**
 * guest_run_restore_terminal() - Give the user's terminal back now
 *
 * For a watch callback that is going to leave guest_run() by other means than returning; harmless
 * otherwise, and async-signal-safe.
 */
void guest_run_restore_terminal(struct guest *g);

/**
 * guest_capture() - Run a short POSIX shell script in the guest and keep what it writes
 * @script:      text for `sh`; "$1".. are @argv. Never build it from foreign text: pass that in
 * @argv
 * @argv:        NULL-terminated arguments, or NULL
 * @deadline_ns: -ETIMEDOUT then
 * @ret_out:     its stdout, NUL-terminated, owned by the caller, at most 1 MiB (-EFBIG); NULL if
 *               not wanted
 * @ws:          NULL: none
 *
 * stdin is empty. A non-zero exit is -EIO with the code and the last words of stderr in @err.
 * Return: 0; -EIO; -EFBIG; -ETIMEDOUT; -ECONNRESET; what a watch returned.
 */
int guest_capture(struct guest *g, const char *script, char *const *argv, uint64_t deadline_ns,
		  char **ret_out, const struct watchset *ws, struct error *err);

#endif
