/* SPDX-License-Identifier: MIT */
/*
 * cost FILE COMMAND [ARG...]: run COMMAND and write into FILE what its own processes cost, one line
 * each: name, CPU seconds, peak memory in KiB.
 *
 * Own processes are COMMAND and what it forks, as long as they stay that program. What executes
 * another program (QEMU, qemu-img) is let go of at that moment; the time it took until then is
 * counted, what it takes afterwards is not. Follows by ptrace, at fork, exec and exit only: nothing
 * in between is slowed down. The numbers are the kernel's, read while the process ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLLOW                                                                                     \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |     \
	 PTRACE_O_TRACEEXIT)

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

/* Nanoseconds on a CPU: the first number of schedstat. */
static double cpu_seconds(pid_t pid)
{
	FILE *f = open_proc(pid, "schedstat");
	uint64_t ns = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &ns) != 1)
		ns = 0;
	(void)fclose(f);
	return (double)ns / 1e9;
}

static unsigned long peak_kib(pid_t pid, char name[32])
{
	FILE *f = open_proc(pid, "status");
	unsigned long peak = 0;
	char line[256];

	(void)strcpy(name, "?");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		(void)sscanf(line, "Name: %31s", name);
		(void)sscanf(line, "VmHWM: %lu", &peak);
	}
	if (f != NULL)
		(void)fclose(f);
	return peak;
}

static void record(FILE *out, pid_t pid)
{
	char name[32];
	unsigned long peak = peak_kib(pid, name);

	(void)fprintf(out, "%s %.4f %lu\n", name, cpu_seconds(pid), peak);
}

/*
 * One stop of one process. A fork is counted as its parent's program until it executes another: at
 * that stop the name has changed already, so such a process counts as "helper".
 */
static void serve(FILE *out, pid_t pid, int status, pid_t first, bool *started)
{
	unsigned int event = (unsigned int)status >> 16;
	int sig = WSTOPSIG(status);

	if (event == PTRACE_EVENT_EXIT)
		record(out, pid);
	if (event == PTRACE_EVENT_EXEC && (pid != first || *started)) {
		(void)fprintf(out, "helper %.4f 0\n", cpu_seconds(pid));
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
		return;
	}
	*started = *started || event == PTRACE_EVENT_EXEC;
	if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		(void)ptrace(PTRACE_LISTEN, pid, NULL, NULL); /* stopped by job control */
		return;
	}
	(void)ptrace(PTRACE_CONT, pid, NULL, event != 0 ? NULL : (void *)(intptr_t)sig);
}

static int follow(FILE *out, pid_t first)
{
	bool started = false;
	int code = 125;

	for (;;) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return code;
		if (WIFSTOPPED(status))
			serve(out, pid, status, first, &started);
		else if (pid == first)
			code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

int main(int argc, char **argv)
{
	int gate[2];
	char byte = 0;
	FILE *out;
	pid_t pid;

	if (argc < 3 || (out = fopen(argv[1], "we")) == NULL || pipe(gate) < 0) {
		(void)fprintf(stderr, "usage: cost FILE COMMAND [ARG...]\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		(void)close(gate[1]);
		if (read(gate[0], &byte, 1) != 1)
			_exit(125);
		(void)close(gate[0]);
		(void)execvp(argv[2], argv + 2);
		_exit(127);
	}
	(void)close(gate[0]);
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, NULL, (void *)(intptr_t)FOLLOW) < 0) {
		perror("cost");
		return 125;
	}
	/* signals of the terminal reach COMMAND, too: it decides */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	if (write(gate[1], &byte, 1) != 1)
		perror("cost");
	(void)close(gate[1]);
	return follow(out, pid) | (fclose(out) == 0 ? 0 : 125);
}
