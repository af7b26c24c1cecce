/* SPDX-License-Identifier: MIT */
/*
 * Whatever happens at whichever write: with the undo of what was intended the host is as it was.
 *
 * Each scenario is run with a fault at its n-th write for n = 1, 2, ... until it meets none any
 * more, always on the same host, whose snapshot is compared each time.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "helper_kernel.h"
#include "sysfs/clock.h"
#include "sysfs/driver.h"
#include "sysfs/mdev.h"
#include "sysfs/nvidia.h"
#include "sysfs/snapshot.h"
#include "sysfs/sriov.h"

#define UUID "0b5e3a4c-9d1f-4c2e-8a77-0123456789ab"

static struct fake_kernel k;
static struct sysfs_error err;
static struct snapshot before;

/* What a caller's journal holds: the operations that were intended. */
static struct {
	struct driver_binding bindings[8];
	size_t n_bindings;
	struct sriov_change change;
	bool has_change;
	bool has_mdev;
	bool has_vgpu;
} journal;

static const struct pci_address touched[] = {
	{ .bus = 0x41 },
	{ .bus = 0x41, .function = 1 },
	{ .bus = 0x42 },
	{ .bus = 0x43 },
	{ .bus = 0x03 },
	{ .bus = 0x51 },
	{ .bus = 0x61, .function = 4 },
};

static struct snapshot take(void)
{
	static const char *const parents[] = { "mtty" };
	struct snapshot_scope scope = { .functions = touched,
					.n_functions = sizeof(touched) / sizeof(*touched),
					.parents = parents,
					.n_parents = 1 };
	struct snapshot s;

	cr_assert_eq(snapshot_take(&k.sys, &scope, &s, &err), 0, "%s", err.text);
	return s;
}

static void setup(void)
{
	char path[PATH_MAX + 8];

	fake_start_host(&k);
	snprintf(path, sizeof(path), "%s/lock", k.root);
	k.sys.lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	cr_assert_geq(k.sys.lock_fd, 0);
	before = take();
	cr_assert_gt(before.n, 60);
}

static void teardown(void)
{
	snapshot_done(&before);
	close(k.sys.lock_fd);
	fake_stop(&k);
}

TestSuite(sysfs_faults, .init = setup, .fini = teardown);

static uint64_t soon(void)
{
	return sysfs_deadline_ms(5000);
}

static int take_function(const struct pci_address *address, uint64_t deadline)
{
	struct driver_binding *binding = &journal.bindings[journal.n_bindings];
	int r = driver_plan(&k.sys, address, "vfio-pci", binding, &err);

	if (r < 0)
		return r;
	journal.n_bindings++;
	return driver_bind(&k.sys, binding, deadline, &err);
}

/* A GPU with its audio, one without driver, and one with an override of the admin. */
static int take_functions(uint64_t deadline)
{
	static const size_t order[] = { 1, 0, 2, 3 };

	for (size_t i = 0; i < 4; i++) {
		int r = take_function(&touched[order[i]], deadline);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_vfs(uint64_t deadline)
{
	struct pci_vf *vfs = NULL;
	size_t n = 0;
	int r = sriov_plan(&k.sys, &touched[4], 2, &journal.change, &err);

	if (r < 0)
		return r;
	journal.has_change = true;
	r = sriov_create(&k.sys, &journal.change, deadline, &err);
	if (r < 0)
		return r;
	cr_assert_eq(pci_vfs_read(&k.sys, &touched[4], &vfs, &n), 0);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = take_function(&vfs[i].address, deadline);
	free(vfs);
	return r;
}

static int make_pci_mdev(uint64_t deadline)
{
	journal.has_mdev = true;
	return mdev_create(&k.sys, "0000:51:00.0", "nvidia-558", UUID, deadline, &err);
}

static int make_class_mdev(uint64_t deadline)
{
	journal.has_mdev = true;
	return mdev_create(&k.sys, "mtty", "nvidia-559", UUID, deadline, &err);
}

static int make_vgpu(uint64_t deadline)
{
	journal.has_vgpu = true;
	return nvidia_set(&k.sys, &touched[6], 558, deadline, &err);
}

/* Play the journal backwards; what is undone stays in it, as undoing is idempotent. */
static int undo(void)
{
	struct nvidia_retry quick = { .times = 3, .pause_ms = 1 };
	int r = 0;

	if (journal.has_vgpu)
		r = nvidia_clear(&k.sys, &touched[6], 558, quick, soon(), &err);
	if (r == 0 && journal.has_mdev)
		r = mdev_remove(&k.sys, UUID, 0, soon(), &err);
	for (size_t i = journal.n_bindings; r == 0 && i > 0; i--) {
		r = driver_give_back(&k.sys, &journal.bindings[i - 1], soon(), &err);
		/* A VF that has gone with its PF's was given back before. */
		if (r == -ENODEV && journal.has_change)
			r = 0;
	}
	if (r == 0 && journal.has_change)
		r = sriov_remove(&k.sys, &journal.change, soon(), &err);
	return r;
}

static void expect_as_before(const char *name, unsigned int n)
{
	AUTO_SNAPSHOT struct snapshot after = take();
	struct snapshot_difference *d = NULL;
	ssize_t differences = snapshot_compare(&before, &after, NULL, NULL, &d);

	cr_assert_eq(differences, 0, "%s, write %u: %s %s was %s and is %s", name, n, d[0].object,
		     d[0].field, d[0].before, d[0].after);
	free(d);
}

static const struct {
	const char *name;
	int (*run)(uint64_t deadline);
	unsigned int n_writes;
} scenarios[] = {
	{ "functions", take_functions, 4 + 4 + 3 + 4 },
	{ "VFs", make_vfs, 2 + 3 + 3 },
	{ "PCI mdev", make_pci_mdev, 1 },
	{ "class mdev", make_class_mdev, 1 },
	{ "vGPU", make_vgpu, 1 },
};

#define N_SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

static void begin(void)
{
	fake_reset(&k);
	memset(&journal, 0, sizeof(journal));
}

static void fail_at(unsigned int n)
{
	k.state->fail_at = n;
	k.state->fail_errno = EINVAL;
}

static void die_at(unsigned int n)
{
	k.state->die_at = n;
}

static void refuse_intent_at(unsigned int n)
{
	k.intents_before_write = n;
}

static void no_faults(void)
{
	k.state->fail_at = k.state->die_at = 0;
	k.state->hang_at = k.state->hang_after_at = 0;
	k.intents_before_write = 0;
}

static void expect_undo_after(void (*fault)(unsigned int n))
{
	for (size_t i = 0; i < N_SCENARIOS; i++) {
		unsigned int n = 1;

		for (;; n++) {
			begin();
			fault(n);

			int r = scenarios[i].run(soon());

			no_faults();
			cr_assert_eq(undo(), 0, "%s, write %u: %s", scenarios[i].name, n, err.text);
			expect_as_before(scenarios[i].name, n);
			if (r == 0)
				break;
		}
		cr_assert_eq(n, scenarios[i].n_writes + 1, "%s: %u", scenarios[i].name, n);
	}
}

Test(sysfs_faults, a_write_that_fails_is_undone)
{
	expect_undo_after(fail_at);
}

Test(sysfs_faults, a_helper_that_dies_is_undone)
{
	expect_undo_after(die_at);
}

Test(sysfs_faults, a_caller_that_stops_is_undone)
{
	expect_undo_after(refuse_intent_at);
}

Test(sysfs_faults, an_undo_that_fails_can_be_repeated)
{
	for (size_t i = 0; i < N_SCENARIOS; i++) {
		for (unsigned int n = 1;; n++) {
			begin();
			cr_assert_eq(scenarios[i].run(soon()), 0, "%s", err.text);
			fail_at(k.state->n_writes + n);

			int r = undo();

			no_faults();
			cr_assert_eq(undo(), 0, "%s, write %u: %s", scenarios[i].name, n, err.text);
			expect_as_before(scenarios[i].name, n);
			if (r == 0)
				break;
		}
	}
}

Test(sysfs_faults, undoing_twice_writes_nothing_more)
{
	for (size_t i = 0; i < N_SCENARIOS; i++) {
		begin();
		cr_assert_eq(scenarios[i].run(soon()), 0, "%s", err.text);
		cr_assert_eq(undo(), 0);

		unsigned int n = k.state->n_writes;

		cr_assert_eq(undo(), 0, "%s", err.text);
		cr_assert_eq(k.state->n_writes, n, "%s", scenarios[i].name);
	}
}

static bool lock_is_free(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", k.sys.lock_fd);

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;

	close(fd);
	return is_free;
}

/*
 * The n-th write hangs, before or after its effect. Return: false when the machine was so slow that
 * the deadline passed before that write.
 */
static bool run_into_hang(size_t i, unsigned int n, bool after, uint64_t ms)
{
	uint64_t start = sysfs_now_ns();

	begin();
	k.state->hang_at = after ? 0 : n;
	k.state->hang_after_at = after ? n : 0;
	err = (struct sysfs_error){ 0 };
	cr_assert_eq(scenarios[i].run(sysfs_deadline_ms(ms)), -ETIMEDOUT, "%s, write %u: %s",
		     scenarios[i].name, n, err.text);
	cr_assert_lt(sysfs_now_ns() - start, (ms + 2000) * 1000000);
	if (err.wedged == 0 || !fake_wait_hang(&k, err.wedged))
		return false;
	cr_assert_eq(k.state->n_writes, n);
	cr_assert(!lock_is_free(), "%s, write %u", scenarios[i].name, n);
	fake_release(&k, err.wedged);
	cr_assert(lock_is_free());
	return true;
}

static void expect_undo_after_hang(size_t i, unsigned int n, bool after)
{
	bool hung = false;

	for (uint64_t ms = 60; !hung && ms < 10000; ms *= 4) {
		hung = run_into_hang(i, n, after, ms);
		no_faults();
		cr_assert_eq(undo(), 0, "%s, write %u: %s", scenarios[i].name, n, err.text);
		expect_as_before(scenarios[i].name, n);
	}
	cr_assert(hung, "%s, write %u", scenarios[i].name, n);
}

Test(sysfs_faults, a_write_that_hangs_is_undone_when_it_has_come_through)
{
	for (size_t i = 0; i < N_SCENARIOS; i++) {
		for (unsigned int n = 1; n <= scenarios[i].n_writes; n++) {
			expect_undo_after_hang(i, n, false);
			expect_undo_after_hang(i, n, true);
		}
	}
}

static bool has_line(const struct snapshot *s, const char *object, const char *field,
		     const char *value)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->v[i].object, object) == 0 && strcmp(s->v[i].field, field) == 0)
			return strcmp(s->v[i].value, value) == 0;
	}
	return false;
}

static bool is_gpu(const char *object, void *data)
{
	(void)data;
	return strcmp(object, "0000:41:00.0") == 0;
}

Test(sysfs_faults, a_snapshot_sees_what_a_run_changes)
{
	begin();
	cr_assert(has_line(&before, "0000:41:00.0", "driver", "amdgpu"));
	cr_assert(has_line(&before, "0000:41:00.0", "driver_override", ""));
	cr_assert(has_line(&before, "0000:41:00.0", "present", "yes"));
	cr_assert(has_line(&before, "0000:61:00.0", "virtfns", "0=0000:61:00.4"), "the PF too");
	cr_assert(has_line(&before, "group 5", "node", ""));
	cr_assert(has_line(&before, "mdev mtty", "devices", ""));
	cr_assert_eq(take_functions(soon()), 0);
	cr_assert_eq(make_vfs(soon()), 0, "%s", err.text);
	cr_assert_eq(make_class_mdev(soon()), 0);
	cr_assert_eq(make_vgpu(soon()), 0);

	AUTO_SNAPSHOT struct snapshot after = take();
	struct snapshot_difference *d = NULL;

	cr_assert(has_line(&after, "0000:41:00.0", "driver", "vfio-pci"));
	cr_assert(has_line(&after, "0000:03:00.0", "virtfns", "0=0000:04:00.0 1=0000:04:00.2"));
	cr_assert(has_line(&after, "0000:03:00.0", "sriov_numvfs", "2"));
	cr_assert(has_line(&after, "0000:03:00.0", "sriov_drivers_autoprobe", "0"));
	cr_assert(has_line(&after, "0000:61:00.4", "nvidia/current_vgpu_type", "558"));
	cr_assert(has_line(&after, "mdev mtty", "devices", UUID "=nvidia-559"));
	cr_assert(has_line(&after, "mdev mtty", "available/nvidia-559", "0"));
	cr_assert(has_line(&after, "group 5", "node", "0600 0 0") || geteuid() != 0);
	cr_assert_eq(snapshot_compare(&before, &after, is_gpu, NULL, &d), 1);
	cr_assert_str_eq(d[0].field, "driver");
	free(d);
	cr_assert_eq(undo(), 0, "%s", err.text);
	expect_as_before("all", 0);
}

Test(sysfs_faults, a_function_that_is_not_there_is_in_the_snapshot)
{
	static const struct pci_address none = { .bus = 0x99 };
	struct snapshot_scope scope = { .functions = &none, .n_functions = 1 };
	AUTO_SNAPSHOT struct snapshot s = { 0 };

	cr_assert_eq(snapshot_take(&k.sys, &scope, &s, &err), 0);
	cr_assert(has_line(&s, "0000:99:00.0", "present", "no"));
	cr_assert_eq(s.n, 3);
}
