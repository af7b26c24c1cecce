/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "host/ledger.h"
#include "host/vmdir.h"
#include "helper_host.h"

static struct test_host t;

static void setup(void)
{
	test_host_init(&t);
}

static void teardown(void)
{
	test_host_done(&t);
}

TestSuite(vmdir, .init = setup, .fini = teardown);
TestSuite(ledger, .init = setup, .fini = teardown);

Test(vmdir, names_are_hostnames)
{
	char longest[VM_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	longest[VM_NAME_MAX + 1] = '\0';
	cr_expect_not(syntax_is_vm_name(longest));
	longest[VM_NAME_MAX] = '\0';
	cr_expect(syntax_is_vm_name(longest));
	cr_expect(syntax_is_vm_name("a-1"));
	for (size_t i = 0; i < 9; i++) {
		static const char *const bad[] = { "",    "-a", "a-",  "A",  "a_b",
						   "a/b", "..", "a b", "a\n" };

		cr_expect_not(syntax_is_vm_name(bad[i]), "%s", bad[i]);
	}
}

Test(vmdir, a_name_is_taken_until_it_is_removed)
{
	AUTO_VMDIR struct vmdir a = VMDIR_INIT, b = VMDIR_INIT;
	struct error err = ERROR_INIT;

	cr_assert(vmdir_create(&t.host, "one", &a, &err) == 0, "%s", err.msg);
	cr_expect(vmdir_create(&t.host, "one", &b, &err) == -EEXIST);
	cr_expect(vmdir_is_alive(&a) == true);
	cr_expect(vmdir_remove(&t.host, &a, &err) == 0);
	cr_expect(vmdir_create(&t.host, "one", &b, &err) == 0);
}

Test(vmdir, made_up_names_differ)
{
	AUTO_VMDIR struct vmdir a = VMDIR_INIT, b = VMDIR_INIT;

	cr_assert(vmdir_create(&t.host, NULL, &a, NULL) == 0);
	cr_assert(vmdir_create(&t.host, NULL, &b, NULL) == 0);
	cr_expect_str_neq(a.name, b.name);
	cr_expect(syntax_is_vm_name(a.name));
}

Test(vmdir, a_beginning_is_enough_unless_ambiguous)
{
	AUTO_VMDIR struct vmdir a = VMDIR_INIT, b = VMDIR_INIT, o = VMDIR_INIT;
	struct error err = ERROR_INIT;

	cr_assert(vmdir_create(&t.host, "alpha", &a, NULL) == 0);
	cr_assert(vmdir_create(&t.host, "alp", &b, NULL) == 0);
	cr_expect(vmdir_open(&t.host, "al", &o, &err) == -EEXIST);
	cr_expect(strstr(err.msg, "alpha") != NULL);
	cr_expect(vmdir_open(&t.host, "alp", &o, &err) == 0);
	cr_expect_str_eq(o.name, "alp");
	vmdir_done(&o);
	cr_expect(vmdir_open(&t.host, "beta", &o, &err) == -ENOENT);
	cr_expect(vmdir_open(&t.host, "", &o, &err) < 0);
}

/* The lock is inherited: it lives until the last process that has it. */
Test(vmdir, a_name_that_is_not_there_is_quoted)
{
	AUTO_VMDIR struct vmdir a = VMDIR_INIT;
	struct error err = ERROR_INIT;

	cr_expect_eq(vmdir_open(&t.host, "", &a, &err), -ENOENT);
	cr_expect_str_eq(err.msg, "there is no VM named \"\"");
}

Test(vmdir, is_alive_as_long_as_any_process_holds_the_lock)
{
	AUTO_VMDIR struct vmdir a = VMDIR_INIT, o = VMDIR_INIT;
	struct error err = ERROR_INIT;
	pid_t child;

	cr_assert(vmdir_create(&t.host, "vm", &a, NULL) == 0);
	child = fork();
	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	vmdir_done(&a);
	cr_assert(vmdir_open(&t.host, "vm", &o, &err) == 0);
	cr_expect(vmdir_is_alive(&o));
	cr_expect(vmdir_claim(&t.host, &o, &err) == -EWOULDBLOCK);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	cr_expect_not(vmdir_is_alive(&o));
	cr_expect(vmdir_claim(&t.host, &o, &err) == 0, "%s", err.msg);
}

Test(vmdir, a_data_folder_alone_is_a_dead_vm)
{
	AUTO_VMDIR struct vmdir a = VMDIR_INIT, o = VMDIR_INIT;
	AUTO_STRV struct strv names = STRV_INIT;
	struct error err = ERROR_INIT;

	cr_assert(vmdir_create(&t.host, "vm", &a, NULL) == 0);
	cr_assert(mkdirat(t.host.data_fd, "vms/vm", 0700) == 0);
	vmdir_done(&a);
	test_host_reboot(&t);
	cr_assert(vmdir_list(&t.host, &names, &err) == 0);
	cr_assert(names.n == 1);
	cr_assert(vmdir_open(&t.host, "vm", &o, &err) == 0);
	cr_expect_not(vmdir_is_alive(&o));
	cr_expect(vmdir_claim(&t.host, &o, &err) == 0, "%s", err.msg);
}

/* As another session of the user has it: the same data folder, a run folder of its own. */
Test(vmdir, a_vm_of_another_session_is_alive_and_cannot_be_claimed)
{
	AUTO_VMDIR struct vmdir mine = VMDIR_INIT, seen = VMDIR_INIT;
	struct host other = t.host;
	struct error err = ERROR_INIT;
	char path[128];

	cr_assert(vmdir_create(&t.host, "one", &mine, &err) == 0, "%s", err.msg);
	cr_assert(vmdir_make_data(&t.host, &mine, &err) == 0, "%s", err.msg);
	(void)snprintf(path, sizeof(path), "%s/elsewhere", t.prefix);
	cr_assert(mkdir(path, 0700) == 0);
	other.run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other.run_dir = path;
	cr_assert(mkdirat(other.run_fd, "vms", 0700) == 0);

	cr_assert(vmdir_open(&other, "one", &seen, &err) == 0, "%s", err.msg);
	cr_expect(vmdir_is_alive(&seen));
	cr_expect(vmdir_claim(&other, &seen, &err) == -EWOULDBLOCK);
	cr_expect(strstr(err.msg, "another run folder") != NULL, "%s", err.msg);
	cr_expect(faccessat(other.run_fd, "vms/one", F_OK, 0) < 0, "the failed claim left a trace");
	vmdir_done(&mine); /* it ends, and leaves its data folder */
	vmdir_done(&seen);
	cr_assert(vmdir_open(&other, "one", &seen, &err) == 0);
	cr_expect_not(vmdir_is_alive(&seen));
	cr_expect(vmdir_claim(&other, &seen, &err) == 0, "%s", err.msg);
	close_fd(&other.run_fd);
}

Test(ledger, sums_holders_and_forgets_them)
{
	uint64_t sum = 1;

	cr_assert(ledger_held(&t.host, "memory", NULL, &sum, NULL) == 0);
	cr_expect(sum == 0);
	cr_assert(ledger_hold(&t.host, "memory", "a", 5, NULL) == 0);
	cr_assert(ledger_hold(&t.host, "memory", "b", 7, NULL) == 0);
	cr_assert(ledger_hold(&t.host, "memory", "b", 8, NULL) == 0);
	cr_assert(ledger_held(&t.host, "memory", NULL, &sum, NULL) == 0);
	cr_expect(sum == 13);
	cr_assert(ledger_held(&t.host, "memory", "a", &sum, NULL) == 0);
	cr_expect(sum == 8);
	cr_assert(ledger_release(&t.host, "memory", "b", NULL) == 0);
	cr_assert(ledger_release(&t.host, "memory", "b", NULL) == 0);
	cr_assert(ledger_held(&t.host, "memory", NULL, &sum, NULL) == 0);
	cr_expect(sum == 5);
}

Test(ledger, lets_go_of_all_a_lost_vm_held)
{
	uint64_t sum;

	cr_assert(ledger_hold(&t.host, "memory", "lost", 5, NULL) == 0);
	cr_assert(ledger_hold(&t.host, "cpu:1", "lost", 1, NULL) == 0);
	cr_assert(ledger_hold(&t.host, "cpu:2", "lost", 1, NULL) == 0);
	cr_assert(ledger_hold(&t.host, "memory", "other", 8, NULL) == 0);
	cr_assert(ledger_release_lost(&t.host, "lost", NULL) == 0);
	cr_assert(ledger_release_lost(&t.host, "lost", NULL) == 0);
	cr_assert(ledger_held(&t.host, "memory", NULL, &sum, NULL) == 0);
	cr_expect(sum == 8);
	cr_assert(ledger_held(&t.host, "cpu:1", NULL, &sum, NULL) == 0);
	cr_expect(sum == 0);
	cr_assert(ledger_held(&t.host, "cpu:2", NULL, &sum, NULL) == 0);
	cr_expect(sum == 0);
}

/* A file system in the place of the run folder that has room for @inodes, its own one included. */
static void mount_small(unsigned int inodes)
{
	char options[64];

	if (unshare(CLONE_NEWNS) < 0)
		cr_skip_test("no mount namespace: root is needed");
	(void)snprintf(options, sizeof(options), "mode=700,nr_inodes=%u", inodes);
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("none", t.host.run_dir, "tmpfs", 0, options), 0);
	close_fd(&t.host.run_fd);
	t.host.run_fd = open(t.host.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(t.host.run_fd, 0);
}

Test(ledger, is_given_back_on_a_full_file_system)
{
	struct error err = ERROR_INIT;
	uint64_t sum = 1;

	mount_small(4); /* the folder, its lock, the ledger, and a second file */
	cr_assert_eq(ledger_hold(&t.host, LEDGER_MEMORY, "one", 100, &err), 0, "%s", err.msg);
	cr_assert_eq(ledger_hold(&t.host, LEDGER_MEMORY, "two", 20, &err), 0, "%s", err.msg);
	cr_assert_eq(mkdirat(t.host.run_fd, "full", 0700), 0);
	cr_expect_eq(ledger_hold(&t.host, LEDGER_MEMORY, "three", 3, NULL), -ENOSPC);
	cr_expect_eq(ledger_release(&t.host, LEDGER_MEMORY, "one", &err), 0, "%s", err.msg);
	cr_expect_eq(ledger_held(&t.host, LEDGER_MEMORY, NULL, &sum, NULL), 0);
	cr_expect_eq(sum, 20);
	cr_expect_eq(ledger_release(&t.host, LEDGER_MEMORY, "two", &err), 0, "%s", err.msg);
	cr_expect_eq(ledger_held(&t.host, LEDGER_MEMORY, NULL, &sum, NULL), 0);
	cr_expect_eq(sum, 0);
	cr_expect_eq(umount2(t.host.run_dir, MNT_DETACH), 0);
}

Test(ledger, of_an_earlier_boot_is_empty)
{
	uint64_t sum = 1;
	AUTO_JSON struct json_object *old = NULL;

	cr_assert(ledger_hold(&t.host, "memory", "a", 5, NULL) == 0);
	cr_assert(json_load_at(t.host.run_fd, "ledger.json", &old, NULL) == 0);
	test_host_reboot(&t);
	cr_assert(json_save_at(t.host.run_fd, "ledger.json", old, 0600, NULL) == 0);
	cr_assert(ledger_held(&t.host, "memory", NULL, &sum, NULL) == 0);
	cr_expect(sum == 0);
}

static void append_rest(void *data, const char *rest)
{
	strcat(data, rest);
	strcat(data, " ");
}

Test(ledger, tells_the_keys_of_one_kind)
{
	char rests[64] = "";

	cr_assert(ledger_hold(&t.host, "cpu:3", "a", 1, NULL) == 0);
	cr_assert(ledger_hold(&t.host, "memory", "a", 5, NULL) == 0);
	cr_assert(ledger_hold(&t.host, "cpu:7", "b", 1, NULL) == 0);
	cr_assert(ledger_each(&t.host, "cpu:", append_rest, rests, NULL) == 0);
	cr_expect_str_eq(rests, "3 7 ");
	cr_assert(ledger_release(&t.host, "cpu:3", "a", NULL) == 0);
	rests[0] = '\0';
	cr_assert(ledger_each(&t.host, "cpu:", append_rest, rests, NULL) == 0);
	cr_expect_str_eq(rests, "7 ");
}
