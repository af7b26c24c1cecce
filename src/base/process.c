/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

#define HOLDERS_MS 500 /* for what else has a pipe of a program that has ended */

#define FD_MAX     64 /* highest descriptor number a child may be given */

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

/* ---- the child, between fork and exec ---- */

/* First all sources above the range of targets, then each onto its number: no order can clash. */
static int arrange_fds(const struct spawn *s, int status_fd, int *ret_status_fd)
{
	int moved[FD_MAX];
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0 || s->n_fds > FD_MAX)
		return -EMFILE;
	null_fd = fcntl(null_fd, F_DUPFD_CLOEXEC, FD_MAX);
	status_fd = fcntl(status_fd, F_DUPFD_CLOEXEC, FD_MAX);
	if (null_fd < 0 || status_fd < 0)
		return -errno;
	*ret_status_fd = status_fd;
	for (size_t i = 0; i < s->n_fds; i++) {
		moved[i] = fcntl(s->fds[i].parent, F_DUPFD_CLOEXEC, FD_MAX);
		if (moved[i] < 0)
			return -errno;
	}
	for (int fd = 0; fd < 3; fd++) {
		if (dup2(null_fd, fd) < 0)
			return -errno;
	}
	for (size_t i = 0; i < s->n_fds; i++) {
		if (s->fds[i].child >= FD_MAX || dup2(moved[i], s->fds[i].child) < 0)
			return -EBADF;
	}
	return 0;
}

/* Everything that is not meant for the program closes at exec. */
static int close_others(const struct spawn *s)
{
	if (syscall(SYS_close_range, 3, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) < 0)
		return -errno;
	for (size_t i = 0; i < s->n_fds; i++) {
		if (s->fds[i].child > 2 && fd_set_cloexec(s->fds[i].child, false) < 0)
			return -errno;
	}
	return 0;
}

static void reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &dfl, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_fail(int status_fd, struct error *err)
{
	if (write(status_fd, err, sizeof(*err)) < 0)
		_exit(126);
	_exit(127);
}

/* setsid, prepare, death signal: what needs this process's old descriptors still in place. */
static int child_identity(const struct spawn *s, pid_t parent, struct error *err)
{
	int r;

	if (s->new_session && setsid() < 0)
		return error_errno(err, "setsid");
	r = s->prepare != NULL ? s->prepare(s->prepare_data, err) : 0;
	if (r < 0)
		return r;
	if (s->die_with_us) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			return error_errno(err, "PR_SET_PDEATHSIG");
		if (getppid() != parent)
			return error_set(err, ESRCH, "the parent is gone");
	}
	return 0;
}

static _Noreturn void child_main(const struct spawn *s, pid_t parent, int gate_fd, int status_fd)
{
	struct error err = ERROR_INIT;
	int high_status_fd = status_fd;
	char go;
	int r;

	reset_signals();
	if (child_identity(s, parent, &err) < 0)
		child_fail(status_fd, &err);
	if (s->hold && read(gate_fd, &go, 1) != 1)
		_exit(127); /* the holder died or gave up */
	r = arrange_fds(s, status_fd, &high_status_fd);
	if (r == 0)
		r = close_others(s);
	if (r < 0) {
		(void)error_set(&err, -r, "descriptors of %s: %s", s->path, strerror(-r));
		child_fail(high_status_fd, &err);
	}
	(void)execve(s->path, s->argv, s->envp != NULL ? s->envp : environ);
	(void)error_errno(&err, "start %s", s->path);
	child_fail(high_status_fd, &err);
}

/* ---- the parent ---- */

/*
 * Wait for exec (the pipe closes) or for the child's report of failure. @gone: the child is known
 * to have ended, so that a closed pipe means no exec.
 */
static int await_exec(struct process *p, bool gone, struct error *err)
{
	struct error report = ERROR_INIT;
	AUTO_CLOSE int fd = TAKE_FD(p->status_fd);
	ssize_t n;

	do
		n = read(fd, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n == 0 && !gone)
		return 0;
	(void)process_wait(p, DEADLINE_NEVER, NULL);
	process_done(p);
	if (n != (ssize_t)sizeof(report))
		return error_set(err, EIO, "a child process ended before it could start");
	if (err != NULL)
		*err = report;
	return report.code > 0 ? -report.code : -EIO;
}

int process_spawn(const struct spawn *spawn, struct process *ret, struct error *err)
{
	AUTO_CLOSE int status_w = -1;
	AUTO_CLOSE int gate_r = -1;
	struct process p = PROCESS_INIT;
	pid_t parent = getpid();
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, "pipe");
	p.status_fd = pipe_fds[0];
	status_w = pipe_fds[1];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipe_fds) < 0) {
		int r = error_errno(err, "socketpair");

		process_done(&p);
		return r;
	}
	gate_r = pipe_fds[0];
	p.gate_fd = pipe_fds[1];
	p.pid = fork();
	if (p.pid == 0) {
		(void)close(p.gate_fd); /* else our own copy would keep the gate open */
		child_main(spawn, parent, gate_r, status_w);
	}
	if (p.pid < 0) {
		int r = error_errno(err, "fork");

		process_done(&p);
		return r;
	}
	p.pidfd = open_pidfd(p.pid);
	if (p.pidfd < 0) {
		int r = error_errno(err, "pidfd_open");

		(void)kill(p.pid, SIGKILL);
		(void)waitpid(p.pid, NULL, 0);
		process_done(&p);
		return r;
	}
	close_fd(&status_w);
	*ret = p;
	return spawn->hold ? 0 : process_release(ret, err);
}

int process_release(struct process *p, struct error *err)
{
	AUTO_CLOSE int gate = TAKE_FD(p->gate_fd);

	/* a socket, as a pipe whose reader is gone would kill us with SIGPIPE */
	bool gone = gate >= 0 && send(gate, "g", 1, MSG_NOSIGNAL) < 0;

	return await_exec(p, gone, err);
}

int process_wait(struct process *p, uint64_t deadline_ns, int *ret_status)
{
	struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };
	int status = 0;

	if (p->pid <= 0)
		return -ECHILD;
	for (;;) {
		int n = poll(&pfd, 1, deadline_poll_ms(deadline_ns));

		if (n > 0)
			break;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
	while (waitpid(p->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	p->pid = 0;
	if (ret_status != NULL)
		*ret_status = status;
	return 0;
}

int process_signal(const struct process *p, int sig)
{
	return p->pid <= 0 ? -ESRCH : pidfd_signal(p->pidfd, sig);
}

int process_stop(struct process *p, unsigned int grace_ms, uint64_t deadline_ns)
{
	int r;

	if (p->pid <= 0)
		return 0;
	if (grace_ms > 0) {
		(void)process_signal(p, SIGTERM);
		r = process_wait(p, deadline_min(deadline_in_ms(grace_ms), deadline_ns), NULL);
		if (r != -ETIMEDOUT)
			return 0;
	}
	(void)process_signal(p, SIGKILL);
	r = process_wait(p, deadline_ns, NULL);
	return r == -ETIMEDOUT ? r : 0;
}

void process_done(struct process *p)
{
	close_fd(&p->pidfd);
	close_fd(&p->gate_fd);
	close_fd(&p->status_fd);
	p->pid = 0;
}

const char *process_status_text(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		(void)snprintf(buf, size, "signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		(void)snprintf(buf, size, "exit code %d", WEXITSTATUS(status));
	return buf;
}

/* ---- run to the end ---- */

struct capture {
	int out_fd, err_fd;
	size_t cap, size;
	struct process_output *o;
};

static int take_stdout(struct capture *c)
{
	ssize_t n;

	if (c->size - c->o->out_len < 4096) {
		size_t size = c->size == 0 ? 16384 : c->size * 2;
		char *bigger = realloc(c->o->out, size);

		if (bigger == NULL)
			return -ENOMEM;
		c->o->out = bigger;
		c->size = size;
	}
	n = read(c->out_fd, c->o->out + c->o->out_len, c->size - c->o->out_len - 1);
	if (n <= 0) {
		close_fd(&c->out_fd);
		return 0;
	}
	c->o->out_len += (size_t)n;
	c->o->out[c->o->out_len] = '\0';
	return c->o->out_len > c->cap ? -EFBIG : 0;
}

/* Keeps the last bytes: the end of a program's complaint says what went wrong. */
static void take_stderr(struct capture *c)
{
	char *tail = c->o->err_tail;
	size_t room = sizeof(c->o->err_tail) - 1, have = strlen(tail);
	char buf[1024];
	ssize_t n = read(c->err_fd, buf, sizeof(buf));
	size_t got, drop;

	if (n <= 0) {
		close_fd(&c->err_fd);
		return;
	}
	got = (size_t)n;
	for (size_t i = 0; i < got; i++) {
		if (buf[i] == '\0')
			buf[i] = '?';
	}
	drop = have + got > room ? have + got - room : 0;
	memmove(tail, tail + drop, have - drop);
	memcpy(tail + have - drop, buf, got);
	tail[have - drop + got] = '\0';
}

static int take_ready(struct capture *c, const struct pollfd pfds[2])
{
	int r = pfds[0].revents != 0 ? take_stdout(c) : 0;

	if (pfds[1].revents != 0)
		take_stderr(c);
	return r;
}

/*
 * Whatever it has left running in its session's first group. It is not reaped yet, so that the
 * group's number is nobody else's.
 */
static void kill_group(const struct process *p)
{
	if (p->pid > 0)
		(void)kill(-p->pid, SIGKILL);
}

/* Until it has ended and both pipes are closed; others may hold those for a moment more. */
static int capture_all(struct capture *c, const struct process *p, uint64_t deadline_ns)
{
	bool ended = false;

	while (c->out_fd >= 0 || c->err_fd >= 0 || !ended) {
		struct pollfd pfds[3] = { { .fd = c->out_fd, .events = POLLIN },
					  { .fd = c->err_fd, .events = POLLIN },
					  { .fd = ended ? -1 : p->pidfd, .events = POLLIN } };
		int n = poll(pfds, 3, deadline_poll_ms(deadline_ns));
		int r;

		if (n == 0)
			return ended ? 0 : -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		r = take_ready(c, pfds);
		if (pfds[2].revents != 0) {
			ended = true;
			kill_group(p);
			deadline_ns = deadline_min(deadline_ns, deadline_in_ms(HOLDERS_MS));
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static void trim_newline(char *s)
{
	size_t n = strlen(s);

	if (n > 0 && s[n - 1] == '\n')
		s[n - 1] = '\0';
}

static int run_with_pipes(const char *path, char *const *argv, uint64_t deadline_ns,
			  struct capture *c, struct error *err)
{
	AUTO_CLOSE int out_w = -1;
	AUTO_CLOSE int err_w = -1;
	struct process p = PROCESS_INIT;
	int pipe_fds[2];
	int r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, "pipe");
	c->out_fd = pipe_fds[0];
	out_w = pipe_fds[1];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, "pipe");
	c->err_fd = pipe_fds[0];
	err_w = pipe_fds[1];

	struct spawn_fd fds[] = { { out_w, 1 }, { err_w, 2 } };
	struct spawn s = { .path = path,
			   .argv = argv,
			   .fds = fds,
			   .n_fds = 2,
			   .new_session = true,
			   .die_with_us = true };

	r = process_spawn(&s, &p, err);
	if (r < 0)
		return r;
	close_fd(&out_w);
	close_fd(&err_w);
	r = capture_all(c, &p, deadline_ns);
	if (r == 0)
		r = process_wait(&p, DEADLINE_NEVER, &c->o->status);
	if (r < 0) {
		kill_group(&p);
		(void)process_stop(&p, 0, deadline_in_s(5));
		(void)error_set(err, -r, "%s: %s", path,
				r == -ETIMEDOUT ? "did not end in time" : strerror(-r));
	}
	process_done(&p);
	return r;
}

int process_run(char *const *argv, uint64_t deadline_ns, size_t out_cap, struct process_output *ret,
		struct error *err)
{
	AUTO_FREE char *path = process_find_program(argv[0], NULL);
	struct process_output o = { .out = calloc(1, 1) };
	struct capture c = { .out_fd = -1, .err_fd = -1, .cap = out_cap, .o = &o };
	int r;

	if (path == NULL)
		r = error_set(err, ENOENT, "program %s not found", argv[0]);
	else
		r = run_with_pipes(path, argv, deadline_ns, &c, err);
	close_fd(&c.out_fd);
	close_fd(&c.err_fd);
	if (r < 0) {
		process_output_done(&o);
		return r;
	}
	trim_newline(o.err_tail);
	*ret = o;
	return 0;
}

int process_check(char *const *argv, uint64_t deadline_ns, struct error *err)
{
	struct process_output o = { 0 };
	char how[64];
	int r = process_run(argv, deadline_ns, (size_t)1 << 20, &o, err);

	if (r < 0)
		return r;
	if (o.status != 0)
		r = error_set(err, EIO, "%s: %s%s%s", argv[0],
			      process_status_text(o.status, how, sizeof(how)),
			      o.err_tail[0] != '\0' ? ": " : "", o.err_tail);
	process_output_done(&o);
	return r;
}

void process_output_done(struct process_output *out)
{
	free(out->out);
	out->out = NULL;
}

/* ---- looking up ---- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *find_in(const char *folders, const char *name)
{
	AUTO_FREE char *copy = strdup(folders);
	char *save = NULL;

	if (copy == NULL)
		return NULL;
	for (char *dir = strtok_r(copy, ":", &save); dir != NULL;
	     dir = strtok_r(NULL, ":", &save)) {
		AUTO_FREE char *path = path_join(dir, name);

		if (path != NULL && path[0] == '/' && is_program(path))
			return TAKE_PTR(path);
	}
	return NULL;
}

char *process_find_program(const char *name, const char *extra)
{
	const char *path = getenv("PATH");
	char *found;

	if (strchr(name, '/') != NULL)
		return is_program(name) ? realpath(name, NULL) : NULL;
	found = find_in(path != NULL ? path : "/usr/local/bin:/usr/bin:/bin", name);
	if (found == NULL)
		found = find_in("/usr/local/sbin:/usr/sbin:/sbin", name);
	if (found == NULL && extra != NULL)
		found = find_in(extra, name);
	return found;
}

int process_start_time(int proc_fd, pid_t pid, uint64_t *ret)
{
	AUTO_FREE char *text = NULL;
	char path[32];
	char *p;
	char state;
	int r;

	(void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
	r = file_read_at(proc_fd, path, 65536, &text, NULL, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	p = strrchr(text, ')'); /* the command name may hold anything, also ')' */
	if (p == NULL || p[1] != ' ' || p[2] == '\0')
		return -EIO;
	state = p[2];
	p += 2;
	for (int field = 3; field < 22 && p != NULL; field++) {
		p = strchr(p, ' ');
		p = p == NULL ? NULL : p + 1;
	}
	if (p == NULL || *p < '0' || *p > '9')
		return -EIO;
	if (state == 'Z' || state == 'X')
		return -ESRCH;
	*ret = strtoull(p, NULL, 10);
	return 0;
}

int process_kill_identity(int proc_fd, pid_t pid, uint64_t start_time, uint64_t deadline_ns)
{
	AUTO_CLOSE int pidfd = pid > 0 ? open_pidfd(pid) : -1;
	uint64_t now_start = 0;
	int r;

	if (pidfd < 0)
		return pid <= 0 || errno == ESRCH || errno == EINVAL ? 0 : -errno;
	/* the pidfd is taken first: if the start time then matches, it names that very process */
	r = process_start_time(proc_fd, pid, &now_start);
	if (r == -ESRCH || (r == 0 && now_start != start_time))
		return 0;
	if (r == 0)
		r = pidfd_signal(pidfd, SIGKILL);
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	while (process_start_time(proc_fd, pid, &now_start) == 0 && now_start == start_time) {
		struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

		if (deadline_poll_ms(deadline_ns) == 0)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, 100) > 0)
			break;
	}
	return 1;
}
