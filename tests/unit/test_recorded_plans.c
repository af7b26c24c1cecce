/* SPDX-License-Identifier: MIT */
/*
 * --dry-run on recorded hosts: tests/data/hosts/HOST.plans (helper_cases.h), what would be taken
 * and written, and QEMU's arguments for what the guest gets.
 *
 * A title ending in "[NAME]" has its whole argument list in tests/data/argv/NAME.args too, where
 * real QEMU starts it (tests/qemu/test_golden.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "host/facts.h"
#include "run/device_plan.h"
#include "tests/unit/helper_cases.h"
#include "tests/unit/helper_golden.h"

/* The usual plan of a VM with these devices, on the CPU of the host. */
static int build(const struct recorded_case *c, const struct device_plan *devices,
		 struct strv *args, struct error *err)
{
	AUTO_HOST_FACTS struct host_facts facts = { 0 };
	struct qemu_caps caps;
	struct vm_plan plan;
	int r = host_facts_read(&c->host, &facts, err);

	cr_assert_eq(r, 0, "%s", err->msg);
	golden_plan(&plan);
	golden_caps(&caps);
	memcpy(plan.devices, devices->devices, sizeof(plan.devices));
	plan.n_devices = devices->n_devices;
	plan.mmio64 = devices->mmio64;
	plan.phys_bits = facts.phys_bits;
	if (strstr(c->title, "UEFI") != NULL) {
		plan.kernel = plan.initrd = plan.append = NULL;
		plan.firmware_code_fd = 9;
		plan.firmware_vars_fd = 10;
	}
	r = vm_args_build(&plan, &caps, args, err);
	qemu_caps_done(&caps);
	return r;
}

static bool is_about_devices(const char *value)
{
	return strstr(value, "\"pcie-root-port\"") != NULL ||
	       strstr(value, "\"vfio-pci\"") != NULL || strstr(value, "X-PciMmio64Mb") != NULL;
}

static void put_arguments(FILE *out, const struct strv *args)
{
	for (size_t i = 1; i < args->n; i++) {
		if (is_about_devices(args->v[i]))
			(void)fprintf(out, "%s %s\n", args->v[i - 1], args->v[i]);
	}
}

static void keep_list(const struct recorded_case *c, const struct strv *args)
{
	const char *open = strrchr(c->title, '[');
	char name[64] = "";

	if (open != NULL && sscanf(open, "[%63[^]]]", name) == 1)
		golden_compare(name, args);
}

static void put_refusal(FILE *out, const struct error *err)
{
	(void)fprintf(out, "refused: %s\n", err->msg);
	if (err->hint[0] != '\0')
		(void)fprintf(out, "hint: %s\n", err->hint);
}

static void answer(FILE *out, struct recorded_case *c)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	AUTO_DEVICE_PLAN struct device_plan plan = { .n_writes = 0 };
	AUTO_CONFIG struct config cfg;
	AUTO_STRV struct strv args = STRV_INIT;
	struct error err = ERROR_INIT;
	int r;

	cases_config(c->json, &cfg);
	r = device_choice_make(&c->host, &cfg, &choice, &err);
	if (r == 0)
		r = device_plan_make(&c->host, &choice, &plan, &err);
	if (r == 0)
		r = build(c, &plan, &args, &err);
	if (r < 0) {
		put_refusal(out, &err);
		return;
	}
	device_plan_print(out, &plan);
	put_arguments(out, &args);
	keep_list(c, &args);
}

static void check_host(const char *name)
{
	cases_check(name, "plans", answer);
}

TestSuite(recorded_plans, .timeout = 240);

EVERY_RECORDED_HOST(recorded_plans, check_host)
