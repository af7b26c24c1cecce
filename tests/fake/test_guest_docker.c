/* SPDX-License-Identifier: MIT */
/* Docker in a guest, whose part a real sshd and programs of the test's own play. */
#include "guest/docker.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/fake/helper_exec.h"

TestSuite(guest_docker, .init = exec_setup, .fini = exec_teardown, .timeout = 120);

/* The guest is this machine; only one case, while others run, puts the script there. */
static void remove_script(void)
{
	(void)unlink("/tmp/bmvm-docker.sh");
	(void)unlink("/tmp/bmvm-docker.sh.out");
	(void)unlink("/tmp/bmvm-docker.sh.err");
}

/* A program that the guest finds first. */
static void program(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	(void)mkdir(sshd_path(&server, "bin"), 0755);
	(void)snprintf(path, sizeof(path), "%s/%s", sshd_path(&server, "bin"), name);
	f = fopen(path, "we");
	cr_assert(f != NULL);
	(void)fprintf(f, "#!/bin/sh\n%s\n", text);
	cr_assert(fclose(f) == 0 && chmod(path, 0755) == 0);
}

static struct guest_docker docker_of(uint64_t deadline_ns)
{
	return (struct guest_docker){ .g = guest, .deadline_ns = deadline_ns };
}

Test(guest_docker, what_is_sudos_refusal)
{
	static const struct {
		const char *words;
		int code, r;
	} all[] = {
		{ "sudo: a password is required", 1, -EPERM },
		{ "sudo: sorry, you must have a tty to run sudo", 1, -EPERM },
		{ "sudo: interactive authentication is required", 1, -EPERM },
		{ "sh: 1: sudo: not found", 127, -EPERM },
		{ "sh: line 1: sudo: command not found", 127, -EPERM },
		{ "bob is not in the sudoers file.", 1, -EPERM },
		{ "Sorry, user bob is not allowed to execute '/usr/bin/env' as root on vm.", 1,
		  -EPERM },
		{ "sudo: unable to resolve host vm: Name or service not known\nE: not found", 1,
		  -EIO },
		{ "sudo: unable to resolve host vm\nno apt-get here", 3, -ENOTSUP },
		{ "sudo: a password is required, says the proxy\nit is hopeless", 3, -ENOTSUP },
	};

	program("id", "echo 1000");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct guest_docker d = docker_of(deadline_in_s(60));
		struct error err = ERROR_INIT;
		char text[512];

		(void)snprintf(text, sizeof(text), "cat >&2 << 'END'\n%s\nEND\nexit %d",
			       all[i].words, all[i].code);
		program("sudo", text);
		cr_expect_eq(guest_docker_install(&d, &err), all[i].r, "%s: %s", all[i].words,
			     err.msg);
		cr_expect_eq(err.hint[0] != '\0', all[i].r == -EPERM);
		cr_expect(d.sudo);
	}
	remove_script();
}

/* The deadline of the other steps has passed long ago. */
Test(guest_docker, archives_are_loaded_without_a_deadline)
{
	struct guest_docker d = docker_of(1);
	struct error err = ERROR_INIT;
	struct stat st;
	char text[600];
	int fd = file_with("archive", "");

	cr_assert(ftruncate(fd, 50 << 20) == 0);
	(void)close(fd);
	(void)snprintf(text, sizeof(text), "[ \"$*\" = 'load -q' ] || exit 1\ncat > %s",
		       sshd_path(&server, "loaded"));
	program("docker", text);
	program("id", "echo 1000");
	program("sudo", "[ \"$1\" = -n ] || exit 1\nshift\nexec \"$@\"");
	cr_assert(guest_docker_load(&d, sshd_path(&server, "archive"), &err) == 0, "%s", err.msg);
	cr_assert(stat(sshd_path(&server, "loaded"), &st) == 0 && st.st_size == 50 << 20);
}

Test(guest_docker, a_failed_load_says_why)
{
	struct guest_docker d = docker_of(deadline_in_s(60));
	struct error err = ERROR_INIT;
	int fd = file_with("archive", "");

	cr_assert(ftruncate(fd, 50 << 20) == 0);
	(void)close(fd);
	program("docker", "echo 'archive/tar: invalid tar header' >&2; exit 1");
	cr_assert_eq(guest_docker_load(&d, sshd_path(&server, "archive"), &err), -EIO);
	cr_assert(strstr(err.msg, "archive: archive/tar: invalid tar header (exit code 1)") != NULL,
		  "%s", err.msg);
	program("docker", "exit 5");
	cr_assert_eq(guest_docker_load(&d, sshd_path(&server, "archive"), &err), -EIO);
	cr_assert(strstr(err.msg, "docker load failed (exit code 5)") != NULL, "%s", err.msg);
	cr_assert_eq(guest_docker_load(&d, "/nonexistent", &err), -ENOENT);
}
