/* SPDX-License-Identifier: MIT */
#include "run/attach.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "helper_host.h"

static struct test_host t;
static struct vmdir vd = VMDIR_INIT;

static void setup(void)
{
	test_host_init(&t);
	cr_assert(vmdir_create(&t.host, "one", &vd, NULL) == 0);
	cr_assert(file_mkdirs(vd.data_path, 0700, NULL) == 0);
}

static void teardown(void)
{
	vmdir_done(&vd);
	test_host_done(&t);
}

TestSuite(attach, .init = setup, .fini = teardown);

/* What the guardian of a preserved VM has written down. */
static void save_info(pid_t qemu_pid, uint64_t qemu_start)
{
	AUTO_JSON struct json_object *info = json_new_object();

	json_add_str(info, "state", "preserved");
	json_add_u64(info, "ssh_port", 1);
	json_add_u64(info, "qemu_pid", (uint64_t)qemu_pid);
	json_add_u64(info, "qemu_start", qemu_start);
	cr_assert(vmdir_save_info(&t.host, &vd, info, NULL) == 0);
}

static pid_t process_that_ended(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	cr_assert(pid > 0 && waitpid(pid, NULL, 0) == pid);
	return pid;
}

Test(attach, ssh_says_at_once_that_a_vm_is_off, .timeout = 30)
{
	struct error err = ERROR_INIT;

	save_info(process_that_ended(), 1);
	cr_expect_eq(attach_ssh(&t.host, &vd, NULL, &err), -ENOTCONN);
	cr_expect_str_eq(err.msg, "VM one is off");
	cr_expect_not_null(strstr(err.hint, "bmvm destroy one"), "%s", err.hint);
}

Test(attach, another_process_with_the_pid_of_qemu_is_not_qemu, .timeout = 30)
{
	struct error err = ERROR_INIT;
	uint64_t start = 0;

	cr_assert(process_start_time(t.host.proc_fd, getpid(), &start) == 0);
	save_info(getpid(), start + 1);
	cr_expect_eq(attach_ssh(&t.host, &vd, NULL, &err), -ENOTCONN);
	cr_expect_str_eq(err.msg, "VM one is off");
}

Test(attach, a_vm_that_runs_is_not_said_to_be_off, .timeout = 30)
{
	struct error err = ERROR_INIT;
	uint64_t start = 0;

	cr_assert(process_start_time(t.host.proc_fd, getpid(), &start) == 0);
	save_info(getpid(), start);
	/* it gets as far as the key, which is not there */
	cr_expect_eq(attach_ssh(&t.host, &vd, NULL, &err), -ENOENT, "%s", err.msg);
}
