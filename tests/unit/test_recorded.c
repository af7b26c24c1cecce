/* SPDX-License-Identifier: MIT */
/* scripts/record-sysfs: what it writes loads again as the same host, without what is private. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "cli/device_report.h"
#include "host/device.h"
#include "tests/unit/helper_recorded.h"
#include "tests/unit/helper_tree.h"

#define RECORD   SOURCE_ROOT "/scripts/record-sysfs"
#define TEXT_CAP ((size_t)16 << 20)

TestSuite(recorded, .timeout = 120);

/* What the script writes of the tree @sys. Return: owned. */
static char *record(const char *sys)
{
	char variable[512];
	const char *argv[] = { "env", variable, RECORD, NULL };
	struct process_output output;
	struct error err = ERROR_INIT;

	(void)snprintf(variable, sizeof(variable), "SYSFS=%s", sys);
	cr_assert_eq(process_run((char *const *)argv, deadline_in_s(110), TEXT_CAP, &output, &err),
		     0, "%s", err.msg);
	cr_assert_eq(output.status, 0, "%s", output.err_tail);
	return output.out;
}

static char *record_root(const char *root)
{
	AUTO_FREE char *sys = path_join(root, "sys");

	return record(sys);
}

/* Every function below @root, as JSON. Return: owned. */
static char *functions_of(const char *root)
{
	AUTO_DEVICE_LIST struct device_list list = DEVICE_LIST_INIT;
	AUTO_HOST struct host host = HOST_INIT;
	struct error err = ERROR_INIT;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	tree_host(root, &host);
	cr_assert_eq(device_list_read(&host, true, &list, &err), 0, "%s", err.msg);
	for (size_t i = 0; i < list.n; i++) {
		struct json_object *o = device_to_json(&list.v[i]);

		fprintf(out, "%s\n", json_object_to_json_string(o));
		json_object_put(o);
	}
	(void)fclose(out);
	return text;
}

static char *host_of(const char *text)
{
	char *root = tree_new();

	(void)recorded_load_text(root, text);
	tree_file(root, "proc/sys/kernel/random/boot_id", "00000000-1111-2222-3333-444444444444\n");
	tree_dir(root, "dev");
	return root;
}

Test(recorded, comes_out_as_the_same_host)
{
	static const char *const names[] = { "mi300x-gim", "workstation", "l40s-vgpu" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *first = tree_new(), *second;
		AUTO_FREE char *text = NULL, *again = NULL, *before = NULL, *after = NULL;
		AUTO_FREE char *proc = NULL;

		recorded_load(first, names[i]);
		/* users are not recorded */
		proc = path_join(first, "proc");
		(void)file_remove_tree_at(AT_FDCWD, proc, NULL);
		tree_file(first, "proc/sys/kernel/random/boot_id",
			  "00000000-1111-2222-3333-444444444444\n");
		text = record_root(first);
		second = host_of(text);
		again = record_root(second);
		before = functions_of(first);
		after = functions_of(second);
		cr_expect_str_eq(text, again, "%s", names[i]);
		cr_expect(strlen(before) > 1000, "%s", names[i]);
		cr_expect_str_eq(before, after, "%s", names[i]);
		tree_remove(first);
		tree_remove(second);
	}
}

Test(recorded, leaves_out_what_is_private)
{
	static const char nic[] = "sys/devices/pci0000:00/0000:04:00.0";
	char *root = tree_new();
	AUTO_FREE char *text = NULL;
	char path[256];

	recorded_load(root, "mi300x");
	(void)snprintf(path, sizeof(path), "%s/net/enx0a1b2c3d4e5f/flags", nic);
	tree_file(root, path, "0x1003\n");
	(void)snprintf(path, sizeof(path), "%s/net/enx0a1b2c3d4e5f/address", nic);
	tree_file(root, path, "0a:1b:2c:3d:4e:5f\n");
	(void)snprintf(path, sizeof(path), "%s/unique_id", nic);
	tree_file(root, path, "SERIAL42\n");
	(void)snprintf(path, sizeof(path), "%s/nvme/nvme9/serial", nic);
	tree_file(root, path, "SERIAL42\n");
	tree_file(root, "sys/class/kfd/kfd/topology/nodes/1/properties",
		  "location_id 1280\ndomain 0\nunique_id 4242424242\n");
	tree_file(root, "sys/class/kfd/kfd/topology/nodes/1/gpu_id", "7\n");
	text = record_root(root);
	cr_expect_null(strstr(text, "0a1b2c3d4e5f"));
	cr_expect_null(strstr(text, "0a:1b:2c:3d:4e:5f"));
	cr_expect_null(strstr(text, "SERIAL42"));
	cr_expect_null(strstr(text, "4242424242"));
	cr_expect_not_null(strstr(text, "/net/enx000000000000\n"));
	cr_expect_not_null(strstr(text, "location_id 1280\\ndomain 0\n"));
	tree_remove(root);
}

Test(recorded, this_machine)
{
	AUTO_FREE char *text = NULL, *functions = NULL;
	char *root;

	if (access("/sys/bus/pci/devices", R_OK) < 0)
		cr_skip_test("no PCI here");
	text = record("/sys");
	root = host_of(text);
	functions = functions_of(root);
	for (const char *at = strstr(text, "in sys/devices/pci"); at != NULL;
	     at = strstr(at + 1, "\nin sys/devices/pci")) {
		char address[128];
		size_t len;

		at += *at == '\n';
		len = strcspn(at, "\n");
		/* the folder of a function itself */
		if (strstr(at, "\nconfig\t") != at + len)
			continue;
		(void)snprintf(address, sizeof(address), "\"%.*s\"", 12, at + len - 12);
		cr_expect_not_null(strstr(functions, address), "%s", address);
	}
	tree_remove(root);
}
