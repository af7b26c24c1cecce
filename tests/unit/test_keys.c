/* SPDX-License-Identifier: MIT */
/* SSH keys made and read; ssh-keygen is asked for its opinion where it is installed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "guest/keys.h"

static char dir[32];
static char path[64];

static void setup(void)
{
	(void)strcpy(dir, "/tmp/bmvm-keys-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/key", dir);
}

static void teardown(void)
{
	(void)file_remove_tree_at(AT_FDCWD, dir, NULL);
}

TestSuite(keys, .init = setup, .fini = teardown);

static void put(const char *text)
{
	cr_assert(file_write_atomic_at(AT_FDCWD, path, text, strlen(text), 0600, NULL) == 0);
}

Test(keys, pairs_are_openssh_and_differ)
{
	AUTO_KEYPAIR struct keypair a = KEYPAIR_INIT;
	AUTO_KEYPAIR struct keypair b = KEYPAIR_INIT;
	AUTO_KEYPAIR struct keypair back = KEYPAIR_INIT;
	struct error err = ERROR_INIT;

	cr_assert(keypair_generate("bmvm-test", &a, &err) == 0, "%s", err.msg);
	cr_assert(keypair_generate("bmvm-test", &b, &err) == 0, "%s", err.msg);
	cr_assert(strncmp(a.private_pem, "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36) == 0);
	cr_assert_eq(a.private_pem[strlen(a.private_pem) - 1], '\n');
	cr_assert(strncmp(a.public_line, "ssh-ed25519 AAAA", 16) == 0);
	cr_assert(strstr(a.public_line, " bmvm-test") != NULL);
	cr_assert_null(strchr(a.public_line, '\n'));
	cr_assert_str_neq(a.public_line, b.public_line);
	put(a.private_pem);
	cr_assert(keys_load_file(path, &back, &err) == 0, "%s", err.msg);
	cr_assert(strncmp(back.public_line, a.public_line, strlen(back.public_line)) == 0);
	cr_assert_str_eq(back.private_pem, a.private_pem);
}

Test(keys, openssh_reads_them)
{
	AUTO_KEYPAIR struct keypair kp = KEYPAIR_INIT;
	AUTO_FREE char *keygen = process_find_program("ssh-keygen", NULL);
	char *argv[] = { keygen, (char *)"-y", (char *)"-f", path, NULL };
	struct process_output out;
	struct error err = ERROR_INIT;

	if (keygen == NULL)
		cr_skip_test("no ssh-keygen here (package openssh-client)");
	cr_assert(keypair_generate("c", &kp, &err) == 0);
	put(kp.private_pem);
	cr_assert(process_run(argv, deadline_in_s(20), 65536, &out, &err) == 0, "%s", err.msg);
	cr_assert_eq(out.status, 0, "%s", out.err_tail);
	cr_assert(strncmp(out.out, kp.public_line, strlen(kp.public_line) - 2) == 0);
	process_output_done(&out);
}

Test(keys, bad_comments_are_refused)
{
	AUTO_KEYPAIR struct keypair kp = KEYPAIR_INIT;

	cr_assert_eq(keypair_generate("", &kp, NULL), -EINVAL);
	cr_assert_eq(keypair_generate("a b", &kp, NULL), -EINVAL);
	cr_assert_eq(keypair_generate("a\nb", &kp, NULL), -EINVAL);
}

Test(keys, encrypted_keys_are_refused_with_a_hint)
{
	AUTO_KEYPAIR struct keypair kp = KEYPAIR_INIT;
	AUTO_FREE char *keygen = process_find_program("ssh-keygen", NULL);
	char *argv[] = { keygen,       (char *)"-q",     (char *)"-t", (char *)"ed25519",
			 (char *)"-N", (char *)"secret", (char *)"-f", path,
			 NULL };
	struct error err = ERROR_INIT;

	if (keygen == NULL)
		cr_skip_test("no ssh-keygen here (package openssh-client)");
	cr_assert(process_check(argv, deadline_in_s(20), &err) == 0, "%s", err.msg);
	cr_assert_eq(keys_load_file(path, &kp, &err), -ENOKEY, "%s", err.msg);
	cr_assert(strstr(err.msg, path) != NULL && err.hint[0] != '\0');
	cr_assert_null(kp.private_pem);
}

Test(keys, files_that_are_no_keys_are_refused)
{
	AUTO_KEYPAIR struct keypair kp = KEYPAIR_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(keys_load_file(path, &kp, &err), -ENOENT);
	cr_assert(strstr(err.msg, path) != NULL);
	put("");
	cr_assert_eq(keys_load_file(path, &kp, &err), -EINVAL);
	put("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA comment\n");
	cr_assert_eq(keys_load_file(path, &kp, &err), -EINVAL);
	put("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
	cr_assert_eq(keys_load_file(path, &kp, &err), -EINVAL);
	cr_assert(truncate(path, 1024 * 1024) == 0);
	cr_assert_eq(keys_load_file(path, &kp, &err), -EFBIG);
}
