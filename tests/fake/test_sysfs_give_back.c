/* SPDX-License-Identifier: MIT */
/*
 * Giving a function back beside its driver: its settings, its memory, a device that is lost on the
 * way, and NVIDIA's driver, which wants to be asked.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "helper_kernel.h"
#include "sysfs/clock.h"
#include "sysfs/driver.h"
#include "sysfs/iomem.h"
#include "sysfs/snapshot.h"

#define D       "bus/pci/devices/"
#define GPU     "0000:41:00.0"
#define AUDIO   "0000:41:00.1"
#define NVIDIA  "0000:51:00.0"
#define LOCK    "driver/nvidia/gpus/" NVIDIA "/unbindLock"
#define LONG_MS 10000
#define SLOW_MS 300

static struct fake_kernel k;
static struct sysfs_error err;

static void setup(void)
{
	fake_start_host(&k);
	err = (struct sysfs_error){ 0 };
}

static void teardown(void)
{
	fake_stop(&k);
}

TestSuite(give_back, .init = setup, .fini = teardown, .timeout = 60);

static struct driver_binding planned(const char *text)
{
	struct pci_address address;
	struct driver_binding binding;

	cr_assert_eq(pci_address_parse(text, &address, NULL), 0);
	cr_assert_eq(driver_plan(&k.sys, &address, "vfio-pci", &binding, &err), 0, "%s", err.text);
	return binding;
}

static struct driver_binding bound(const char *text)
{
	struct driver_binding binding = planned(text);

	cr_assert_eq(driver_bind(&k.sys, &binding, sysfs_deadline_ms(LONG_MS), &err), 0, "%s",
		     err.text);
	return binding;
}

static int give_back(const struct driver_binding *binding, uint64_t ms)
{
	err = (struct sysfs_error){ 0 };
	return driver_give_back(&k.sys, binding, sysfs_deadline_ms(ms), &err);
}

static unsigned int writes_to(const char *path)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < k.n_intents; i++)
		n += strcmp(k.intents[i].path, path) == 0;
	return n;
}

Test(give_back, power_management_is_as_it_was_whatever_vfio_left)
{
	struct driver_binding binding = bound(AUDIO);

	cr_assert_str_eq(fake_get(&k, D AUDIO "/power/control"), "auto");
	cr_assert_eq(give_back(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, AUDIO), "snd_hda_intel");
	cr_assert_str_eq(fake_get(&k, D AUDIO "/power/control"), "auto");
	cr_assert_eq(writes_to(D AUDIO "/power/control"), 1);
}

Test(give_back, what_the_driver_sets_itself_is_not_written)
{
	struct driver_binding binding = bound(GPU);

	cr_assert_eq(give_back(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, D GPU "/power/control"), "auto", "by amdgpu");
	cr_assert_eq(writes_to(D GPU "/power/control"), 0);
}

Test(give_back, what_the_driver_allows_unasked_is_forbidden_again)
{
	struct driver_binding binding;

	fake_text(&k, D GPU "/power/control", "on\n");
	binding = bound(GPU);
	cr_assert_eq(give_back(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, D GPU "/power/control"), "on");
}

/* A GPU's driver starts with its defaults, and its hwmon folder has another number. */
Test(give_back, the_settings_of_a_gpu_come_back)
{
	struct driver_binding binding;

	fake_text(&k, D GPU "/hwmon/hwmon3/power1_cap", "250000000\n");
	fake_text(&k, D GPU "/current_compute_partition", "CPX\n");
	fake_text(&k, D GPU "/power_dpm_force_performance_level", "high\n");
	fake_text(&k, D GPU "/reset_method", "bus flr\n");
	binding = bound(GPU);
	fake_remove(&k, D GPU "/hwmon/hwmon3");
	fake_text(&k, D GPU "/hwmon/hwmon7/power1_cap", "300000000\n");
	fake_text(&k, D GPU "/current_compute_partition", "SPX\n");
	fake_text(&k, D GPU "/power_dpm_force_performance_level", "auto\n");
	fake_text(&k, D GPU "/reset_method", "flr bus\n");
	fake_text(&k, D GPU "/d3cold_allowed", "0\n");
	cr_assert_eq(give_back(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, D GPU "/hwmon/hwmon7/power1_cap"), "250000000");
	cr_assert_str_eq(fake_get(&k, D GPU "/current_compute_partition"), "CPX");
	cr_assert_str_eq(fake_get(&k, D GPU "/power_dpm_force_performance_level"), "high");
	cr_assert_str_eq(fake_get(&k, D GPU "/reset_method"), "bus flr");
	cr_assert_str_eq(fake_get(&k, D GPU "/d3cold_allowed"), "1");
}

Test(give_back, a_setting_that_is_refused_does_not_keep_the_others_back)
{
	struct driver_binding binding = bound(AUDIO);

	fake_text(&k, D AUDIO "/reset_method", "acpi\n");
	fake_reset(&k);
	k.state->fail_at = 5; /* override, unbind, bind, override, reset_method, power/control */
	k.state->fail_errno = EINVAL;
	cr_assert_eq(give_back(&binding, LONG_MS), -EUCLEAN, "%s", err.text);
	cr_assert(strstr(err.text, "reset_method") != NULL, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, AUDIO), "snd_hda_intel");
	cr_assert_str_eq(fake_get(&k, D AUDIO "/power/control"), "auto");
	cr_assert_eq(give_back(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, D AUDIO "/reset_method"), "flr bus");
}

Test(give_back, memory_that_vfio_has_is_waited_for)
{
	static const char mapped[] =
		"00000000-00000fff : Reserved\n"
		"4000000000-47ffffffff : PCI Bus 0000:40\n"
		"  4000000000-43ffffffff : PCI Bus 0000:41\n"
		"    4000000000-43efffffff : " GPU
		"\n"
		"      4000000000-43efffffff : vfio-pci\n"
		"    43f0000000-43ffffffff : " AUDIO
		"\n"
		"      43f0000000-43ffffffff : ICH HD audio\n";
	struct driver_binding binding = bound(GPU);
	struct pci_address audio = { .bus = 0x41, .function = 1 };

	fake_proc_text(&k, "iomem", mapped);
	fake_reset(&k);
	cr_assert(iomem_is_vfio(&k.sys, &binding.address));
	cr_assert(!iomem_is_vfio(&k.sys, &audio), "that is its neighbour's");
	cr_assert_eq(give_back(&binding, SLOW_MS), -EBUSY);
	cr_assert_eq(k.state->n_writes, 0);
	fake_proc_text(&k, "iomem", "    4000000000-43efffffff : " GPU "\n");
	cr_assert_eq(give_back(&binding, LONG_MS), 0, "%s", err.text);
}

Test(give_back, a_device_lost_on_the_way_is_not_bound)
{
	struct driver_binding binding = bound(GPU);

	/* an earlier undo had got as far as this */
	cr_assert_eq(fake_write_now(&k, D GPU "/driver/unbind", GPU), 0);
	fake_text(&k, D GPU "/config", "\xff\xff\xff\xff");
	cr_assert_eq(give_back(&binding, LONG_MS), -EIO);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "");
}

Test(give_back, nvidias_driver_is_asked_first)
{
	struct driver_binding binding;

	fake_proc_text(&k, LOCK, "0\n");
	binding = bound(NVIDIA);
	cr_assert_str_eq(k.intents[0].path, LOCK);
	cr_assert_str_eq(k.intents[0].op, "ask-unbind");
	cr_assert_eq(give_back(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, NVIDIA), "nvidia");
	cr_assert_str_eq(fake_get(&k, "../proc/" LOCK), "0");
	cr_assert_eq(writes_to(LOCK), 1, "the driver forgets by itself");
}

Test(give_back, nvidias_driver_does_not_agree)
{
	struct driver_binding binding = planned(NVIDIA);

	fake_proc_text(&k, LOCK, "0\n");
	k.state->nvidia_in_use = true;
	cr_assert_eq(driver_bind(&k.sys, &binding, sysfs_deadline_ms(LONG_MS), &err), -EBUSY);
	cr_assert(strstr(err.text, "in use") != NULL, "%s", err.text);
	cr_assert_eq(k.state->n_writes, 1, "nothing but the question");
	cr_assert_str_eq(fake_driver_of(&k, NVIDIA), "nvidia");
}

Test(give_back, an_agreement_that_was_of_no_use_is_waived)
{
	struct driver_binding binding = planned(NVIDIA);

	fake_proc_text(&k, LOCK, "0\n");
	k.state->fail_at = 2; /* driver_override */
	k.state->fail_errno = EIO;
	cr_assert_eq(driver_bind(&k.sys, &binding, sysfs_deadline_ms(LONG_MS), &err), -EIO);
	cr_assert_str_eq(fake_get(&k, "../proc/" LOCK), "1");
	cr_assert_eq(give_back(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, "../proc/" LOCK), "0");
}

Test(give_back, somebody_elses_agreement_is_left)
{
	struct pci_address address = { .bus = 0x51 };
	struct driver_binding binding;

	fake_proc_text(&k, LOCK, "1\n");
	cr_assert_eq(driver_plan(&k.sys, &address, "vfio-pci", &binding, &err), -EBUSY);
	cr_assert_eq(k.state->n_writes, 0);
}

Test(give_back, a_snapshot_has_the_settings)
{
	struct pci_address gpu = { .bus = 0x41 };
	struct snapshot_scope scope = { .functions = &gpu, .n_functions = 1 };
	AUTO_SNAPSHOT struct snapshot before = { 0 }, after = { 0 };
	struct snapshot_difference *d = NULL;

	fake_text(&k, D GPU "/hwmon/hwmon3/power1_cap", "250000000\n");
	cr_assert_eq(snapshot_take(&k.sys, &scope, &before, &err), 0);
	fake_text(&k, D GPU "/hwmon/hwmon3/power1_cap", "300000000\n");
	fake_text(&k, D GPU "/power/control", "on\n");
	cr_assert_eq(snapshot_take(&k.sys, &scope, &after, &err), 0);
	cr_assert_eq(snapshot_compare(&before, &after, NULL, NULL, &d), 2);
	cr_assert_str_eq(d[0].field, "hwmon/power1_cap");
	cr_assert_str_eq(d[1].field, "power/control");
	free(d);
}
