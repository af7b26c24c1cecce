/* SPDX-License-Identifier: MIT */
/* A kernel module taken out, or left. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "helper_kernel.h"
#include "sysfs/clock.h"
#include "sysfs/driver.h"
#include "sysfs/module.h"

#define GPU    "0000:41:00.0"
#define MODULE "module/vfio_pci"

static struct fake_kernel k;
static struct sysfs_error err;

static void setup(void)
{
	fake_start_host(&k);
	fake_text(&k, MODULE "/refcnt", "0\n");
	fake_link(&k, MODULE "/drivers/pci:vfio-pci", "bus/pci/drivers/vfio-pci");
	fake_link(&k, "bus/pci/drivers/vfio-pci/module", MODULE);
	err = (struct sysfs_error){ 0 };
}

static void teardown(void)
{
	fake_stop(&k);
}

TestSuite(sysfs_module, .init = setup, .fini = teardown);

static int unload(const char *name, uint64_t ms)
{
	return module_unload(&k.sys, name, sysfs_deadline_ms(ms), &err);
}

static bool is_loaded(void)
{
	return sysfs_exists(k.sys.sys_fd, MODULE);
}

Test(sysfs_module, one_that_nobody_uses_goes)
{
	cr_expect_eq(unload("vfio_pci", 10000), 0, "%s", err.text);
	cr_expect(!is_loaded());
	cr_expect_eq(k.n_intents, 1);
	cr_expect_str_eq(k.intents[0].op, "unload-module");
	cr_expect_str_eq(k.intents[0].object, "vfio_pci");
	cr_expect_eq(unload("vfio_pci", 10000), 0, "it is not there");
	cr_expect_eq(unload("../vfio_pci", 10000), -EINVAL);
	cr_expect_eq(k.n_intents, 1);
}

/* The kernel would unbind the device. */
Test(sysfs_module, one_whose_driver_has_a_device_stays)
{
	const struct pci_address gpu = { .bus = 0x41 };
	struct driver_binding binding;

	cr_assert_eq(driver_plan(&k.sys, &gpu, "vfio-pci", &binding, &err), 0, "%s", err.text);
	cr_assert_eq(driver_bind(&k.sys, &binding, sysfs_deadline_ms(10000), &err), 0);
	fake_reset(&k);
	cr_expect_eq(unload("vfio_pci", 10000), -EBUSY);
	cr_expect_not_null(strstr(err.text, GPU " is on its driver"), "%s", err.text);
	cr_expect_eq(k.n_intents, 0);
	cr_expect_str_eq(fake_driver_of(&k, GPU), "vfio-pci");
}

Test(sysfs_module, one_in_use_is_said_to_be)
{
	fake_text(&k, MODULE "/refcnt", "1\n");
	cr_expect_eq(unload("vfio_pci", 10000), -EBUSY);
	cr_expect_not_null(strstr(err.text, "vfio_pci stays"), "%s", err.text);
	cr_expect(is_loaded());
}

/* Whoever undoes goes on; the helper is left, and has the lock. */
Test(sysfs_module, one_that_hangs_in_the_kernel_costs_the_deadline)
{
	k.state->hang_at = 1;
	cr_expect_eq(unload("vfio_pci", 300), -ETIMEDOUT);
	cr_expect_gt(err.wedged, 0);
	fake_release(&k, err.wedged);
	cr_expect(!is_loaded());
}

/* There is no such module anywhere; who may take none out is told that. */
Test(sysfs_module, the_real_kernel_is_asked)
{
	int r;

	k.sys.kernel.write = NULL;
	fake_text(&k, "module/bmvm_no_such_module/refcnt", "0\n");
	r = unload("bmvm_no_such_module", 10000);
	cr_expect(r == 0 || r == -EPERM || r == -ENOSYS, "%d: %s", r, err.text);
	cr_expect_str_eq(fake_get(&k, "module/bmvm_no_such_module/refcnt"), "0");
}
