/* SPDX-License-Identifier: MIT */
/*
 * A run's devices on the fake kernel: taken as one transaction, given back from the journal alone,
 * whatever fails and in whatever order VMs that share VFs end.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "helper_kernel.h"
#include "host/host.h"
#include "host/ledger.h"
#include "host/quarantine.h"
#include "host/vmdir.h"
#include "run/assignment.h"
#include "run/undo.h"
#include "sysfs/write.h"

#define GPU  "0000:41:00.0"
#define PF   "0000:03:00.0"
#define VGPU "0000:61:00.0"

static struct fake_kernel k;
static struct host host = HOST_INIT;
static char home[64];

static int folder(const char *path)
{
	int fd;

	cr_assert(mkdirat(AT_FDCWD, path, 0700) == 0 || errno == EEXIST);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

static int folder_at_home(const char *name)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	return folder(path);
}

static void setup(void)
{
	char path[96];

	(void)strcpy(home, "/tmp/bmvm-test-XXXXXX");
	cr_assert_not_null(mkdtemp(home));
	fake_start(&k);
	fake_host(&k);
	fake_text(&k, "module/vfio_pci/refcnt", "0\n");
	fake_text(&k, "module/vfio_iommu_type1/refcnt", "0\n");
	host.sys_fd = k.sys.sys_fd;
	host.dev_fd = k.sys.dev_fd;
	host.kernel = &k.sys.kernel;
	host.proc_fd = folder_at_home("proc"); /* nobody uses anything */
	host.run_fd = folder_at_home("run");
	close(folder_at_home("run/vms"));
	host.data_fd = folder_at_home("data");
	close(folder_at_home("data/vms"));
	(void)snprintf(path, sizeof(path), "%s/run", home);
	host.run_dir = strdup(path);
	(void)snprintf(path, sizeof(path), "%s/data", home);
	host.data_dir = strdup(path);
	host.is_root = true;
	(void)strcpy(host.boot_id, "11111111-2222-3333-4444-555555555555");
}

static void teardown(void)
{
	host.sys_fd = -1; /* the fake kernel's */
	host.dev_fd = -1;
	host_done(&host);
	fake_stop(&k);
	(void)file_remove_tree_at(AT_FDCWD, home, NULL);
}

TestSuite(assignment, .init = setup, .fini = teardown, .timeout = 120);

/* ---- a VM as far as its devices go ---- */

struct vm {
	struct vmdir vd;
	struct journal journal;
	struct assignment a;
	struct device_choice choice;
	struct error err;
};

static void want(struct vm *v, enum device_way way, const char *address, unsigned int count,
		 const char *type)
{
	struct device_request *q = reallocarray(v->choice.v, v->choice.n + 1, sizeof(*v->choice.v));

	cr_assert_not_null(q);
	v->choice.v = q;
	q += v->choice.n++;
	*q = (struct device_request){ .way = way, .count = count, .create = count };
	(void)snprintf(q->address, sizeof(q->address), "%s", address);
	(void)snprintf(q->type, sizeof(q->type), "%s", type);
	if (way == DEVICE_WHOLE)
		strv_add(&q->members, address);
}

static void vm_new(struct vm *v, const char *name)
{
	*v = (struct vm){ .vd = VMDIR_INIT, .journal = JOURNAL_INIT };
	cr_assert_eq(vmdir_create(&host, name, &v->vd, &v->err), 0, "%s", v->err.msg);
	cr_assert_eq(journal_open(v->vd.run_fd, host.boot_id, &v->journal, &v->err), 0);
}

static int vm_take(struct vm *v)
{
	const struct assignment_task task = {
		.host = &host, .vm = v->vd.name, .journal = &v->journal, .choice = &v->choice
	};

	v->err = (struct error)ERROR_INIT;
	return assignment_make(&v->a, &task, &v->err);
}

static int vm_undo(struct vm *v, bool has_leases, struct strv *reports)
{
	const struct undo_how how = { .has_leases = has_leases, .reports = reports };

	v->err = (struct error)ERROR_INIT;
	return undo_all(&host, &v->vd, &how, &v->err);
}

/* The differences that the run would report, as text. */
static const char *vm_differences(struct vm *v)
{
	static char text[4096];
	AUTO_JSON struct json_object *list = json_new_array();

	(void)assignment_compare(&v->a, &host, v->vd.name, list, &v->err);
	(void)snprintf(text, sizeof(text), "%s", json_compact(list));
	return text;
}

static void vm_end(struct vm *v)
{
	for (size_t i = 0; i < v->choice.n; i++)
		strv_done(&v->choice.v[i].members);
	free(v->choice.v);
	assignment_done(&v->a);
	journal_close(&v->journal);
	(void)vmdir_remove(&host, &v->vd, NULL);
	vmdir_done(&v->vd);
}

static void undo_cleanly(struct vm *v)
{
	AUTO_STRV struct strv reports = STRV_INIT;

	cr_expect_eq(vm_undo(v, true, &reports), 0, "%s", v->err.msg);
	cr_expect_eq(reports.n, 0, "%s", reports.n > 0 ? reports.v[0] : "");
	cr_expect_str_eq(vm_differences(v), "[]");
}

/* Everything that can be passed, in one VM. */
static void want_all(struct vm *v)
{
	want(v, DEVICE_WHOLE, GPU, 1, "");
	strv_add(&v->choice.v[0].members, "0000:41:00.1");
	want(v, DEVICE_VFS, PF, 2, "");
	want(v, DEVICE_MDEV, "mtty", 1, "nvidia-558");
	want(v, DEVICE_VENDOR_VGPU, VGPU, 1, "558");
}

Test(assignment, everything_in_one_vm)
{
	struct vm v;

	vm_new(&v, "one");
	want_all(&v);
	cr_assert_eq(vm_take(&v), 0, "%s", v.err.msg);
	cr_assert_eq(v.a.n, 6);
	cr_expect_str_eq(fake_driver_of(&k, GPU), "vfio-pci");
	cr_expect_str_eq(fake_driver_of(&k, "0000:41:00.1"), "vfio-pci");
	cr_expect_str_eq(fake_get(&k, "bus/pci/devices/" PF "/sriov_numvfs"), "2");
	cr_expect_str_eq(v.a.v[0].address, GPU);
	cr_expect(v.a.v[0].slot == v.a.v[1].slot && v.a.v[1].function == 1);
	cr_expect_neq(v.a.v[2].slot, v.a.v[0].slot);
	cr_expect_neq(v.a.v[3].slot, v.a.v[2].slot);
	cr_expect_neq(v.a.v[4].uuid[0], '\0');
	cr_expect(strcmp(vm_differences(&v), "[]") != 0, "a comparison that cannot fail");
	undo_cleanly(&v);
	vm_end(&v);
}

/* A fault at the n-th write, n = 1, 2, ...: what was done before it is undone. */
Test(assignment, a_failure_at_any_write_is_undone)
{
	unsigned int n = 1;

	for (;; n++) {
		struct vm v;
		int r;

		fake_reset(&k);
		vm_new(&v, "one");
		want_all(&v);
		k.state->fail_at = n;
		k.state->fail_errno = EIO;
		r = vm_take(&v);
		k.state->fail_at = 0;
		undo_cleanly(&v);
		vm_end(&v);
		if (r == 0)
			break;
		cr_assert_lt(n, 100);
	}
	cr_expect_gt(n, 12, "only %u writes", n);
}

/* The process dies after each write: recover knows nothing but the journal, and has no leases. */
Test(assignment, what_a_killed_guardian_did_is_undone_by_another_process)
{
	for (unsigned int n = 1; n < 100; n++) {
		AUTO_STRV struct strv reports = STRV_INIT;
		struct vm v;
		int r;

		fake_reset(&k);
		vm_new(&v, "one");
		want_all(&v);
		k.state->fail_at = n;
		k.state->fail_errno = EIO;
		r = vm_take(&v);
		k.state->fail_at = 0;
		leases_done(&v.a.leases); /* they die with their process */
		cr_expect_eq(vm_undo(&v, false, &reports), 0, "%s", v.err.msg);
		cr_expect_eq(reports.n, 0);
		cr_expect_eq(vm_undo(&v, false, &reports), 0, "again: %s", v.err.msg);
		cr_expect_str_eq(vm_differences(&v), "[]");
		vm_end(&v);
		if (r == 0)
			return;
	}
	cr_assert_fail("it never succeeds");
}

/* The undo itself fails at its n-th write and is called again.
 */
Test(assignment, an_undo_that_fails_can_be_repeated)
{
	for (unsigned int n = 1; n < 100; n++) {
		AUTO_STRV struct strv reports = STRV_INIT;
		struct vm v;
		int first;

		fake_reset(&k);
		vm_new(&v, "one");
		want_all(&v);
		cr_assert_eq(vm_take(&v), 0, "%s", v.err.msg);
		fake_reset(&k);
		k.state->fail_at = n;
		k.state->fail_errno = EIO;
		first = vm_undo(&v, true, &reports);
		k.state->fail_at = 0;
		cr_expect_eq(vm_undo(&v, true, &reports), 0, "write %u: %s", n, v.err.msg);
		cr_expect_str_eq(vm_differences(&v), "[]", "write %u: %s", n, vm_differences(&v));
		vm_end(&v);
		if (first == 0)
			return;
	}
	cr_assert_fail("it never succeeds");
}

/* ---- VFs of one PF in two VMs ---- */

static void start_two(struct vm *a, struct vm *b)
{
	vm_new(a, "a");
	want(a, DEVICE_VFS, PF, 1, "");
	a->choice.v[0].create = 2;
	vm_new(b, "b");
	want(b, DEVICE_VFS, PF, 1, "");
	b->choice.v[0].create = 2;
	cr_assert_eq(vm_take(a), 0, "%s", a->err.msg);
	cr_assert_eq(vm_take(b), 0, "%s", b->err.msg);
	cr_expect_str_neq(a->a.v[0].address, b->a.v[0].address);
}

static void check_pf_is_as_before(void)
{
	cr_expect_str_eq(fake_get(&k, "bus/pci/devices/" PF "/sriov_numvfs"), "0");
	cr_expect_str_eq(fake_get(&k, "bus/pci/devices/" PF "/sriov_drivers_autoprobe"), "1");
}

Test(assignment, vfs_made_by_the_first_vm_stay_until_the_second_ends)
{
	struct vm a, b;

	start_two(&a, &b);
	undo_cleanly(&a);
	vm_end(&a);
	cr_expect_str_eq(fake_get(&k, "bus/pci/devices/" PF "/sriov_numvfs"), "2");
	undo_cleanly(&b);
	vm_end(&b);
	check_pf_is_as_before();
}

Test(assignment, vfs_made_by_the_first_vm_go_when_it_ends_last)
{
	struct vm a, b;

	start_two(&a, &b);
	undo_cleanly(&b);
	vm_end(&b);
	cr_expect_str_eq(fake_get(&k, "bus/pci/devices/" PF "/sriov_numvfs"), "2");
	undo_cleanly(&a);
	vm_end(&a);
	check_pf_is_as_before();
}

Test(assignment, a_third_vm_finds_no_free_vf)
{
	struct vm a, b, c;

	start_two(&a, &b);
	vm_new(&c, "c");
	want(&c, DEVICE_VFS, PF, 1, "");
	cr_expect_eq(vm_take(&c), -EBUSY);
	cr_expect(strstr(c.err.msg, "0 of its 2 VFs are free") != NULL, "%s", c.err.msg);
	undo_cleanly(&c);
	vm_end(&c);
	undo_cleanly(&a);
	vm_end(&a);
	undo_cleanly(&b);
	vm_end(&b);
	check_pf_is_as_before();
}

Test(assignment, vfs_of_somebody_else_are_used_and_left)
{
	struct vm v;

	cr_assert_eq(fake_write_now(&k, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", "0"), 0);
	cr_assert_eq(fake_write_now(&k, "bus/pci/devices/" PF "/sriov_numvfs", "3"), 0);
	vm_new(&v, "one");
	want(&v, DEVICE_VFS, PF, 2, "");
	cr_assert_eq(vm_take(&v), 0, "%s", v.err.msg);
	undo_cleanly(&v);
	vm_end(&v);
	cr_expect_str_eq(fake_get(&k, "bus/pci/devices/" PF "/sriov_numvfs"), "3");
}

/* ---- what cannot be undone ---- */

Test(assignment, what_somebody_else_changed_is_left_and_reported)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct vm v;

	vm_new(&v, "one");
	want(&v, DEVICE_WHOLE, GPU, 1, "");
	cr_assert_eq(vm_take(&v), 0, "%s", v.err.msg);
	cr_assert_eq(fake_write_now(&k, "bus/pci/devices/" GPU "/driver/unbind", GPU), 0);
	cr_assert_eq(fake_write_now(&k, "bus/pci/devices/" GPU "/driver_override", "pcieport"), 0);
	cr_expect_eq(vm_undo(&v, true, &reports), 0, "%s", v.err.msg);
	cr_expect_eq(reports.n, 1);
	cr_expect(strstr(vm_differences(&v), GPU " driver") != NULL, "%s", vm_differences(&v));
	vm_end(&v);
}

Test(assignment, a_write_that_hangs_quarantines_the_device_until_it_ends)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct quarantine q;
	struct vm v;
	pid_t pid;

	vm_new(&v, "one");
	want(&v, DEVICE_WHOLE, GPU, 1, "");
	cr_assert_eq(vm_take(&v), 0, "%s", v.err.msg);
	/* another process of the VM, killed since, had begun a write that hangs */
	fake_reset(&k);
	k.state->hang_at = 1;
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct sysfs sys = device_sysfs(&host);
		const struct sysfs_change change = { .op = "test",
						     .object = GPU,
						     .path = "bus/pci/devices/" GPU
							     "/driver_override",
						     .value = "amdgpu" };

		sys.lock_fd = v.journal.fd;
		(void)sysfs_change(&sys, &change, UINT64_MAX, NULL);
		_exit(0);
	}
	while (!k.state->hangs)
		clock_sleep_ms(1);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	cr_expect_eq(vm_undo(&v, true, &reports), -ETIMEDOUT);
	cr_expect_eq(quarantine_get(&host, GPU, &q), 1);
	cr_expect(strstr(q.why, "hangs") != NULL, "%s", q.why);
	k.state->released = true;
	for (int i = 0; i < 200 && vm_undo(&v, true, &reports) < 0; i++)
		clock_sleep_ms(10);
	cr_expect_str_eq(vm_differences(&v), "[]");
	vm_end(&v);
}
