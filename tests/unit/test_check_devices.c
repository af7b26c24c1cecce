/* SPDX-License-Identifier: MIT */
/* The rows of host/check.h about passing devices, as far as the host alone decides them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "host/check.h"
#include "tests/unit/helper_checks.h"
#include "tests/unit/helper_tree.h"

Test(check_devices, passing_devices_needs_root_iommu_and_vfio)
{
	struct checks f;

	checks_begin(&f, tree_intel);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	f.host.is_root = false;
	checks_run(&f);
	checks_expect(&f, "root", CHECK_FAILED, "user ", "sudo bmvm");
	checks_expect(
		&f, "iommu", CHECK_FAILED, "off",
		"GRUB_CMDLINE_LINUX=\"intel_iommu=on iommu=pt\"\nsudo update-grub && sudo reboot");
	checks_expect(&f, "iommu-pt", CHECK_WARNING, "not on the kernel command line",
		      "update-grub");
	checks_expect(&f, "interrupts", CHECK_FAILED, "off, as the IOMMU is", "first the IOMMU");
	checks_expect(&f, "memlock", CHECK_FAILED, "8.0 MiB, this VM needs 5.0 GiB",
		      "memlock unlimited");
	f.facts.iommu.arg_on = true;
	checks_run(&f);
	checks_expect(&f, "iommu", CHECK_FAILED, "although the kernel was told", "VT-d");
	cr_expect_null(strstr(checks_result(&f, "iommu")->fix, "grub"), "it is in there already");
	f.facts.memlock = UINT64_MAX;
	checks_run(&f);
	checks_expect(&f, "memlock", CHECK_OK, "5.0 GiB for this VM", NULL);
	checks_end(&f);
}

Test(check_devices, without_devices_none_of_that_matters)
{
	static const char *const ids[] = { "root", "iommu", "iommu-pt", "vfio", "memlock" };
	struct checks f;

	checks_begin(&f, tree_intel);
	f.host.is_root = false;
	checks_run(&f);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		cr_expect_leq(checks_result(&f, ids[i])->status, CHECK_INFO, "%s", ids[i]);
	checks_end(&f);
}

Test(check_devices, a_refusal_for_devices_names_the_key_that_asks_for_them)
{
	struct config_device other = { .address = NULL, .mode = GPU_MODE_VFIO };
	struct checks f;
	struct error err = ERROR_INIT;

	checks_begin(&f, tree_intel);
	f.cfg.hypervisor = HYPERVISOR_TCG;
	f.cfg.devices = &other;
	f.cfg.n_devices = 1;
	cr_expect_eq(host_check_run(&f.host, &f.cfg, &err), -ENOTSUP);
	cr_expect(strncmp(err.msg, "baremetal_vm.devices: ", 22) == 0, "%s", err.msg);
	f.cfg.devices = NULL;
	f.cfg.n_devices = 0;
	checks_end(&f);
}

Test(check_devices, the_iommu_is_mended_where_it_was_switched_off)
{
	struct checks f;

	checks_begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	f.facts.iommu.units = f.facts.iommu.groups = 0;
	f.facts.iommu.arg_on = false;
	checks_run(&f);
	checks_expect(&f, "iommu", CHECK_FAILED, "off", "AMD-Vi (IOMMU)");
	cr_expect_null(strstr(checks_result(&f, "iommu")->fix, "grub"), "AMD's is on by itself");
	(void)strcpy(f.facts.iommu.arg_off, "amd_iommu=off");
	checks_run(&f);
	checks_expect(&f, "iommu", CHECK_FAILED, "off, as amd_iommu=off tells",
		      "take amd_iommu=off out of GRUB_CMDLINE_LINUX\nupdate-grub && reboot");
	f.facts.iommu.units = 2;
	checks_run(&f);
	checks_expect(&f, "iommu", CHECK_FAILED, "2 units but no groups", "amd_iommu=off");
	checks_end(&f);
}

Test(check_devices, passthrough_of_the_host_is_seen_by_word_or_by_type)
{
	struct checks f;

	checks_begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	checks_run(&f);
	checks_expect(&f, "iommu-pt", CHECK_OK, "on the kernel command line", NULL);
	f.facts.iommu.arg_pt[0] = '\0';
	checks_run(&f);
	checks_expect(&f, "iommu-pt", CHECK_WARNING, "not on the kernel",
		      "GRUB_CMDLINE_LINUX=\"iommu=pt\"");
	f.facts.iommu.identity = 2;
	checks_run(&f);
	checks_expect(&f, "iommu-pt", CHECK_OK, "2 of 3 groups", NULL);
	f.facts.iommu.identity = 1;
	checks_run(&f);
	checks_expect(&f, "iommu-pt", CHECK_WARNING, "not on the kernel", "iommu=pt");
	checks_end(&f);
}

Test(check_devices, interrupts_that_are_not_remapped_stop_vfio)
{
	struct checks f;

	checks_begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	f.facts.iommu.interrupts = IOMMU_INTERRUPTS_PLAIN;
	checks_run(&f);
	checks_expect(&f, "interrupts", CHECK_FAILED, "off, so VFIO passes nothing",
		      "firmware setup");
	f.facts.iommu.unsafe_interrupts = true;
	checks_run(&f);
	checks_expect(&f, "interrupts", CHECK_WARNING, "allow_unsafe_interrupts",
		      "guests that you trust");
	f.facts.iommu.interrupts = IOMMU_INTERRUPTS_UNKNOWN;
	checks_run(&f);
	checks_expect(&f, "interrupts", CHECK_INFO, "does not tell", NULL);
	f.facts.iommu.interrupts = IOMMU_INTERRUPTS_REMAPPED;
	checks_run(&f);
	checks_expect(&f, "interrupts", CHECK_OK, "on", NULL);
	checks_end(&f);
}

Test(check_devices, vfio_modules_that_cannot_be_loaded)
{
	struct checks f;

	checks_begin(&f, tree_intel);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	f.facts.vfio_errno = 0;
	checks_run(&f);
	checks_expect(&f, "vfio", CHECK_OK, "a run loads them", NULL);
	f.facts.vfio_errno = ENOENT;
	(void)strcpy(f.facts.vfio_why, "the running kernel has no module vfio-pci");
	checks_run(&f);
	checks_expect(&f, "vfio", CHECK_FAILED, "has no module vfio-pci", "modprobe -a vfio-pci");
	f.facts.vfio_errno = EPERM;
	(void)strcpy(f.facts.vfio_why, "the kernel module vfio-pci is blacklisted");
	checks_run(&f);
	checks_expect(&f, "vfio", CHECK_FAILED, "blacklisted", "/etc/modprobe.d");
	checks_end(&f);
}

Test(check_devices, locked_memory_is_the_guests_and_a_little_more)
{
	struct checks f;

	checks_begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	checks_run(&f);
	checks_expect(&f, "memlock", CHECK_OK, "5.0 GiB for this VM, 192.0 GiB available", NULL);
	f.cfg.memory = 200 * SIZE_GIB;
	checks_run(&f);
	checks_expect(&f, "memory", CHECK_FAILED, "have to be pinned", "--memory");
	checks_expect(&f, "memlock", CHECK_OK, "see memory", NULL);
	f.cfg.memory = 4 * SIZE_GIB;
	f.cfg.hugepages = SIZE_GIB;
	checks_run(&f);
	checks_expect(&f, "memlock", CHECK_OK, "of huge pages", NULL);
	checks_end(&f);
}
