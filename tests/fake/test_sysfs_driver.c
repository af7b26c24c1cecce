/* SPDX-License-Identifier: MIT */
/* Binding functions and giving them back; IOMMU groups. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "helper_kernel.h"
#include "sysfs/clock.h"
#include "sysfs/driver.h"
#include "sysfs/group.h"

#define D       "bus/pci/devices/"
#define GPU     "0000:41:00.0"
#define LONG_MS 10000
/* Will pass, but leaves a slow machine time for what comes before. */
#define SLOW_MS  500
#define OVERRIDE D GPU "/driver_override"

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

TestSuite(sysfs_driver, .init = setup, .fini = teardown);

static struct pci_address address_of(const char *text)
{
	struct pci_address address;

	cr_assert_eq(pci_address_parse(text, &address, NULL), 0);
	return address;
}

static int plan(const char *text, const char *driver, struct driver_binding *ret)
{
	struct pci_address address = address_of(text);

	return driver_plan(&k.sys, &address, driver, ret, &err);
}

static struct driver_binding planned(const char *text)
{
	struct driver_binding binding;

	cr_assert_eq(plan(text, "vfio-pci", &binding), 0, "%s", err.text);
	return binding;
}

static int bind_within(const struct driver_binding *binding, uint64_t ms)
{
	return driver_bind(&k.sys, binding, sysfs_deadline_ms(ms), &err);
}

static int give_back_within(const struct driver_binding *binding, uint64_t ms)
{
	return driver_give_back(&k.sys, binding, sysfs_deadline_ms(ms), &err);
}

static struct driver_binding bound(const char *text)
{
	struct driver_binding binding = planned(text);

	cr_assert_eq(bind_within(&binding, LONG_MS), 0, "%s", err.text);
	return binding;
}

Test(sysfs_driver, a_gpu_goes_to_vfio_and_comes_back_in_the_order_of_steps)
{
	static const char *const paths[] = {
		OVERRIDE, D GPU "/driver/unbind", "bus/pci/drivers_probe",       OVERRIDE,
		OVERRIDE, D GPU "/driver/unbind", "bus/pci/drivers/amdgpu/bind", OVERRIDE,
	};
	static const char *const values[] = { "vfio-pci\n", GPU, GPU, "\n",
					      "amdgpu\n",   GPU, GPU, "\n" };
	struct driver_binding binding = bound(GPU);

	cr_assert_str_eq(fake_driver_of(&k, GPU), "vfio-pci");
	cr_assert_str_eq(fake_get(&k, OVERRIDE), "(null)", "only the driver is left to undo");
	cr_assert(fake_node(&k, 5));
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "amdgpu");
	cr_assert_str_eq(fake_get(&k, OVERRIDE), "(null)");
	cr_assert(!fake_node(&k, 5));
	cr_assert_eq(k.n_intents, 8);
	for (size_t i = 0; i < 8; i++) {
		cr_assert_str_eq(k.intents[i].path, paths[i], "step %zu", i);
		cr_assert_str_eq(k.intents[i].new_value, values[i], "step %zu", i);
		cr_assert_str_eq(k.intents[i].op, i < 4 ? "bind" : "give-back");
		cr_assert_eq(k.intents[i].has_old, strcmp(paths[i], OVERRIDE) == 0);
	}
	cr_assert_str_eq(k.intents[0].old_value, "(null)");
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0);
	cr_assert_eq(k.n_intents, 8, "a second time there is nothing to do");
}

Test(sysfs_driver, a_function_without_driver_is_only_unbound)
{
	struct driver_binding binding = bound("0000:42:00.0");

	cr_assert_eq(k.n_intents, 3, "there was nothing to unbind");
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0);
	cr_assert_str_eq(fake_driver_of(&k, "0000:42:00.0"), "");
	cr_assert_eq(k.n_intents, 5);
	cr_assert_str_eq(k.intents[3].path, D "0000:42:00.0/driver/unbind");
	cr_assert_str_eq(k.intents[4].path, D "0000:42:00.0/power/control", "vfio left it on");
}

Test(sysfs_driver, an_override_of_the_admin_comes_back_to_the_letter)
{
	struct driver_binding binding = bound("0000:43:00.0");

	cr_assert_str_eq(fake_get(&k, D "0000:43:00.0/driver_override"), "e1000e");
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_get(&k, D "0000:43:00.0/driver_override"), "e1000e");
	cr_assert_str_eq(fake_driver_of(&k, "0000:43:00.0"), "e1000e");
}

/* Looked at before its driver was loaded, which took it at once because of the override. */
Test(sysfs_driver, what_the_driver_took_by_itself_goes_back_to_none)
{
	struct driver_binding binding;
	struct pci_address address;

	cr_assert_eq(pci_address_parse("0000:42:00.0", &address, NULL), 0);
	cr_assert_eq(fake_write_now(&k, D "0000:42:00.0/driver_override", "vfio-pci"), 0);
	cr_assert_eq(driver_look(&k.sys, &address, &binding, &err), 0);
	cr_assert_str_eq(binding.driver, "");
	cr_assert_str_eq(binding.old_driver, "");
	(void)strcpy(binding.driver, "vfio-pci");
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers_probe", "0000:42:00.0"), 0);
	cr_assert_str_eq(fake_driver_of(&k, "0000:42:00.0"), "vfio-pci");
	fake_reset(&k);
	cr_assert_eq(bind_within(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_eq(k.n_intents, 0, "it is there already");
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, "0000:42:00.0"), "");
	cr_assert_str_eq(fake_get(&k, D "0000:42:00.0/driver_override"), "vfio-pci");
}

/* Somebody else has put it there without an override: that is no work of ours. */
Test(sysfs_driver, what_somebody_else_bound_since_is_left)
{
	struct driver_binding binding;
	struct pci_address address;

	cr_assert_eq(pci_address_parse("0000:42:00.0", &address, NULL), 0);
	cr_assert_eq(driver_look(&k.sys, &address, &binding, &err), 0);
	(void)strcpy(binding.driver, "vfio-pci");
	cr_assert_eq(fake_write_now(&k, D "0000:42:00.0/driver_override", "vfio-pci"), 0);
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers_probe", "0000:42:00.0"), 0);
	cr_assert_eq(fake_write_now(&k, D "0000:42:00.0/driver_override", ""), 0);
	cr_assert_eq(bind_within(&binding, LONG_MS), -ESTALE);
	cr_assert_str_eq(fake_driver_of(&k, "0000:42:00.0"), "vfio-pci");
}

Test(sysfs_driver, what_is_on_the_driver_already_is_not_touched)
{
	struct driver_binding first = bound(GPU);
	struct driver_binding second = planned(GPU);

	fake_reset(&k);
	cr_assert_eq(bind_within(&second, LONG_MS), 0);
	cr_assert_eq(give_back_within(&second, LONG_MS), 0);
	cr_assert_eq(k.n_intents, 0);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "vfio-pci");
	cr_assert_eq(give_back_within(&first, LONG_MS), 0);
}

Test(sysfs_driver, a_plan_refuses_what_must_not_be_bound)
{
	static const unsigned int ones = ~0U;
	struct driver_binding b = { .vendor = 1 };

	cr_assert_eq(plan("0000:40:01.1", "vfio-pci", &b), -EINVAL, "a bridge");
	cr_assert_eq(plan("0000:61:00.0", "vfio-pci", &b), -EBUSY, "a PF with VFs");
	cr_assert_eq(plan("0000:61:00.4", "vfio-pci", &b), -EOPNOTSUPP, "vendor VFIO");
	cr_assert_eq(plan("0000:99:00.0", "vfio-pci", &b), -ENODEV);
	cr_assert_eq(plan(GPU, "none-such", &b), -ENOENT);
	cr_assert_eq(plan(GPU, "../nvme", &b), -EINVAL);
	cr_assert_eq(plan(GPU, "", &b), -EINVAL);
	fake_remove(&k, D GPU "/iommu_group");
	cr_assert_eq(plan(GPU, "vfio-pci", &b), -EOPNOTSUPP);
	cr_assert_eq(plan(GPU, "pci-stub", &b), -ENOENT);
	fake_remove(&k, D "0000:42:00.0/driver_override");
	cr_assert_eq(plan("0000:42:00.0", "vfio-pci", &b), -EOPNOTSUPP);
	fake_text(&k, D GPU "/config", "%.4s", (const char *)&ones);
	cr_assert_eq(plan(GPU, "vfio-pci", &b), -EIO);
	cr_assert_eq(b.vendor, 1);
	cr_assert_eq(k.n_intents, 0);
}

Test(sysfs_driver, a_plan_that_is_no_longer_true_is_not_carried_out)
{
	struct driver_binding binding = planned(GPU);

	fake_text(&k, OVERRIDE, "pci-stub\n");
	cr_assert_eq(bind_within(&binding, LONG_MS), -ESTALE);
	fake_text(&k, OVERRIDE, "(null)\n");
	cr_assert_eq(fake_write_now(&k, D GPU "/driver/unbind", GPU), 0);
	cr_assert_eq(bind_within(&binding, LONG_MS), -ESTALE);
	fake_text(&k, D GPU "/device", "0x9999\n");
	cr_assert_eq(bind_within(&binding, LONG_MS), -ESTALE);
	cr_assert_eq(k.n_intents, 0);
}

Test(sysfs_driver, what_somebody_else_changed_is_left_alone)
{
	struct driver_binding binding = bound(GPU);

	fake_reset(&k);
	fake_text(&k, OVERRIDE, "nouveau\n");
	cr_assert_eq(give_back_within(&binding, LONG_MS), -ESTALE);
	fake_text(&k, OVERRIDE, "(null)\n");
	cr_assert_eq(fake_write_now(&k, D GPU "/driver/unbind", GPU), 0);
	fake_text(&k, OVERRIDE, "e1000e\n");
	cr_assert_eq(fake_write_now(&k, "bus/pci/drivers_probe", GPU), 0);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "e1000e");
	cr_assert_eq(give_back_within(&binding, LONG_MS), -ESTALE);
	cr_assert_neq(strstr(err.text, "e1000e"), NULL);
	fake_text(&k, D GPU "/device", "0x9999\n");
	cr_assert_eq(give_back_within(&binding, LONG_MS), -ESTALE);
	cr_assert_eq(k.n_intents, 0);
}

Test(sysfs_driver, an_open_group_is_waited_for_before_anything_is_written)
{
	struct driver_binding binding = bound(GPU);

	fake_reset(&k);
	k.state->open_group = 5;
	cr_assert_eq(give_back_within(&binding, 50), -EBUSY);
	cr_assert_eq(k.n_intents, 0);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "vfio-pci");
	k.state->busy_opens = 5;
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "amdgpu");
}

Test(sysfs_driver, a_device_that_does_not_answer_stays_where_it_is)
{
	struct driver_binding binding = bound(GPU);

	fake_reset(&k);
	fake_text(&k, D GPU "/config", "\xff\xff\xff\xff");
	cr_assert_eq(give_back_within(&binding, LONG_MS), -EIO);
	cr_assert_eq(k.n_intents, 0);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "vfio-pci");
}

Test(sysfs_driver, a_driver_that_does_not_take_it_is_told)
{
	struct driver_binding binding = planned(GPU);

	strcpy(k.state->refuses, "vfio-pci");
	cr_assert_eq(bind_within(&binding, SLOW_MS), -EREMOTEIO);
	cr_assert_eq(err.wedged, 0);
	cr_assert_neq(strstr(err.text, "no driver has it"), NULL, "%s", err.text);
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "amdgpu");
}

Test(sysfs_driver, without_its_old_driver_a_function_keeps_at_least_its_override)
{
	struct driver_binding binding = bound("0000:43:00.0");

	fake_remove(&k, "bus/pci/drivers/e1000e");
	cr_assert_eq(give_back_within(&binding, LONG_MS), -ENOENT);
	cr_assert_neq(strstr(err.text, "e1000e is not loaded"), NULL, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, "0000:43:00.0"), "");
	cr_assert_str_eq(fake_get(&k, D "0000:43:00.0/driver_override"), "e1000e");
	fake_driver(&k, "e1000e");
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0, "%s", err.text);
	cr_assert_str_eq(fake_driver_of(&k, "0000:43:00.0"), "e1000e");
}

Test(sysfs_driver, an_old_driver_that_refuses_leaves_the_old_override)
{
	struct driver_binding binding = bound(GPU);

	strcpy(k.state->refuses, "amdgpu");
	cr_assert_eq(give_back_within(&binding, SLOW_MS), -EREMOTEIO);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "");
	cr_assert_str_eq(fake_get(&k, OVERRIDE), "(null)");
	k.state->refuses[0] = '\0';
	cr_assert_eq(give_back_within(&binding, LONG_MS), 0);
	cr_assert_str_eq(fake_driver_of(&k, GPU), "amdgpu");
}

/* The kernel hands on what a driver's probe returned; here ENOENT, as for a missing firmware. */
Test(sysfs_driver, what_an_old_driver_says_is_not_taken_for_an_answer_of_ours)
{
	static const int codes[] = { ENODEV, ENOENT, EIO, ESTALE, EUCLEAN };

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct driver_binding binding = bound(GPU);

		fake_reset(&k);
		k.state->fail_at = 3; /* override, unbind, bind */
		k.state->fail_errno = codes[i];
		cr_assert_eq(give_back_within(&binding, LONG_MS), -EREMOTEIO, "%s", err.text);
		cr_assert_neq(strstr(err.text, "the driver amdgpu refuses it: "), NULL, "%s",
			      err.text);
		cr_assert_str_eq(fake_driver_of(&k, GPU), "");
		cr_assert_eq(give_back_within(&binding, LONG_MS), 0, "%s", err.text);
	}
}

Test(sysfs_driver, a_function_that_has_gone_is_no_device)
{
	struct driver_binding binding = planned(GPU);

	fake_remove(&k, D GPU);
	cr_assert_eq(bind_within(&binding, LONG_MS), -ENODEV);
	cr_assert_eq(give_back_within(&binding, LONG_MS), -ENODEV);
}

Test(sysfs_driver, an_error_is_not_needed_to_be_careful)
{
	struct driver_binding binding = planned(GPU);

	k.state->hang_at = 2;
	cr_assert_eq(driver_bind(&k.sys, &binding, sysfs_deadline_ms(SLOW_MS), NULL), -ETIMEDOUT);
	cr_assert_eq(k.n_intents, 2);
}

Test(sysfs_driver, a_group_is_probed_without_side_effects)
{
	bool viable = false;

	cr_assert_eq(group_probe(&k.sys, 5, &viable, &err), -ENOENT);
	bound(GPU);
	cr_assert_eq(group_probe(&k.sys, 5, &viable, &err), 0);
	cr_assert(viable);
	k.state->not_viable_group = 5;
	cr_assert_eq(group_probe(&k.sys, 5, &viable, &err), 0);
	cr_assert(!viable);
	k.state->open_group = 5;
	cr_assert_eq(group_probe(&k.sys, 5, NULL, &err), -EBUSY);
	cr_assert_neq(strstr(err.text, "group 5"), NULL);
}

Test(sysfs_driver, a_group_node_of_another_number_is_not_the_one)
{
	struct driver_binding binding = planned(GPU);

	fake_text(&k, "class/vfio/5/dev", "247:3\n");
	cr_assert_eq(bind_within(&binding, SLOW_MS), -ETIMEDOUT);
	cr_assert_eq(err.wedged, 0);
	fake_text(&k, "class/vfio/5/dev", "0:0\n");
	cr_assert_eq(group_wait_node(&k.sys, 5, sysfs_deadline_ms(LONG_MS), &err), 0);
}
