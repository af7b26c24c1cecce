/* SPDX-License-Identifier: MIT */
/*
 * What --dry-run tells of a choice of devices is what taking them then does on the fake kernel:
 * the same writes in the same order, the same functions in the same places.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "helper_kernel.h"
#include "host/host.h"
#include "host/vmdir.h"
#include "run/assignment.h"
#include "run/device_plan.h"

#define GPU        "0000:41:00.0"
#define AUDIO      "0000:41:00.1"
#define PF         "0000:03:00.0"
#define NIC        "0000:43:00.0"
#define VGPU       "0000:61:00.0"

#define WRITES_MAX 64

/* Writes are made by helper processes: what they do is told in shared memory. */
struct record {
	unsigned int n;
	struct device_write v[WRITES_MAX];
};

static struct fake_kernel k;
static struct sysfs_kernel recording;
static struct record *record;
static struct host host = HOST_INIT;
static char home[64];

static int write_and_record(void *data, int dir_fd, const char *path, const char *value, size_t len)
{
	struct device_write *w = &record->v[record->n++ % WRITES_MAX];

	(void)snprintf(w->path, sizeof(w->path), "%s", path);
	(void)snprintf(w->value, sizeof(w->value), "%.*s", (int)len, value);
	return k.sys.kernel.write(data, dir_fd, path, value, len);
}

static int folder_at_home(const char *name)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	cr_assert(mkdirat(AT_FDCWD, path, 0700) == 0 || errno == EEXIST);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

/*
 * Seven lines of the PF's own, then those of its VFs: one region of 16 GiB each, as the fake kernel
 * makes them, of all four together.
 */
static void tell_vf_memory(void)
{
	static const char own[] = "0x4000000000 0x43ffffffff 0x14220c\n";
	static const char four[] = "0x5000000000 0x5fffffffff 0x14220c\n";
	static const char none[] = "0x0 0x0 0x0\n";

	fake_text(&k, "bus/pci/devices/" PF "/resource", "%s%s%s%s%s%s%s%s%s%s%s%s%s", own, none,
		  none, none, none, none, none, four, none, none, none, none, none);
}

static void setup(void)
{
	(void)strcpy(home, "/tmp/bmvm-test-XXXXXX");
	cr_assert_not_null(mkdtemp(home));
	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	cr_assert_neq(record, MAP_FAILED);
	fake_start(&k);
	fake_host(&k);
	tell_vf_memory();
	fake_text(&k, "module/vfio_pci/refcnt", "0\n");
	fake_text(&k, "module/vfio_iommu_type1/refcnt", "0\n");
	recording = k.sys.kernel;
	recording.write = write_and_record;
	host.sys_fd = k.sys.sys_fd;
	host.dev_fd = k.sys.dev_fd;
	host.kernel = &recording;
	host.proc_fd = k.sys.proc_fd;
	host.run_fd = folder_at_home("run");
	close(folder_at_home("run/vms"));
	host.data_fd = folder_at_home("data");
	close(folder_at_home("data/vms"));
	cr_assert(asprintf(&host.run_dir, "%s/run", home) > 0);
	cr_assert(asprintf(&host.data_dir, "%s/data", home) > 0);
	host.is_root = true;
	(void)strcpy(host.boot_id, "11111111-2222-3333-4444-555555555555");
}

static void teardown(void)
{
	host.sys_fd = -1; /* the fake kernel's */
	host.dev_fd = -1;
	host.proc_fd = -1;
	host_done(&host);
	fake_stop(&k);
	(void)file_remove_tree_at(AT_FDCWD, home, NULL);
}

TestSuite(device_plan, .init = setup, .fini = teardown, .timeout = 120);

static struct device_request *want(struct device_choice *c, enum device_way way,
				   const char *address, unsigned int count, const char *type)
{
	struct device_request *q = reallocarray(c->v, c->n + 1, sizeof(*c->v));

	cr_assert_not_null(q);
	c->v = q;
	q += c->n++;
	*q = (struct device_request){ .way = way, .count = count };
	(void)snprintf(q->address, sizeof(q->address), "%s", address);
	(void)snprintf(q->type, sizeof(q->type), "%s", type);
	if (way == DEVICE_WHOLE)
		strv_add(&q->members, address);
	return q;
}

/* ---- what stands in for what ---- */

static void replace(char *text, size_t size, const char *what, const char *by)
{
	for (char *at = strstr(text, what); at != NULL; at = strstr(text, what)) {
		char rest[SYSFS_PATH_SIZE];

		(void)snprintf(rest, sizeof(rest), "%s", at + strlen(what));
		(void)snprintf(at, size - (size_t)(at - text), "%s%s", by, rest);
	}
}

/* The VFs of PF are 256 apart by 2. */
static void fill_in(char *text, size_t size)
{
	replace(text, size, "<VF 0 of " PF ">", "0000:04:00.0");
	replace(text, size, "<VF 1 of " PF ">", "0000:04:00.2");
}

/* A mediated device's UUID is another each time. */
static void take_out(char *text, size_t size, const struct assignment *a)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->v[i].uuid[0] != '\0')
			replace(text, size, a->v[i].uuid, "<new UUID>");
	}
}

static void compare_writes(struct device_plan *plan, const struct assignment *a)
{
	cr_expect_eq(plan->n_writes, record->n, "told %zu, made %u", plan->n_writes, record->n);
	for (size_t i = 0; i < plan->n_writes && i < record->n; i++) {
		struct device_write *told = &plan->writes[i], *made = &record->v[i];

		fill_in(told->path, sizeof(told->path));
		fill_in(told->value, sizeof(told->value));
		take_out(made->value, sizeof(made->value), a);
		cr_expect_str_eq(told->path, made->path, "write %zu", i);
		cr_expect_str_eq(told->value, made->value, "write %zu, %s", i, made->path);
	}
}

static void compare_devices(struct device_plan *plan, const struct assignment *a)
{
	uint64_t mmio64 = 0;

	cr_assert_eq(plan->n_devices, a->n);
	for (size_t i = 0; i < a->n; i++) {
		struct vm_device *told = &plan->devices[i];

		fill_in(told->host, sizeof(told->host));
		cr_expect_str_eq(told->host, a->v[i].address);
		cr_expect_eq(told->sysfsdev[0] != '\0', a->v[i].uuid[0] != '\0');
		cr_expect_eq(told->slot, a->v[i].slot, "%s", told->host);
		cr_expect_eq(told->function, a->v[i].function, "%s", told->host);
		for (size_t bar = 0; bar < PCI_N_BARS; bar++)
			mmio64 = vm_mmio64_add(mmio64, a->v[i].bars64[bar]);
	}
	cr_expect_eq(plan->mmio64, mmio64);
}

/* Tell, then do, then compare. */
static void check_told(const struct device_choice *choice)
{
	AUTO_DEVICE_PLAN struct device_plan plan = { .n_writes = 0 };
	struct vmdir vd = VMDIR_INIT;
	struct journal journal = JOURNAL_INIT;
	struct assignment a = ASSIGNMENT_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(vmdir_create(&host, "one", &vd, &err), 0, "%s", err.msg);
	cr_assert_eq(journal_open(vd.run_fd, host.boot_id, &journal, &err), 0);
	const struct assignment_task task = {
		.host = &host, .vm = vd.name, .journal = &journal, .choice = choice
	};

	cr_assert_eq(device_plan_make(&host, choice, &plan, &err), 0, "%s", err.msg);
	cr_expect_eq(record->n, 0, "telling is not doing");
	cr_assert_gt(plan.n_writes, 0);
	cr_assert_eq(assignment_make(&a, &task, &err), 0, "%s", err.msg);
	compare_writes(&plan, &a);
	compare_devices(&plan, &a);
	assignment_done(&a);
	journal_close(&journal);
	vmdir_done(&vd);
}

Test(device_plan, a_gpu_and_its_companion)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	struct device_request *q = want(&choice, DEVICE_WHOLE, GPU, 1, "");

	strv_add(&q->members, AUDIO);
	check_told(&choice);
}

Test(device_plan, functions_without_a_driver_or_with_an_override_of_the_administrator)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	want(&choice, DEVICE_WHOLE, "0000:42:00.0", 1, "");
	want(&choice, DEVICE_WHOLE, NIC, 1, "");
	check_told(&choice);
}

/* As modules.alias has it for the device; the module is loaded by now. */
Test(device_plan, a_variant_of_vfio_pci)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	static const char alias[] = "alias vfio_pci:v00001AF4d*sv*sd*bc*sc*i* test_vfio_pci\n";

	host.modules_fd = folder_at_home("modules");
	cr_assert_eq(file_write_atomic_at(host.modules_fd, "modules.alias", alias, strlen(alias),
					  0644, NULL),
		     0);
	fake_text(&k, "bus/pci/devices/0000:42:00.0/modalias",
		  "pci:v00001AF4d00001050sv0sd0bc03sc00i00\n");
	fake_text(&k, "module/test_vfio_pci/drivers/pci:test-vfio-pci/module", "\n");
	fake_driver(&k, "test-vfio-pci");
	want(&choice, DEVICE_WHOLE, "0000:42:00.0", 1, "");
	check_told(&choice);
	cr_expect_str_eq(record->v[0].value, "test-vfio-pci\n");
	cr_expect_str_eq(fake_driver_of(&k, "0000:42:00.0"), "test-vfio-pci");
}

/* All of them before anything else, and not in the order of addresses. */
Test(device_plan, whole_functions_of_several_drivers_beside_vfs)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	fake_proc_text(&k, "driver/nvidia/gpus/0000:51:00.0/unbindLock", "0\n");
	want(&choice, DEVICE_VFS, PF, 1, "")->create = 1;
	strv_add(&want(&choice, DEVICE_WHOLE, GPU, 1, "")->members, AUDIO);
	want(&choice, DEVICE_WHOLE, "0000:51:00.0", 1, "");
	check_told(&choice);
}

Test(device_plan, new_vfs)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	want(&choice, DEVICE_VFS, PF, 2, "")->create = 4;
	check_told(&choice);
}

Test(device_plan, new_vfs_without_automatic_probing)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	fake_text(&k, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", "0\n");
	want(&choice, DEVICE_VFS, PF, 1, "")->create = 1;
	check_told(&choice);
}

Test(device_plan, vfs_that_are_there)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	struct device_request *q = want(&choice, DEVICE_VFS, PF, 1, "");

	cr_assert_eq(fake_write_now(&k, "bus/pci/devices/" PF "/sriov_drivers_autoprobe", "0"), 0);
	cr_assert_eq(fake_write_now(&k, "bus/pci/devices/" PF "/sriov_numvfs", "3"), 0);
	strv_add(&q->members, "0000:04:00.0");
	check_told(&choice);
}

Test(device_plan, virtual_gpus_of_both_kinds)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	want(&choice, DEVICE_MDEV, "mtty", 1, "nvidia-558");
	want(&choice, DEVICE_MDEV, "0000:51:00.0", 1, "nvidia-558");
	strv_add(&want(&choice, DEVICE_VENDOR_VGPU, VGPU, 1, "558")->members, "0000:61:00.4");
	check_told(&choice);
}

Test(device_plan, everything_in_one_vm)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;

	strv_add(&want(&choice, DEVICE_WHOLE, GPU, 1, "")->members, AUDIO);
	want(&choice, DEVICE_VFS, PF, 2, "")->create = 2;
	want(&choice, DEVICE_MDEV, "mtty", 1, "nvidia-558");
	strv_add(&want(&choice, DEVICE_VENDOR_VGPU, VGPU, 1, "558")->members, "0000:61:00.4");
	check_told(&choice);
}

/* ---- telling ---- */

Test(device_plan, is_told_as_a_shell_would_do_it)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	AUTO_DEVICE_PLAN struct device_plan plan = { .n_writes = 0 };
	AUTO_FREE char *text = NULL;
	struct error err = ERROR_INIT;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	want(&choice, DEVICE_VFS, PF, 1, "")->create = 4;
	cr_assert_eq(device_plan_make(&host, &choice, &plan, &err), 0, "%s", err.msg);
	device_plan_print(out, &plan);
	(void)fclose(out);
	cr_expect_str_eq(
		text,
		"would take  4 VFs to be made of 0000:03:00.0 by nvme, 1 of them to vfio-pci\n"
		"would do    echo 0 > /sys/bus/pci/devices/0000:03:00.0/sriov_drivers_autoprobe\n"
		"            echo 4 > /sys/bus/pci/devices/0000:03:00.0/sriov_numvfs\n"
		"            echo vfio-pci > "
		"/sys/bus/pci/devices/<VF 0 of 0000:03:00.0>/driver_override\n"
		"            echo <VF 0 of 0000:03:00.0> > /sys/bus/pci/drivers_probe\n"
		"            echo > /sys/bus/pci/devices/<VF 0 of 0000:03:00.0>/driver_override\n");
}

Test(device_plan, json_has_every_write)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	AUTO_DEVICE_PLAN struct device_plan plan = { .n_writes = 0 };
	AUTO_JSON struct json_object *o = NULL;
	struct json_object *writes = NULL, *actions = NULL, *first;
	struct error err = ERROR_INIT;

	want(&choice, DEVICE_WHOLE, NIC, 1, "");
	cr_assert_eq(device_plan_make(&host, &choice, &plan, &err), 0, "%s", err.msg);
	o = device_plan_json(&plan);
	cr_assert_eq(json_get_array(o, "writes", &writes, NULL), 0);
	cr_assert_eq(json_get_array(o, "actions", &actions, NULL), 0);
	cr_expect_eq(json_object_array_length(actions), 1);
	cr_assert_eq(json_object_array_length(writes), plan.n_writes);
	first = json_object_array_get_idx(writes, 0);
	cr_expect_str_eq(json_str_or(first, "path", ""),
			 "/sys/bus/pci/devices/" NIC "/driver_override");
	cr_expect_str_eq(json_str_or(first, "value", ""), "vfio-pci\n");
}

Test(device_plan, a_function_that_has_gone_is_an_error)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	AUTO_DEVICE_PLAN struct device_plan plan = { .n_writes = 0 };
	struct error err = ERROR_INIT;

	want(&choice, DEVICE_WHOLE, "0000:77:00.0", 1, "");
	cr_expect_eq(device_plan_make(&host, &choice, &plan, &err), -ENODEV);
}
