/* SPDX-License-Identifier: MIT */
/*
 * Devices that are not given back at the first go, or not at all: what is said, who is quarantined,
 * what is tried again.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "helper_taking.h"
#include "host/ledger.h"
#include "host/quarantine.h"
#include "run/attach.h"
#include "run/recover.h"
#include "run/undo.h"

#define GPU TAKING_GPU

TAKING_SUITE(undo_devices, 120);
static struct host *const host = &t.host;

static bool is_quarantined(const char *address)
{
	struct quarantine entry;

	return quarantine_get(host, address, &entry) == 1;
}

static void lose(const char *address)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "bus/pci/devices/%s/config", address);
	fake_text(k, path, "\xff\xff\xff\xff");
}

/* A VM that has the GPU. */
static void take_gpu(struct taking_vm *v)
{
	taking_vm(v, &t, "one");
	(void)taking_want(v, DEVICE_WHOLE, GPU, 1, "");
	cr_assert_eq(taking_make(v), 0, "%s", v->err.msg);
	fake_reset(k);
}

/* ---- a driver that refuses ---- */

/* The probe of its driver fails when it comes back from a guest. */
Test(undo_devices, a_device_its_driver_refuses_is_quarantined_until_it_takes_it)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct taking_vm v;

	take_gpu(&v);
	(void)strcpy(k->state->refuses, "amdgpu");
	cr_expect_lt(taking_undo(&v, true, &reports), 0, "undone, and it is without driver");
	cr_expect_not_null(strstr(v.err.msg, GPU), "%s", v.err.msg);
	cr_expect_not_null(strstr(v.err.msg, "the driver amdgpu refuses it"), "%s", v.err.msg);
	cr_expect_str_eq(fake_driver_of(k, GPU), "");
	cr_expect(is_quarantined(GPU));
	k->state->refuses[0] = '\0';
	taking_undo_cleanly(&v);
	cr_expect_str_eq(fake_driver_of(k, GPU), "amdgpu");
	cr_expect(!is_quarantined(GPU));
	taking_end(&v);
}

/* No firmware for it, say: that is not "its driver is not loaded any more". */
Test(undo_devices, a_probe_that_misses_a_file_is_tried_again)
{
	struct taking_vm v;

	take_gpu(&v);
	k->state->fail_at = 3; /* override, unbind, bind */
	k->state->fail_errno = ENOENT;
	cr_expect_lt(taking_undo(&v, true, NULL), 0);
	cr_expect(is_quarantined(GPU));
	taking_undo_cleanly(&v);
	cr_expect(!is_quarantined(GPU));
	taking_end(&v);
}

Test(undo_devices, a_device_that_has_gone_is_settled)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct taking_vm v;

	take_gpu(&v);
	cr_assert_eq(quarantine_put(host, GPU, "one", "a test", NULL), 0);
	fake_remove(k, "bus/pci/devices/" GPU);
	cr_expect_eq(taking_undo(&v, true, &reports), 0, "%s", v.err.msg);
	cr_expect(!is_quarantined(GPU));
	taking_end(&v);
}

/* ---- modules ---- */

#define MODULE "module/vfio_pci"

static void note_module(struct taking_vm *v)
{
	struct json_object *record = json_new_object();

	json_add_str(record, "name", "vfio_pci");
	cr_assert_gt(journal_intend(&v->journal, OP_MODULE, record, NULL), 0);
}

static void hold_module(const struct taking_vm *v)
{
	cr_assert_eq(ledger_share(host, LEDGER_MODULE "vfio_pci", v->vd.name, NULL, NULL), 0);
}

/* A VM that has loaded vfio-pci and has the GPU. What others hold it would load itself. */
static void load_and_take_gpu(struct taking_vm *v)
{
	taking_vm(v, &t, "one");
	note_module(v);
	(void)taking_want(v, DEVICE_WHOLE, GPU, 1, "");
	cr_assert_eq(taking_make(v), 0, "%s", v->err.msg);
	hold_module(v);
	fake_reset(k);
}

static bool is_loaded(void)
{
	return sysfs_exists(host->sys_fd, MODULE);
}

Test(undo_devices, a_module_goes_after_the_devices)
{
	struct taking_vm v;

	load_and_take_gpu(&v);
	taking_undo_cleanly(&v);
	cr_expect(!is_loaded());
	taking_end(&v);
}

Test(undo_devices, a_module_stays_while_a_device_waits_to_be_given_back)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct taking_vm v;

	load_and_take_gpu(&v);
	k->state->fail_at = 2; /* override, unbind */
	k->state->fail_errno = EBUSY;
	cr_expect_lt(taking_undo(&v, true, &reports), 0);
	cr_expect_not_null(strstr(v.err.msg, GPU), "%s", v.err.msg);
	cr_expect_eq(reports.n, 0, "%s", reports.n > 0 ? reports.v[0] : "");
	cr_expect(is_loaded());
	taking_undo_cleanly(&v);
	cr_expect(!is_loaded());
	taking_end(&v);
}

/* Taking the module out would unbind it, which can hang, and the host with it. */
Test(undo_devices, a_module_stays_beneath_a_device_that_is_lost)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	AUTO_STRV struct strv more = STRV_INIT;
	struct taking_vm v, other;

	load_and_take_gpu(&v);
	taking_vm(&other, &t, "other");
	note_module(&other);
	hold_module(&other);
	lose(GPU);
	cr_expect_eq(taking_undo(&v, true, &reports), 0, "%s", v.err.msg);
	cr_expect_eq(reports.n, 1, "the other VM has the module too");
	cr_expect_eq(taking_undo(&other, true, &more), 0, "%s", other.err.msg);
	cr_assert_eq(more.n, 1);
	cr_expect_not_null(strstr(more.v[0], "vfio_pci stays: " GPU " is on"), "%s", more.v[0]);
	cr_expect(is_loaded());
	cr_expect_str_eq(fake_driver_of(k, GPU), "vfio-pci");
	taking_end(&v);
	taking_end(&other);
}

/* ---- a VF that is lost ---- */

#define LOST "0000:04:00.0"

static void take_vfs(struct taking_vm *v, const char *name, unsigned int n, unsigned int of)
{
	taking_vm(v, &t, name);
	taking_want(v, DEVICE_VFS, TAKING_PF, n, "")->create = of;
	cr_assert_eq(taking_make(v), 0, "%s", v->err.msg);
}

/* No driver may have it again, but its PF takes it away. */
Test(undo_devices, a_lost_vf_goes_with_the_others_of_its_pf)
{
	struct taking_vm v;

	take_vfs(&v, "one", 2, 2);
	lose(LOST);
	taking_undo_cleanly(&v);
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" TAKING_PF "/sriov_numvfs"), "0");
	cr_expect(!is_quarantined(LOST));
	cr_expect(!is_quarantined(TAKING_PF));
	taking_end(&v);
}

/* Until then it is kept from others, and said. */
Test(undo_devices, a_lost_vf_is_quarantined_for_as_long_as_others_use_its_pf)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	struct taking_vm a, b;

	take_vfs(&a, "a", 1, 2);
	take_vfs(&b, "b", 1, 2);
	lose(LOST);
	cr_expect_eq(taking_undo(&a, true, &reports), 0, "%s", a.err.msg);
	cr_expect_eq(reports.n, 1);
	cr_expect(is_quarantined(LOST));
	taking_end(&a);
	taking_undo_cleanly(&b);
	taking_end(&b);
	cr_expect(!is_quarantined(LOST));
	cr_expect_str_eq(fake_get(k, "bus/pci/devices/" TAKING_PF "/sriov_numvfs"), "0");
}

/* ---- what is said ---- */

/* A VM with a GPU that is lost, and nobody of its run lives any more. */
static void leave_a_lost_gpu(struct taking_vm *v)
{
	take_gpu(v);
	lose(GPU);
	leases_done(&v->a.leases);
	journal_close(&v->journal);
	vmdir_done(&v->vd);
	host->images_dir = strdup("/nonexistent");
}

Test(undo_devices, recover_says_what_is_not_as_before_and_counts_it)
{
	AUTO_JSON struct json_object *list = NULL;
	AUTO_JSON struct json_object *again = NULL;
	struct json_object *reports = NULL, *o;
	struct error err = ERROR_INIT;
	struct taking_vm v;

	leave_a_lost_gpu(&v);
	cr_expect_eq(recover_all(host, &list, &err), 1, "bmvm recover says that all is well");
	cr_assert_eq(json_object_array_length(list), 1);
	o = json_object_array_get_idx(list, 0);
	cr_expect_str_eq(json_str_or(o, "vm", ""), "one");
	cr_expect_str_eq(json_str_or(o, "result", ""), "not as before");
	cr_assert_eq(json_get_array(o, "reports", &reports, NULL), 0);
	cr_assert_eq(json_object_array_length(reports), 1);
	cr_expect_not_null(strstr(json_compact(reports), GPU " does not answer any more"));
	cr_expect_eq(recover_all(host, &again, &err), 0);
	cr_expect_eq(json_object_array_length(again), 0, "it is settled");
	taking_end(&v);
}

Test(undo_devices, destroying_a_dead_vm_says_what_is_not_as_before)
{
	AUTO_JSON struct json_object *result = NULL;
	AUTO_VMDIR struct vmdir vd = VMDIR_INIT;
	struct error err = ERROR_INIT;
	struct taking_vm v;

	leave_a_lost_gpu(&v);
	cr_assert_eq(vmdir_open(host, "one", &vd, &err), 0, "%s", err.msg);
	cr_expect_eq(attach_destroy(host, &vd, &result, &err), -EBUSY);
	cr_expect_not_null(strstr(err.msg, "not as it was before"), "%s", err.msg);
	cr_expect(!json_bool_or(result, "clean", true));
	cr_expect_not_null(strstr(json_compact(result), "does not answer"));
	taking_end(&v);
}
