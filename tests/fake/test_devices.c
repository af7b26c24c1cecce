/* SPDX-License-Identifier: MIT */
/* Choosing devices while other VMs have some, take some and give some back, on the fake kernel. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "config/config.h"
#include "helper_kernel.h"
#include "helper_taking.h"
#include "host/quarantine.h"
#include "run/devices.h"
#include "run/pipeline.h"
#include "run/undo.h"

#define PF  TAKING_PF
#define VF0 "0000:04:00.0"

static const char any_gpu[] =
	"\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_vendor\": \"AMD\", \"gpu_count\": 1}";

static struct taking_host t;
static struct fake_kernel *const k = &t.k;
static struct run_options o;
static struct run r;
static struct error err;

static void setup(void)
{
	taking_start(&t);
	fake_proc_text(k, "self/mountinfo", "\n");
	t.host.images_dir = strdup("/nonexistent");
	o = (struct run_options){ .quiet = true };
	r = (struct run){ .o = NULL };
	err = (struct error)ERROR_INIT;
}

static void teardown(void)
{
	device_choice_done(&r.devices);
	if (r.o != NULL)
		front_done(&r.front);
	config_done(&o.cfg);
	taking_stop(&t);
}

TestSuite(devices, .init = setup, .fini = teardown, .timeout = 60);

/* A run that asks for what the members of "baremetal_vm" say. */
static void asks(const char *keys, unsigned int wait_s)
{
	char text[1024];
	struct config_source source = { .name = "case", .text = text };

	(void)snprintf(text, sizeof(text), "{\"baremetal_vm\": {%s}}", keys);
	source.len = strlen(text);
	config_init(&o.cfg);
	cr_assert_eq(config_parse(&o.cfg, &source, NULL, &err), 0, "%s", err.msg);
	cr_assert_eq(config_finish(&o.cfg, &err), 0, "%s", err.msg);
	o.wait_s = wait_s;
	cr_assert_eq(run_init(&r, &o, &err), 0, "%s", err.msg);
	r.host = t.host;
}

/* The VM @v gets what the run has chosen. Return: as taking_make(). */
static int take(struct taking_vm *v, const char *name)
{
	taking_vm(v, &t, name);
	v->choice = r.devices;
	r.devices = (struct device_choice)DEVICE_CHOICE_INIT;
	return taking_make(v);
}

/* As an administrator makes them. */
static void make_vfs(const char *n)
{
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", "0"), 0);
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" PF "/sriov_numvfs", n), 0);
}

/* ---- runs that start together ---- */

Test(devices, who_comes_too_late_takes_another_gpu)
{
	struct taking_vm a, b;

	asks(any_gpu, 0);
	cr_assert_eq(devices_choose(&r, &err), 0, "%s", err.msg);
	taking_vm(&a, &t, "a");
	(void)taking_want(&a, DEVICE_WHOLE, r.devices.v[0].address, 1, "");
	cr_assert_eq(taking_make(&a), 0, "%s", a.err.msg);
	cr_assert_eq(take(&b, "b"), -EBUSY, "%s", b.err.msg);
	taking_undo_cleanly(&b);
	taking_end(&b);
	r.too_late = true;
	cr_assert(devices_try_again(&r, -EBUSY));
	r.n_late++;
	cr_assert_eq(devices_choose(&r, &err), 0, "%s", err.msg);
	cr_expect_eq(take(&b, "b"), 0, "%s", b.err.msg);
	taking_undo_cleanly(&b);
	taking_end(&b);
	taking_undo_cleanly(&a);
	taking_end(&a);
}

Test(devices, only_what_may_turn_out_otherwise_is_tried_again)
{
	asks(any_gpu, 0);
	cr_expect_not(devices_try_again(&r, -EBUSY), "it was not the taking that failed");
	r.too_late = true;
	cr_expect(devices_try_again(&r, -EBUSY));
	cr_expect_not(devices_try_again(&r, -EIO));
	r.unclean = true;
	cr_expect_not(devices_try_again(&r, -EBUSY), "what is left of it comes first");
	r.unclean = false;
	r.front.caught = SIGINT;
	cr_expect_not(devices_try_again(&r, -EBUSY), "the user has ended it");
	r.front.caught = 0;
	r.n_late = 100;
	cr_expect_not(devices_try_again(&r, -EBUSY), "not for ever");
	r.wait_ns = deadline_in_s(60);
	cr_expect(devices_try_again(&r, -EBUSY), "there is time");
}

Test(devices, what_is_named_is_tried_again_only_with_time_to_wait)
{
	asks("\"devices\": [{\"address\": \"" TAKING_NIC "\"}]", 0);
	r.too_late = true;
	cr_expect_not(devices_try_again(&r, -EBUSY));
	r.wait_ns = deadline_in_s(60);
	cr_expect(devices_try_again(&r, -EBUSY));
}

/* ---- what VMs of ours have ---- */

#define TWO_VFS "\"devices\": [{\"address\": \"" PF "\", \"mode\": \"sriov\", \"num_vfs\": 2}]"

Test(devices, too_few_vfs_of_our_making_are_waited_for)
{
	struct taking_vm a;

	taking_vm(&a, &t, "a");
	(void)taking_want(&a, DEVICE_VFS, PF, 1, "");
	cr_assert_eq(taking_make(&a), 0, "%s", a.err.msg);
	asks(TWO_VFS, 0);
	cr_expect_eq(devices_choose(&r, &err), -EBUSY);
	cr_expect_not_null(strstr(err.msg, "VM a"), "%s", err.msg);
	cr_expect_null(strstr(err.hint, "echo 0"), "%s", err.hint);
	taking_undo_cleanly(&a);
	taking_end(&a);
	cr_expect_eq(devices_choose(&r, &err), 0, "%s", err.msg);
}

Test(devices, what_the_pf_can_never_have_is_refused_whoever_made_its_vfs)
{
	struct taking_vm a;

	taking_vm(&a, &t, "a");
	(void)taking_want(&a, DEVICE_VFS, PF, 1, "");
	cr_assert_eq(taking_make(&a), 0, "%s", a.err.msg);
	asks("\"devices\": [{\"address\": \"" PF "\", \"mode\": \"sriov\", \"num_vfs\": 9}]", 0);
	cr_expect_eq(devices_choose(&r, &err), -ENOTSUP, "%s", err.msg);
	taking_undo_cleanly(&a);
	taking_end(&a);
}

/* A write to the PF hangs, say: so would one to its VF, or the last holder's numvfs. */
Test(devices, vfs_of_a_quarantined_pf_are_not_handed_out)
{
	make_vfs("2");
	cr_assert_eq(quarantine_put(&t.host, PF, "x", "a write to it hangs", NULL), 0);
	asks(TWO_VFS, 0);
	cr_expect_eq(devices_choose(&r, &err), -EBUSY, "%s", err.msg);
	cr_expect_not_null(strstr(err.msg, "its PF " PF " is quarantined"), "%s", err.msg);
	cr_expect_not_null(strstr(err.hint, "--clear " PF), "%s", err.hint);
}

/* Its process is gone: nobody but who waits will undo it. */
Test(devices, a_vm_that_dies_is_undone_by_who_waits_for_its_device)
{
	uint64_t start = clock_now_ns();
	struct taking_vm a;

	taking_vm(&a, &t, "a");
	(void)taking_want(&a, DEVICE_WHOLE, TAKING_NIC, 1, "");
	cr_assert_eq(taking_make(&a), 0, "%s", a.err.msg);
	leases_done(&a.a.leases);
	journal_close(&a.journal);
	vmdir_done(&a.vd);
	asks("\"devices\": [{\"address\": \"" TAKING_NIC "\"}]", 30);
	cr_expect_eq(devices_choose(&r, &err), 0, "%s", err.msg);
	cr_expect_lt(clock_seconds_since(start), 20.0);
	cr_expect_str_eq(fake_driver_of(k, TAKING_NIC), "e1000e");
	device_choice_done(&a.choice);
	assignment_done(&a.a);
}

/* ---- what was chosen can be taken ---- */

Test(devices, a_vf_on_pci_stub_is_chosen_taken_and_put_back_there)
{
	struct taking_vm v;

	fake_driver(k, "pci-stub");
	make_vfs("1");
	cr_assert_eq(fake_write_now(k, "bus/pci/devices/" VF0 "/driver_override", "pci-stub"), 0);
	cr_assert_eq(fake_write_now(k, "bus/pci/drivers/pci-stub/bind", VF0), 0);
	asks("\"devices\": [{\"address\": \"" PF "\", \"mode\": \"sriov\"}]", 0);
	cr_assert_eq(devices_choose(&r, &err), 0, "%s", err.msg);
	cr_assert_eq(take(&v, "one"), 0, "%s", v.err.msg);
	taking_undo_cleanly(&v);
	taking_end(&v);
	cr_expect_str_eq(fake_driver_of(k, VF0), "pci-stub");
}

/* Whichever of the two the configuration has first. */
static void expect_both(const char *keys)
{
	struct taking_vm v;

	make_vfs("2");
	asks(keys, 0);
	cr_assert_eq(devices_choose(&r, &err), 0, "%s", err.msg);
	cr_assert_eq(take(&v, "one"), 0, "%s", v.err.msg);
	cr_expect_eq(v.a.n, 2);
	taking_undo_cleanly(&v);
	taking_end(&v);
}

#define ANY_VF   "{\"address\": \"" PF "\", \"mode\": \"sriov\"}"
#define NAMED_VF "{\"address\": \"" VF0 "\"}"

Test(devices, a_pf_and_then_one_of_its_vfs)
{
	expect_both("\"devices\": [" ANY_VF ", " NAMED_VF "]");
}

Test(devices, a_vf_and_then_its_pf)
{
	expect_both("\"devices\": [" NAMED_VF ", " ANY_VF "]");
}
