/* SPDX-License-Identifier: MIT */
/*
 * Child processes: argument lists only, never a shell; descriptors passed by number, everything
 * else closed; waits bounded by deadlines over a pidfd; a process is named by pid AND start time,
 * so that a recycled pid is never killed.
 *
 * A child can be held before it execs (struct spawn.hold): the caller writes down what it is
 * about to start, then lets it go with process_release(). A holder that dies releases nothing:
 * the child sees its pipe close and exits.
 */
#ifndef BMVM_BASE_PROCESS_H
#define BMVM_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/**
 * struct spawn_fd - One descriptor handed to a child
 * @parent: number in this process, borrowed
 * @child:  number in the child; @parent == @child is allowed
 */
struct spawn_fd {
	int parent;
	int child;
};

/**
 * struct spawn - What to start
 * @path:         program, absolute
 * @argv:         its argument list, NULL-terminated
 * @envp:         environment, NULL for this process's own
 * @fds:          descriptors of the child; 0, 1, 2 not named here are /dev/null; all others are
 * closed
 * @n_fds:        how many
 * @hold:         wait before exec until process_release()
 * @new_session:  setsid() in the child
 * @die_with_us:  SIGKILL the child when this process ends (set after @prepare, parent re-checked)
 * @prepare:      runs in the child before the descriptors are arranged and before @hold, may change
 *                uid, mount namespace, limits; async-signal rules do not apply (single-threaded
 *                parent); its -errno is reported as the failure of process_spawn()/_release()
 * @prepare_data: passed to it
 */
struct spawn {
	const char *path;
	char *const *argv;
	char *const *envp;
	const struct spawn_fd *fds;
	size_t n_fds;
	bool hold;
	bool new_session;
	bool die_with_us;
	int (*prepare)(void *prepare_data, struct error *err);
	void *prepare_data;
};

/**
 * struct process - A running child
 * @pid:        its pid, 0 when none
 * @pidfd:      becomes readable when it ends; -1 when none
 * @gate_fd, @status_fd: private, see process_release()
 */
struct process {
	pid_t pid;
	int pidfd;
	int gate_fd;
	int status_fd;
};

#define PROCESS_INIT                                                                               \
	{                                                                                          \
		.pidfd = -1, .gate_fd = -1, .status_fd = -1                                        \
	}

/**
 * process_spawn() - Start a child
 * @ret: filled on success; end with process_wait() or process_stop()
 *
 * Without @hold it returns when exec has succeeded. Return: 0; the errno of fork, of @prepare or of
 * exec (-ENOENT: no such program), with the child reaped.
 */
int process_spawn(const struct spawn *spawn, struct process *ret, struct error *err);

/**
 * process_release() - Let a held child exec
 *
 * Return: 0; why it could not, with it reaped (-EIO: it had been killed).
 */
int process_release(struct process *p, struct error *err);

/**
 * process_wait() - Wait until a child has ended, and reap it
 * @deadline_ns: -ETIMEDOUT then, with the child untouched
 * @ret_status:  as waitpid() gives it; NULL if not wanted
 *
 * Return: 0; -ETIMEDOUT; -ECHILD when it was reaped before.
 */
int process_wait(struct process *p, uint64_t deadline_ns, int *ret_status);

/** process_signal() - Send a signal through the pidfd. Return: 0, -ESRCH when it has ended. */
int process_signal(const struct process *p, int sig);

/**
 * process_stop() - TERM, then after @grace_ms KILL, then reap; bounded by @deadline_ns
 * Return: 0; -ETIMEDOUT when even SIGKILL did not end it (it sits in the kernel).
 */
int process_stop(struct process *p, unsigned int grace_ms, uint64_t deadline_ns);

/** process_done() - Close the descriptors of @p; the process itself is left alone. */
void process_done(struct process *p);

/** process_status_text() - "exit code 1" or "signal 9 (Killed)" into @buf. Return: @buf. */
const char *process_status_text(int status, char *buf, size_t size);

/**
 * struct process_output - What a finished program wrote
 * @status: as waitpid() gives it
 * @out, @out_len: its stdout, NUL-terminated, owned
 * @err_tail: the last bytes of its stderr, one trailing newline removed
 */
struct process_output {
	int status;
	char *out;
	size_t out_len;
	char err_tail[2048];
};

/**
 * process_run() - Run a program to its end and keep what it writes
 * @argv:        argv[0] is the program: a path, or a name looked up in PATH
 * @deadline_ns: killed then, -ETIMEDOUT
 * @out_cap:     more on stdout than this many bytes: killed, -EFBIG
 * @ret:         filled whenever 0 is returned; free with process_output_done()
 *
 * stdin is /dev/null; in a session of its own; dies with us. When it has ended or is killed, so is
 * what it has left in its process group. What has left that and keeps its stdout or stderr open is
 * waited for only a moment: what was read by then counts. A non-zero exit is not an error here: see
 * @ret->status. Return: 0; -ENOENT no such program; -ETIMEDOUT; -EFBIG; other errno.
 */
int process_run(char *const *argv, uint64_t deadline_ns, size_t out_cap, struct process_output *ret,
		struct error *err);

/** process_check() - process_run(), where a non-zero exit is -EIO with stderr's tail in @err. */
int process_check(char *const *argv, uint64_t deadline_ns, struct error *err);

/** process_output_done() - Free @out. */
void process_output_done(struct process_output *out);

/**
 * process_find_program() - Where PATH (or @extra folders) has a program
 * @name:  a name, or a path with a slash, which is only checked
 * @extra: colon-separated folders looked into after PATH, or NULL
 *
 * Return: absolute path, owned by the caller; NULL when there is none.
 */
char *process_find_program(const char *name, const char *extra);

/**
 * process_start_time() - When a process started
 * @proc_fd: directory handle of /proc
 * @ret:     field 22 of PID/stat, clock ticks since boot
 *
 * Return: 0; -ESRCH when there is no such process (a zombie counts as none); -EIO; other errno of
 * reading, which says nothing about the process.
 */
int process_start_time(int proc_fd, pid_t pid, uint64_t *ret);

/**
 * process_kill_identity() - Kill a process that may not be our child, by pid and start time
 * @proc_fd:     directory handle of /proc
 * @deadline_ns: until it must be gone
 *
 * Return: 1 killed; 0 there was none (another process with that pid is left alone); -ETIMEDOUT;
 * -EPERM; other errno, the process may then be there.
 */
int process_kill_identity(int proc_fd, pid_t pid, uint64_t start_time, uint64_t deadline_ns);

#endif
