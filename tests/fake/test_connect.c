/* SPDX-License-Identifier: MIT */
/* Finding the guest's SSH server, and not taking anything else for it. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/watch.h"
#include "guest/exec.h"
#include "helper_sshd.h"

static struct sshd server;

static void setup(void)
{
	sshd_start(&server);
}

static void teardown(void)
{
	sshd_stop(&server);
}

TestSuite(connect, .init = setup, .fini = teardown, .timeout = 120);

/* A listening socket on a port of its own. */
static int listener(unsigned short *ret_port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 16) == 0);
	cr_assert(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

static pid_t child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(connect, the_pinned_host_is_found_and_times_are_told)
{
	struct guest_login login = sshd_login_data(&server);
	struct guest_times times;
	struct guest *g = NULL;
	struct error err = ERROR_INIT;

	cr_assert(guest_connect(&login, NULL, &times, &g, &err) == 0, "%s", err.msg);
	cr_assert(strncmp(guest_host_key(g), server.host.public_line, strlen(guest_host_key(g))) ==
		  0);
	cr_assert(strstr(guest_cipher(g), "aes") != NULL || strstr(guest_cipher(g), "chacha"));
	cr_assert(times.banner_s > 0 && times.auth_s > 0);
	cr_assert(guest_ping(g, deadline_in_s(10), NULL, &err) == 0, "%s", err.msg);
	guest_close(g);
}

Test(connect, first_contact_tells_the_key)
{
	struct guest_login login = sshd_login_data(&server);
	struct guest *g = NULL;
	struct error err = ERROR_INIT;

	login.host_key = NULL;
	cr_assert(guest_connect(&login, NULL, NULL, &g, &err) == 0, "%s", err.msg);
	cr_assert(strncmp(guest_host_key(g), server.host.public_line, strlen(guest_host_key(g))) ==
		  0);
	guest_close(g);
}

Test(connect, another_host_key_is_refused)
{
	struct guest_login login = sshd_login_data(&server);
	AUTO_KEYPAIR struct keypair other = KEYPAIR_INIT;
	struct guest *g = NULL;
	struct error err = ERROR_INIT;

	cr_assert(keypair_generate("other", &other, &err) == 0);
	login.host_key = other.public_line;
	login.ssh_s = 8;
	cr_assert_eq(guest_connect(&login, NULL, NULL, &g, &err), -EKEYREJECTED, "%s", err.msg);
	cr_assert(strstr(err.msg, "another host key") != NULL, "%s", err.msg);
	cr_assert_null(g);
}

Test(connect, a_refused_login_is_tried_until_the_end)
{
	struct guest_login login = sshd_login_data(&server);
	AUTO_KEYPAIR struct keypair other = KEYPAIR_INIT;
	struct guest *g = NULL;
	struct error err = ERROR_INIT;
	uint64_t start = clock_now_ns();

	cr_assert(keypair_generate("other", &other, &err) == 0);
	login.private_pem = other.private_pem;
	login.ssh_s = 5;
	cr_assert_eq(guest_connect(&login, NULL, NULL, &g, &err), -EACCES, "%s", err.msg);
	cr_assert_geq(clock_seconds_since(start), 4.9);
}

Test(connect, a_key_that_comes_late_is_waited_for)
{
	struct guest_login login = sshd_login_data(&server);
	struct guest *g = NULL;
	struct error err = ERROR_INIT;
	const char *keys = sshd_path(&server, "authorized_keys");
	const char *hidden = sshd_path(&server, "hidden");
	pid_t pid;

	cr_assert(rename(keys, hidden) == 0);
	pid = child();
	if (pid == 0) {
		sleep(2);
		_exit(rename(hidden, keys));
	}
	cr_assert(guest_connect(&login, NULL, NULL, &g, &err) == 0, "%s", err.msg);
	end_child(pid);
	guest_close(g);
}

Test(connect, nobody_there)
{
	struct guest_login login = sshd_login_data(&server);
	struct guest *g = NULL;
	struct error err = ERROR_INIT;
	struct guest_times times;

	close(listener(&login.port));
	login.boot_deadline_ns = deadline_in_ms(1500);
	cr_assert_eq(guest_connect(&login, NULL, &times, &g, &err), -ETIMEDOUT);
	cr_assert(strstr(err.msg, "refuses") != NULL, "%s", err.msg);
	cr_assert_geq(times.banner_s, 1.4);
}

Test(connect, somebody_silent)
{
	struct guest_login login = sshd_login_data(&server);
	AUTO_CLOSE int fd = listener(&login.port);
	struct guest *g = NULL;
	struct error err = ERROR_INIT;

	login.boot_deadline_ns = deadline_in_ms(2500);
	cr_assert_eq(guest_connect(&login, NULL, NULL, &g, &err), -ETIMEDOUT);
	cr_assert(strstr(err.msg, "nobody speaks") != NULL, "%s", err.msg);
	cr_assert_geq(fd, 0);
}

Test(connect, somebody_who_does_not_speak_ssh)
{
	struct guest_login login = sshd_login_data(&server);
	AUTO_CLOSE int fd = listener(&login.port);
	struct guest *g = NULL;
	struct error err = ERROR_INIT;
	pid_t pid = child();

	if (pid == 0) {
		for (;;) {
			int c = accept(fd, NULL, NULL);

			(void)fd_write_all(c, "HTTP/1.1 400\r\n", 14);
			usleep(100000);
			close(c);
		}
	}
	login.boot_deadline_ns = deadline_in_ms(1500);
	cr_assert_eq(guest_connect(&login, NULL, NULL, &g, &err), -ETIMEDOUT);
	cr_assert(strstr(err.msg, "does not speak SSH") != NULL, "%s", err.msg);
	end_child(pid);
}

Test(connect, a_server_that_stops_in_the_middle)
{
	struct guest_login login = sshd_login_data(&server);
	AUTO_CLOSE int fd = listener(&login.port);
	struct guest *g = NULL;
	struct error err = ERROR_INIT;
	uint64_t start = clock_now_ns();
	pid_t pid = child();

	if (pid == 0) {
		for (;;) {
			int c = accept(fd, NULL, NULL);

			(void)fd_write_all(c, "SSH-2.0-Fake\r\n", 14);
		}
	}
	login.ssh_s = 2;
	cr_assert_eq(guest_connect(&login, NULL, NULL, &g, &err), -ETIMEDOUT, "%s", err.msg);
	cr_assert_lt(clock_seconds_since(start), 15.0);
	end_child(pid);
}

/*
 * QEMU's forwarder before the guest is up: connections are taken and lead nowhere, then they are
 * closed at once, then there is a server.
 */
Test(connect, a_guest_that_boots)
{
	struct guest_login login = sshd_login_data(&server);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(server.port) };
	AUTO_CLOSE int fd = listener(&login.port);
	struct guest *g = NULL;
	struct error err = ERROR_INIT;
	uint64_t start = clock_now_ns();
	pid_t pid = child();

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (pid == 0) {
		while (clock_seconds_since(start) < 6) {
			int c = accept(fd, NULL, NULL);
			double age = clock_seconds_since(start);

			if (age >= 2)
				close(c);
			if (age >= 4)
				break;
		}
		for (;;) {
			int c = accept(fd, NULL, NULL), s = socket(AF_INET, SOCK_STREAM, 0);
			char buf[4096];
			ssize_t n;

			if (connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
				_exit(1);
			if (fork() == 0) {
				while ((n = read(c, buf, sizeof(buf))) > 0)
					(void)fd_write_all(s, buf, (size_t)n);
				_exit(0);
			}
			if (fork() == 0) {
				while ((n = read(s, buf, sizeof(buf))) > 0)
					(void)fd_write_all(c, buf, (size_t)n);
				_exit(0);
			}
			close(c);
			close(s);
		}
	}
	cr_assert(guest_connect(&login, NULL, NULL, &g, &err) == 0, "%s", err.msg);
	cr_assert_geq(clock_seconds_since(start), 4.0);
	cr_assert_lt(clock_seconds_since(start), 20.0);
	cr_assert(guest_ping(g, deadline_in_s(5), NULL, &err) == 0);
	guest_close(g);
	end_child(pid);
}

static int cancel(void *data, struct error *err)
{
	(void)data;
	return error_set(err, ECANCELED, "interrupted");
}

Test(connect, a_watch_can_end_the_wait)
{
	struct guest_login login = sshd_login_data(&server);
	AUTO_CLOSE int fd = listener(&login.port);
	struct itimerspec when = { .it_value.tv_sec = 1 };
	struct watch watch = { timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), cancel, NULL };
	struct watchset ws = { &watch, 1 };
	struct guest *g = NULL;
	struct error err = ERROR_INIT;
	uint64_t start = clock_now_ns();

	cr_assert(fd >= 0 && timerfd_settime(watch.fd, 0, &when, NULL) == 0);
	cr_assert_eq(guest_connect(&login, &ws, NULL, &g, &err), -ECANCELED);
	cr_assert_str_eq(err.msg, "interrupted");
	cr_assert_lt(clock_seconds_since(start), 10.0);
}

Test(connect, bad_keys_are_refused_before_anything)
{
	struct guest_login login = sshd_login_data(&server);
	struct guest *g = NULL;
	struct error err = ERROR_INIT;

	login.private_pem = "garbage";
	cr_assert_eq(guest_connect(&login, NULL, NULL, &g, &err), -EINVAL);
	login = sshd_login_data(&server);
	login.host_key = "ssh-ed25519";
	cr_assert_eq(guest_connect(&login, NULL, NULL, &g, &err), -EINVAL);
	login.host_key = "ssh-ed25519 AAAA";
	cr_assert_eq(guest_connect(&login, NULL, NULL, &g, &err), -EINVAL);
}
