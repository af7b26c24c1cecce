/* SPDX-License-Identifier: MIT */
/* A device for which the kernel has a variant of vfio-pci: taken by it, used, given back. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "helper_kernel.h"
#include "helper_taking.h"
#include "run/vfio_driver.h"

#define VARIANT "test-vfio-pci"

static struct taking_host t;
static struct fake_kernel *const k = &t.k;

static void setup(void)
{
	static const char alias[] = "alias vfio_pci:v00001002d*sv*sd*bc*sc*i* test_vfio_pci\n";

	taking_start(&t);
	t.host.modules_fd = open(t.home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(file_write_atomic_at(t.host.modules_fd, "modules.alias", alias, strlen(alias),
					  0644, NULL),
		     0);
	fake_text(k, "bus/pci/devices/" TAKING_GPU "/modalias",
		  "pci:v00001002d00001234sv0sd0bc03sc00i00\n");
	fake_text(k, "module/test_vfio_pci/drivers/pci:" VARIANT "/module", "\n");
	fake_driver(k, VARIANT);
}

static void teardown(void)
{
	taking_stop(&t);
}

TestSuite(vfio_variant, .init = setup, .fini = teardown, .timeout = 120);

Test(vfio_variant, takes_its_device_and_gives_it_back)
{
	struct taking_vm v;

	taking_vm(&v, &t, "one");
	strv_add(&taking_want(&v, DEVICE_WHOLE, TAKING_GPU, 1, "")->members, TAKING_AUDIO);
	cr_assert_eq(taking_make(&v), 0, "%s", v.err.msg);
	cr_expect_str_eq(fake_driver_of(k, TAKING_GPU), VARIANT);
	cr_expect_str_eq(fake_driver_of(k, TAKING_AUDIO), "vfio-pci");
	taking_undo_cleanly(&v);
	taking_end(&v);
	cr_expect_str_eq(fake_driver_of(k, TAKING_GPU), "amdgpu");
}

/* Its driver is there, and does not want the device: nothing is left changed. */
Test(vfio_variant, that_refuses_ends_the_run)
{
	struct taking_vm v;

	taking_vm(&v, &t, "one");
	(void)taking_want(&v, DEVICE_WHOLE, TAKING_GPU, 1, "");
	(void)strcpy(k->state->refuses, VARIANT);
	cr_assert_lt(taking_make(&v), 0);
	cr_expect(strstr(v.err.msg, VARIANT) != NULL, "%s", v.err.msg);
	k->state->refuses[0] = '\0';
	taking_undo_cleanly(&v);
	taking_end(&v);
}
