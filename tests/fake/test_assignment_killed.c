/* SPDX-License-Identifier: MIT */
/*
 * A guardian that is killed, before, after or within whichever write of its run's devices.
 *
 * It is a process of its own here; who undoes then is another one that has nothing but the journal.
 * Each mode is run with n = 1, 2, ..., until there is no n-th write any more, always on the same
 * host, which has to be as it was in the end.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "helper_taking.h"
#include "host/quarantine.h"
#include "run/recover.h"
#include "run/undo.h"

#define WRITES_MAX 100
#define SHORT_MS   50

TAKING_SUITE(assignment_killed, 280);

/* ---- a guardian that is killed ---- */

/* Take all of a mode in a process of its own. Return: its pid. */
static pid_t start_guardian(const struct taking_mode *mode)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct taking_vm v;

		taking_vm(&v, &t, "one");
		mode->want(&v);
		_exit(taking_make(&v) == 0 ? 0 : 1);
	}
	cr_assert_gt(pid, 0);
	return pid;
}

/* Undo the VM's journal as recover does. Return: as undo_all(). */
static int undo_here(unsigned int settle_ms, struct error *err)
{
	const struct undo_how how = { .settle_ms = settle_ms };
	AUTO_VMDIR struct vmdir vd = VMDIR_INIT;

	cr_assert_eq(vmdir_open(&t.host, "one", &vd, err), 0, "%s", err->msg);
	return undo_all(&t.host, &vd, &how, err);
}

/* The same in a fresh process. Return: its pid; it exits with 0 when all is undone. */
static pid_t start_undo(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct error err = ERROR_INIT;

		_exit(undo_here(0, &err) == 0 ? 0 : 1);
	}
	cr_assert_gt(pid, 0);
	return pid;
}

/* Return: whether it was killed; else it succeeded. */
static bool was_killed(pid_t pid)
{
	int status = 0;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static void remove_vm(void)
{
	AUTO_VMDIR struct vmdir vd = VMDIR_INIT;

	cr_assert_eq(vmdir_open(&t.host, "one", &vd, NULL), 0);
	cr_assert_eq(vmdir_claim(&t.host, &vd, NULL), 0);
	cr_assert_eq(vmdir_remove(&t.host, &vd, NULL), 0);
}

static void expect_undone(const struct taking_mode *mode, const char *fault, unsigned int n)
{
	cr_assert(!was_killed(start_undo()));
	remove_vm();
	taking_expect_as_before(&t, mode, fault, n);
}

static void kill_guardian(bool after)
{
	for (size_t i = 0; i < TAKING_MODES; i++) {
		unsigned int n = 0;
		bool killed = true;

		while (killed) {
			fake_reset(k);
			*(after ? &k->state->kill_after_at : &k->state->kill_at) = ++n;
			killed = was_killed(start_guardian(&taking_modes[i]));
			fake_reset(k);
			expect_undone(&taking_modes[i], after ? "killed after" : "killed before",
				      n);
			cr_assert_lt(n, WRITES_MAX);
		}
		cr_assert_eq(n, taking_modes[i].n_writes + 1, "%s: %u", taking_modes[i].name, n);
	}
}

Test(assignment_killed, a_guardian_killed_before_a_write)
{
	kill_guardian(false);
}

Test(assignment_killed, a_guardian_killed_after_a_write)
{
	kill_guardian(true);
}

Test(assignment_killed, who_undoes_is_killed_too)
{
	for (size_t i = 0; i < TAKING_MODES; i++) {
		unsigned int n = 0;
		bool killed = true;

		while (killed) {
			fake_reset(k);
			cr_assert(!was_killed(start_guardian(&taking_modes[i])));
			fake_reset(k);
			k->state->kill_after_at = ++n;
			killed = was_killed(start_undo());
			fake_reset(k);
			expect_undone(&taking_modes[i], "undo killed after", n);
			cr_assert_lt(n, WRITES_MAX);
		}
	}
}

/* ---- a write that hangs ---- */

static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	       info.si_pid == pid;
}

/* The n-th write hangs, and the guardian is killed meanwhile. Return: whether there is one. */
static bool hang_guardian(const struct taking_mode *mode, unsigned int n, bool after)
{
	pid_t pid;

	fake_reset(k);
	*(after ? &k->state->hang_after_at : &k->state->hang_at) = n;
	pid = start_guardian(mode);
	while (!k->state->hangs && !has_ended(pid))
		clock_sleep_ms(1);
	(void)kill(pid, SIGKILL);
	return was_killed(pid) && k->state->hangs;
}

/* Nobody calls that host clean: what cannot be undone now is quarantined, and says why. */
static void expect_quarantined(const struct taking_mode *mode, unsigned int n)
{
	AUTO_STRV struct strv list = STRV_INIT;
	struct error err = ERROR_INIT;
	struct quarantine entry;

	cr_assert_eq(undo_here(SHORT_MS, &err), -ETIMEDOUT, "%s, write %u", mode->name, n);
	cr_assert_not_null(strstr(err.msg, "hangs in the kernel"), "%s", err.msg);
	cr_assert_eq(quarantine_list(&t.host, &list, NULL), 0);
	cr_assert_geq(list.n, 1, "%s, write %u", mode->name, n);
	cr_assert_eq(quarantine_get(&t.host, list.v[0], &entry), 1);
	cr_assert_not_null(strstr(entry.why, "hangs"), "%s", entry.why);
}

static void write_that_hangs(bool after)
{
	for (size_t i = 0; i < TAKING_MODES; i++) {
		for (unsigned int n = 1; n <= taking_modes[i].n_writes; n++) {
			cr_assert(hang_guardian(&taking_modes[i], n, after), "%s, write %u",
				  taking_modes[i].name, n);
			expect_quarantined(&taking_modes[i], n);
			k->state->released = true;
			expect_undone(&taking_modes[i], after ? "hung after" : "hung before", n);
		}
	}
}

Test(assignment_killed, a_write_that_hangs_before_its_effect)
{
	write_that_hangs(false);
}

Test(assignment_killed, a_write_that_hangs_after_its_effect)
{
	write_that_hangs(true);
}

/* Each that is of no use to wait for costs the next run of everybody some time at its start. */
Test(assignment_killed, only_the_device_that_hangs_is_quarantined_and_it_is_waited_for_once)
{
	static const struct {
		unsigned int n;
		const char *address;
	} writes[] = {
		{ 5, TAKING_GPU }, { 9, TAKING_PF },  { 12, "0000:04:00.0" },
		{ 17, "mtty" },    { 18, TAKING_VF },
	};
	const struct taking_mode *mixed = &taking_modes[TAKING_MODES - 1];

	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		AUTO_STRV struct strv list = STRV_INIT;
		struct error err = ERROR_INIT;
		uint64_t start;

		cr_assert(hang_guardian(mixed, writes[i].n, false));
		start = clock_now_ns();
		cr_expect_eq(undo_here(300, &err), -ETIMEDOUT);
		cr_expect_lt(clock_seconds_since(start), 1.2, "write %u", writes[i].n);
		cr_assert_eq(quarantine_list(&t.host, &list, NULL), 0);
		cr_assert_eq(list.n, 1, "write %u: %zu devices", writes[i].n, list.n);
		cr_expect_str_eq(list.v[0], writes[i].address);
		k->state->released = true;
		expect_undone(mixed, "hung", writes[i].n);
	}
}

Test(assignment_killed, the_start_of_a_run_does_not_wait_for_a_write_of_another_one)
{
	const struct taking_mode *vfio = &taking_modes[0];
	uint64_t start;

	cr_assert(hang_guardian(vfio, 10, false));
	t.host.images_dir = strdup("/nonexistent");
	start = clock_now_ns();
	recover_quietly(&t.host);
	cr_expect_lt(clock_seconds_since(start), 4);
	k->state->released = true;
	expect_undone(vfio, "hung", 10);
}

/* It cannot be told which: nobody gets any of them. */
Test(assignment_killed, all_are_quarantined_when_nobody_could_note_which_one_hangs)
{
	const struct taking_mode *vfio = &taking_modes[0];
	AUTO_STRV struct strv list = STRV_INIT;
	struct error err = ERROR_INIT;

	cr_assert(hang_guardian(vfio, 10, false));
	cr_assert_eq(unlinkat(t.host.run_fd, "vms/one/writing", 0), 0);
	cr_expect_eq(undo_here(SHORT_MS, &err), -ETIMEDOUT);
	cr_assert_eq(quarantine_list(&t.host, &list, NULL), 0);
	cr_expect_gt(list.n, 1);
	k->state->released = true;
	expect_undone(vfio, "hung", 10);
}

/* It completes while somebody waits for it in order to undo: no change survives. */
Test(assignment_killed, a_write_that_comes_through_late)
{
	for (size_t i = 0; i < TAKING_MODES; i++) {
		for (unsigned int n = 1; n <= taking_modes[i].n_writes; n++) {
			pid_t undo;

			cr_assert(hang_guardian(&taking_modes[i], n, false));
			undo = start_undo();
			clock_sleep_ms(SHORT_MS);
			k->state->released = true;
			cr_assert(!was_killed(undo));
			remove_vm();
			taking_expect_as_before(&t, &taking_modes[i], "late", n);
		}
	}
}
