/* SPDX-License-Identifier: MIT */
#include "helper_sshd.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"

#define RUN_SSHD      "/run/sshd"
#define RUN_SSHD_MODE 0711

const char *sshd_path(const struct sshd *s, const char *name)
{
	static char ring[8][256];
	static unsigned int next;
	char *buf = ring[next++ % 8];

	(void)snprintf(buf, sizeof(ring[0]), "%s/%s", s->dir, name);
	return buf;
}

static void put(const struct sshd *s, const char *name, const char *text)
{
	struct error err = ERROR_INIT;

	cr_assert(file_write_atomic_at(AT_FDCWD, sshd_path(s, name), text, strlen(text), 0600,
				       &err) == 0,
		  "%s", err.msg);
}

/* Below the range from which the kernel takes ports for outgoing connections. */
static unsigned short free_port(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	unsigned short port = 0;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 100 && port == 0; i++) {
		AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM, 0);
		unsigned short random;

		cr_assert(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
		random = (unsigned short)(10000 + random % 20000);
		addr.sin_port = htons(random);
		if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
			port = random;
	}
	cr_assert(port != 0);
	return port;
}

/*
 * sshd started by root wants an empty folder at a fixed place. Where it is missing, the first of
 * the tests that run at the same time makes it, with a mode that tells, and the last removes it.
 * They count themselves by a lock on the folder above.
 */
static void take_run_sshd(struct sshd *s)
{
	if (geteuid() != 0)
		return;
	s->lock_fd = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(s->lock_fd >= 0 && flock(s->lock_fd, LOCK_SH) == 0);
	(void)mkdir(RUN_SSHD, RUN_SSHD_MODE);
}

static void give_run_sshd(struct sshd *s)
{
	struct stat st;

	if (s->lock_fd < 0)
		return;
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0 && stat(RUN_SSHD, &st) == 0 &&
	    (st.st_mode & 07777) == RUN_SSHD_MODE)
		(void)rmdir(RUN_SSHD);
	close(s->lock_fd);
	s->lock_fd = -1;
}

static void write_files(struct sshd *s)
{
	struct error err = ERROR_INIT;
	char config[1024];

	cr_assert(keypair_generate("test-host", &s->host, &err) == 0, "%s", err.msg);
	cr_assert(keypair_generate("test-client", &s->client, &err) == 0, "%s", err.msg);
	put(s, "host_key", s->host.private_pem);
	put(s, "authorized_keys", s->client.public_line);
	(void)snprintf(config, sizeof(config),
		       "Port %u\nListenAddress 127.0.0.1\nHostKey %s/host_key\n"
		       "AuthorizedKeysFile %s/authorized_keys\nPidFile none\nUsePAM no\n"
		       "StrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
		       "UseDNS no\nMaxSessions 50\nLogLevel ERROR\n"
		       "SetEnv PATH=%s/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n",
		       (unsigned int)s->port, s->dir, s->dir, s->dir);
	put(s, "config", config);
}

void sshd_start(struct sshd *s)
{
	char *program = process_find_program("sshd", "/usr/sbin:/usr/local/sbin");
	pid_t parent = getpid();

	memset(s, 0, sizeof(*s));
	s->lock_fd = -1;
	if (program == NULL) {
		fprintf(stderr, "skipped: no sshd here (package openssh-server)\n");
		cr_skip_test("no sshd here (package openssh-server)");
	}
	(void)strcpy(s->dir, "/tmp/bmvm-sshd-XXXXXX");
	cr_assert(mkdtemp(s->dir) != NULL);
	s->port = free_port();
	write_files(s);
	take_run_sshd(s);
	s->pid = fork();
	cr_assert(s->pid >= 0);
	if (s->pid == 0) {
		int log = open(sshd_path(s, "log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		(void)dup2(open("/dev/null", O_RDONLY), 0);
		(void)dup2(log, 1);
		(void)dup2(log, 2);
		execl(program, program, "-D", "-e", "-f", sshd_path(s, "config"), (char *)NULL);
		_exit(127);
	}
	free(program);
}

void sshd_stop(struct sshd *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGTERM);
		waitpid(s->pid, NULL, 0);
	}
	give_run_sshd(s);
	if (s->dir[0] != '\0')
		(void)file_remove_tree_at(AT_FDCWD, s->dir, NULL);
	keypair_done(&s->host);
	keypair_done(&s->client);
}

struct guest_login sshd_login_data(const struct sshd *s)
{
	const struct passwd *pw = getpwuid(geteuid());

	cr_assert(pw != NULL);
	return (struct guest_login){
		.port = s->port,
		.user = pw->pw_name,
		.private_pem = s->client.private_pem,
		.host_key = s->host.public_line,
		.boot_deadline_ns = deadline_in_s(20),
		.ssh_s = 20,
	};
}

struct guest *sshd_login(const struct sshd *s)
{
	return sshd_login_patient(s, 0);
}

struct guest *sshd_login_patient(const struct sshd *s, unsigned int unresponsive_s)
{
	struct guest_login login = sshd_login_data(s);
	struct error err = ERROR_INIT;
	struct guest *g = NULL;

	login.unresponsive_s = unresponsive_s;
	cr_assert(guest_connect(&login, NULL, NULL, &g, &err) == 0, "%s", err.msg);
	return g;
}
