/* SPDX-License-Identifier: MIT */
/*
 * Whichever write of a run's devices fails: in the end the host is as it was.
 *
 * Each mode is run with a fault at its n-th write, n = 1, 2, ..., until there is no such write any
 * more, always on the same host.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "helper_taking.h"

#define WRITES_MAX 100

TAKING_SUITE(assignment_faults, 280);

static int make_with(struct taking_vm *v, const struct taking_mode *mode, unsigned int fail_at)
{
	int r;

	fake_reset(k);
	taking_vm(v, &t, "one");
	mode->want(v);
	k->state->fail_at = fail_at;
	k->state->fail_errno = EIO;
	r = taking_make(v);
	k->state->fail_at = 0;
	return r;
}

Test(assignment_faults, a_write_that_fails_is_undone)
{
	for (size_t i = 0; i < TAKING_MODES; i++) {
		unsigned int n = 0;
		int r = -EIO;

		while (r < 0) {
			struct taking_vm v;

			r = make_with(&v, &taking_modes[i], ++n);
			taking_undo_cleanly(&v);
			taking_end(&v);
			taking_expect_as_before(&t, &taking_modes[i], "write", n);
			cr_assert_lt(n, WRITES_MAX);
		}
		cr_assert_eq(n, taking_modes[i].n_writes + 1, "%s: %u", taking_modes[i].name, n);
	}
}

Test(assignment_faults, an_undo_that_fails_can_be_repeated)
{
	for (size_t i = 0; i < TAKING_MODES; i++) {
		int first = -EIO;

		for (unsigned int n = 1; first < 0; n++) {
			struct taking_vm v;

			cr_assert_eq(make_with(&v, &taking_modes[i], 0), 0, "%s", v.err.msg);
			fake_reset(k);
			k->state->fail_at = n;
			k->state->fail_errno = EIO;
			first = taking_undo(&v, true, NULL);
			k->state->fail_at = 0;
			cr_assert_eq(taking_undo(&v, true, NULL), 0, "%s, %u: %s",
				     taking_modes[i].name, n, v.err.msg);
			taking_end(&v);
			taking_expect_as_before(&t, &taking_modes[i], "write of the undo", n);
			cr_assert_lt(n, WRITES_MAX);
		}
	}
}
