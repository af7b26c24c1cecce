/* SPDX-License-Identifier: MIT */
/* What is listed though it is no ordinary function: what is stuck, and other parents of vGPUs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/device_report.h"
#include "config/config.h"
#include "host/device.h"
#include "host/device_probe.h"
#include "run/device_choice.h"
#include "tests/unit/helper_recorded.h"
#include "tests/unit/helper_tree.h"

#define GPU   "0000:0b:00.0"
#define OTHER "0000:0a:00.0"
#define TYPES "sys/class/mdev_bus/mtty/mdev_supported_types/"

static char *root;
static struct host host = HOST_INIT;
static struct error err;

static void setup(void)
{
	root = tree_new();
	recorded_load(root, "workstation");
	tree_file(root, TYPES "mtty-1/name", "Single port serial\n");
	tree_file(root, TYPES "mtty-1/device_api", "vfio-pci\n");
	tree_file(root, TYPES "mtty-1/available_instances", "24\n");
	tree_file(root, TYPES "mtty-2/name", "Dual port serial\n");
	tree_file(root, TYPES "mtty-2/device_api", "vfio-pci\n");
	tree_file(root, TYPES "mtty-2/available_instances", "12\n");
	tree_host(root, &host);
}

static void teardown(void)
{
	host_done(&host);
	tree_remove(root);
}

TestSuite(device_list, .init = setup, .fini = teardown, .timeout = 120);

/* Opening a FIFO that nobody writes to blocks, as reading of a stuck attribute does. */
static void make_stuck(const char *address)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/driver_override", root,
		       address);
	(void)unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
}

static const struct device *find(const struct device_list *list, const char *address)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->v[i].address, address) == 0)
			return &list->v[i];
	}
	return NULL;
}

static const char *text_of(const struct device *d)
{
	static char text[4096];
	FILE *out = fmemopen(text, sizeof(text), "w");

	cr_assert_not_null(out);
	device_print(out, d);
	(void)fclose(out);
	return text;
}

Test(device_list, one_that_is_stuck_does_not_hold_up_the_others)
{
	AUTO_DEVICE_LIST struct device_list list = DEVICE_LIST_INIT;
	AUTO_JSON struct json_object *o = NULL;
	uint64_t start = clock_now_ns();
	const struct device *d;

	make_stuck(OTHER);
	cr_assert_eq(device_list_read(&host, false, &list, &err), 0, "%s", err.msg);
	cr_expect_lt(clock_now_ns() - start, 60 * UINT64_C(1000000000));
	d = find(&list, OTHER);
	cr_assert_not_null(d);
	cr_expect(d->is_stuck);
	cr_expect_eq(d->f.vendor, PCI_VENDOR_NVIDIA);
	cr_expect_str_eq(d->f.driver, "nvidia");
	cr_expect_not_null(strstr(text_of(d), "does not answer"), "%s", text_of(d));
	o = device_to_json(d);
	cr_expect_str_eq(json_str_or(o, "state", ""), "stuck");
	d = find(&list, GPU);
	cr_assert_not_null(d);
	cr_expect(!d->is_stuck && d->f.iommu_group >= 0);
}

Test(device_list, one_by_itself_is_not_waited_for)
{
	AUTO_DEVICE struct device d = { .n_offers = 0 };
	struct pci_address address;

	make_stuck(GPU);
	cr_assert_eq(pci_address_parse(GPU, &address, NULL), 0);
	cr_expect_eq(device_read(&host, NULL, &address, &d, &err), -ETIMEDOUT);
	cr_expect_not_null(strstr(err.msg, GPU " does not answer"), "%s", err.msg);
}

static bool look(const struct host *h, const void *what, size_t i)
{
	(void)h;
	if (((const char *)what)[i] == 's')
		(void)pause();
	return ((const char *)what)[i] != 'n';
}

Test(device_list, several_that_are_stuck)
{
	bool stuck[6];

	cr_assert_eq(device_probe(&host, 6, look, "aasans", stuck, &err), 0, "%s", err.msg);
	cr_expect(!stuck[0] && !stuck[1] && stuck[2] && !stuck[3] && stuck[4] && stuck[5]);
}

/* Whoever waits for the end of our output does not wait for who is left in the kernel. */
Test(device_list, who_is_left_behind_holds_nothing)
{
	int ends[2];
	bool stuck[1];
	char c;

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(device_probe(&host, 1, look, "s", stuck, &err), 0);
	(void)close(ends[1]);
	cr_expect_eq(read(ends[0], &c, 1), 0);
	(void)close(ends[0]);
}

/* ---- parents that are no PCI functions ---- */

Test(device_list, a_parent_without_an_address_is_listed)
{
	AUTO_DEVICE_LIST struct device_list list = DEVICE_LIST_INIT;
	const struct device *d;

	cr_assert_eq(device_list_read(&host, false, &list, &err), 0, "%s", err.msg);
	d = find(&list, "mtty");
	cr_assert_not_null(d);
	cr_expect(d->is_parent);
	cr_expect_str_eq(text_of(d),
			 "mtty           mediated devices  free\n"
			 "    vGPU type mtty-1 (Single port serial): 24 free\n"
			 "    vGPU type mtty-2 (Dual port serial): 12 free\n");
}

static int choose(const char *json, struct device_choice *ret)
{
	const struct config_source source = { .name = "case", .text = json, .len = strlen(json) };
	AUTO_CONFIG struct config cfg;

	err = (struct error)ERROR_INIT;
	config_init(&cfg);
	cr_assert_eq(config_parse(&cfg, &source, NULL, &err), 0, "%s: %s", json, err.msg);
	cr_assert_eq(config_finish(&cfg, &err), 0, "%s: %s", json, err.msg);
	return device_choice_make(&host, &cfg, ret, &err);
}

static void expect_mtty(const char *json, const char *type)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	cr_assert_eq(choose(json, &choice), 0, "%s: %s", json, err.msg);
	cr_assert_eq(choice.n, 1);
	cr_expect_eq(choice.v[0].way, DEVICE_MDEV);
	cr_expect_str_eq(choice.v[0].address, "mtty");
	cr_expect_str_eq(choice.v[0].type, type);
}

Test(device_list, a_parent_is_named_or_found_by_its_type)
{
	expect_mtty(
		"{\"baremetal_vm\": {\"gpu_passthrough\": {\"mode\": \"vgpu\", "
		"\"gpu_ids\": [\"mtty\"], \"vgpu_type\": \"mtty-1\"}}}",
		"mtty-1");
	expect_mtty(
		"{\"baremetal_vm\": {\"gpu_passthrough\": {\"mode\": \"vgpu\", "
		"\"vgpu_type\": \"Dual port serial\", \"num_vfs\": 12}}}",
		"mtty-2");
}

Test(device_list, a_parent_is_refused_by_name)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	cr_expect_eq(choose("{\"baremetal_vm\": {\"gpu_passthrough\": {\"mode\": \"vgpu\", "
			    "\"gpu_ids\": [\"mtti\"], \"vgpu_type\": \"mtty-1\"}}}",
			    &choice),
		     -ENODEV);
	cr_expect_not_null(strstr(err.msg, "mtty"), "%s", err.msg);
	cr_expect_eq(choose("{\"baremetal_vm\": {\"gpu_passthrough\": {\"mode\": \"vgpu\", "
			    "\"gpu_ids\": [\"mtty\"], \"vgpu_type\": \"mtty-9\"}}}",
			    &choice),
		     -ENOTSUP);
	cr_expect_not_null(strstr(err.msg, "mtty-1 (Single port serial)"), "%s", err.msg);
	cr_expect_eq(choose("{\"baremetal_vm\": {\"gpu_passthrough\": {\"mode\": \"vgpu\", "
			    "\"gpu_ids\": [\"mtty\"], \"vgpu_type\": \"mtty-2\", "
			    "\"num_vfs\": 13}}}",
			    &choice),
		     -ENOTSUP);
	cr_expect_not_null(strstr(err.msg, "room for 12"), "%s", err.msg);
}

Test(device_list, a_parent_does_not_stand_in_for_a_gpu)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	cr_expect_eq(choose("{\"baremetal_vm\": {\"gpu_passthrough\": {\"mode\": \"vgpu\", "
			    "\"gpu_vendor\": \"NVIDIA\", \"vgpu_type\": \"mtty-1\"}}}",
			    &choice),
		     -ENOTSUP);
	cr_expect_null(strstr(err.msg, "mtty:"), "%s", err.msg);
}

Test(device_list, a_quarantined_parent_is_tested_again)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	struct quarantine q;

	cr_assert_eq(quarantine_put(&host, "mtty", "red", "a write to it hangs", &err), 0);
	cr_assert_eq(quarantine_put(&host, "gone", "red", "a write to it hangs", &err), 0);
	cr_expect_eq(choose("{\"baremetal_vm\": {\"gpu_passthrough\": {\"mode\": \"vgpu\", "
			    "\"gpu_ids\": [\"mtty\"], \"vgpu_type\": \"mtty-1\"}}}",
			    &choice),
		     -EBUSY);
	cr_expect_eq(quarantine_retest(&host, "gone", &err), 1);
	cr_expect_eq(quarantine_retest(&host, "mtty", &err), 0, "%s", err.msg);
	cr_expect_eq(quarantine_get(&host, "mtty", &q), 0);
}

/* ---- who may see what ---- */

Test(device_list, a_user_is_not_told_that_roots_gpus_are_free)
{
	AUTO_DEVICE_LIST struct device_list list = DEVICE_LIST_INIT, after = DEVICE_LIST_INIT;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/run", root);
	tree_dir(root, "run/bmvm");
	host.is_root = false;
	close_fd(&host.system_run_fd);
	host.system_run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(host.system_run_fd, 0);
	cr_assert_eq(device_list_read(&host, false, &list, &err), 0, "%s", err.msg);
	cr_expect_not_null(strstr(text_of(find(&list, "mtty")), "not known"), "%s",
			   text_of(find(&list, "mtty")));
	/* root has had no VM on this boot */
	cr_assert_eq(file_remove_tree_at(host.system_run_fd, "bmvm", &err), 0, "%s", err.msg);
	cr_assert_eq(device_list_read(&host, false, &after, &err), 0, "%s", err.msg);
	cr_expect_null(strstr(text_of(find(&after, "mtty")), "not known"), "%s",
		       text_of(find(&after, "mtty")));
}
