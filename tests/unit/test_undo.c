/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/process.h"
#include "host/journal.h"
#include "host/ledger.h"
#include "run/recover.h"
#include "run/undo.h"
#include "helper_host.h"

static const struct undo_how drop, keep = { .keep_data = true };
static struct test_host t;
static struct vmdir vd;
static struct journal j;

static void setup(void)
{
	test_host_init(&t);
	vd = (struct vmdir)VMDIR_INIT;
	cr_assert(vmdir_create(&t.host, "vm", &vd, NULL) == 0);
	cr_assert(journal_open(vd.run_fd, t.host.boot_id, &j, NULL) == 0);
}

static void teardown(void)
{
	journal_close(&j);
	vmdir_done(&vd);
	test_host_done(&t);
}

TestSuite(undo, .init = setup, .fini = teardown);

static void intend_process(pid_t pid, uint64_t start)
{
	struct json_object *o = json_new_object();

	json_add_u64(o, "pid", (uint64_t)pid);
	json_add_u64(o, "start", start);
	cr_assert(journal_intend(&j, OP_PROCESS, o, NULL) > 0);
}

static pid_t start_sleeper(uint64_t *start)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	cr_assert(process_start_time(t.host.proc_fd, pid, start) == 0);
	return pid;
}

static void make_data(void)
{
	AUTO_JSON struct json_object *info = json_new_object();

	cr_assert(journal_intend(&j, OP_DATA, json_new_object(), NULL) > 0);
	cr_assert(mkdir(vd.data_path, 0700) == 0);
	json_add_str(info, "state", "preserved");
	cr_assert(vmdir_save_info(&t.host, &vd, info, NULL) == 0);
}

Test(undo, kills_the_recorded_process)
{
	uint64_t start = 0;
	pid_t pid = start_sleeper(&start);
	int status = 0;

	intend_process(pid, start);
	cr_expect(undo_all(&t.host, &vd, &drop, NULL) == 0);
	cr_assert(waitpid(pid, &status, WNOHANG) == pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

Test(undo, leaves_another_process_with_the_same_pid_alone)
{
	uint64_t start = 0;
	pid_t pid = start_sleeper(&start);

	intend_process(pid, start + 1);
	cr_expect(undo_all(&t.host, &vd, &drop, NULL) == 0);
	cr_expect(waitpid(pid, NULL, WNOHANG) == 0);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

Test(undo, leaves_processes_alone_when_the_record_is_of_another_boot)
{
	uint64_t start = 0;
	pid_t pid = start_sleeper(&start);

	intend_process(pid, start);
	(void)snprintf(t.host.boot_id, sizeof(t.host.boot_id), "another");
	cr_expect(undo_all(&t.host, &vd, &drop, NULL) == 0);
	cr_expect(waitpid(pid, NULL, WNOHANG) == 0);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

Test(undo, removes_the_data_folder_or_keeps_it)
{
	struct stat st;

	make_data();
	cr_expect(undo_all(&t.host, &vd, &keep, NULL) == 0);
	cr_expect(stat(vd.data_path, &st) == 0);
	cr_expect(undo_all(&t.host, &vd, &drop, NULL) == 0);
	cr_expect(stat(vd.data_path, &st) < 0 && errno == ENOENT);
	cr_expect(undo_all(&t.host, &vd, &drop, NULL) == 0);
}

Test(undo, refuses_an_operation_it_does_not_know_but_does_the_others)
{
	struct error err = ERROR_INIT;
	uint64_t sum = 1;
	struct json_object *o = json_new_object();

	json_add_str(o, "key", LEDGER_MEMORY);
	cr_assert(journal_intend(&j, OP_LEDGER, o, NULL) > 0);
	cr_assert(ledger_hold(&t.host, LEDGER_MEMORY, "vm", 5, NULL) == 0);
	cr_assert(journal_intend(&j, "teleport", json_new_object(), NULL) > 0);
	cr_expect(undo_all(&t.host, &vd, &drop, &err) == -ENOTSUP);
	cr_assert(ledger_held(&t.host, LEDGER_MEMORY, NULL, &sum, NULL) == 0);
	cr_expect(sum == 0);
}

Test(undo, recover_keeps_a_preserved_vm_until_it_is_dropped)
{
	static const struct recover_how all_but_its_data, all = { .drop = true };
	struct stat st;

	make_data();
	cr_expect(recover_vm(&t.host, &vd, &all_but_its_data, NULL) == 1);
	cr_expect(stat(vd.data_path, &st) == 0);
	cr_expect(recover_vm(&t.host, &vd, &all, NULL) == 0);
	cr_expect(stat(vd.data_path, &st) < 0);
	cr_expect(faccessat(t.host.run_fd, "vms/vm", F_OK, 0) < 0);
}

Test(undo, recover_leaves_a_live_vm_alone_and_removes_a_dead_one)
{
	AUTO_JSON struct json_object *list = NULL;
	AUTO_JSON struct json_object *list2 = NULL;
	struct vmdir again = VMDIR_INIT;

	cr_assert(recover_all(&t.host, &list, NULL) == 0);
	cr_expect(json_object_array_length(list) == 0);
	vmdir_done(&vd);
	cr_assert(recover_all(&t.host, &list2, NULL) == 0);
	cr_assert(json_object_array_length(list2) == 1);
	cr_expect_str_eq(json_str_or(json_object_array_get_idx(list2, 0), "result", ""), "removed");
	cr_expect(vmdir_open(&t.host, "vm", &again, NULL) == -ENOENT);
}

Test(undo, recover_removes_what_a_reboot_left)
{
	AUTO_JSON struct json_object *list = NULL;
	struct stat st;
	char path[128];

	cr_assert(mkdir(vd.data_path, 0700) == 0);
	(void)snprintf(path, sizeof(path), "%s", vd.data_path);
	vmdir_done(&vd);
	test_host_reboot(&t);
	cr_assert(recover_all(&t.host, &list, NULL) == 0);
	cr_expect(stat(path, &st) < 0);
}
