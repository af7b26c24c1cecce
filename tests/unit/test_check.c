/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"
#include "cli/check_report.h"
#include "config/config.h"
#include "host/check.h"
#include "host/facts.h"
#include "tests/unit/helper_tree.h"

#define ROWS_MAX 40

/* A fake host with all programs installed, and a small configuration that fits it. */
struct fixture {
	char *root;
	struct host host;
	struct host_facts facts;
	struct config cfg;
	struct check_line lines[ROWS_MAX];
	size_t n;
};

static void set_explicit(struct config *cfg, const char *key)
{
	strv_add(&cfg->explicit_keys, key);
}

static void begin(struct fixture *f, void (*make)(const char *root))
{
	AUTO_FREE char *bin = NULL;

	*f = (struct fixture){ .root = tree_new(), .host = HOST_INIT };
	bin = path_join(f->root, "bin");
	make(f->root);
	tree_program(f->root, "bin/qemu-system-x86_64");
	tree_program(f->root, "bin/qemu-img");
	tree_program(f->root, "bin/mmdebstrap");
	tree_program(f->root, "bin/newuidmap");
	cr_assert_eq(setenv("PATH", bin, 1), 0);
	tree_host(f->root, &f->host);
	cr_assert_eq(host_facts_read(&f->host, &f->facts, NULL), 0);
	host_facts_find_tools(&f->facts, NULL);
	/* what comes from the machine the test runs on */
	f->host.is_root = true;
	f->facts.memlock = 8 * SIZE_MIB;
	f->facts.has_subuid = true;
	f->facts.vfio_errno = 0;
	config_init(&f->cfg);
	f->cfg.vcpus = 2;
	f->cfg.memory = 4 * SIZE_GIB;
	f->cfg.disk_size = 32 * SIZE_MIB;
	set_explicit(&f->cfg, "vcpus");
	set_explicit(&f->cfg, "memory");
	set_explicit(&f->cfg, "disk_size");
}

static void run_all(struct fixture *f)
{
	struct check_ctx ctx = { .host = &f->host, .facts = &f->facts, .cfg = &f->cfg };
	const struct check *rows = host_checks(&f->n);

	cr_assert_leq(f->n, ROWS_MAX);
	for (size_t i = 0; i < f->n; i++) {
		f->lines[i].check = &rows[i];
		check_run(&rows[i], &ctx, &f->lines[i].result);
	}
}

static const struct check_result *result_of(const struct fixture *f, const char *id)
{
	for (size_t i = 0; i < f->n; i++) {
		if (strcmp(f->lines[i].check->id, id) == 0)
			return &f->lines[i].result;
	}
	cr_assert_fail("no row %s", id);
	return NULL;
}

static void end(struct fixture *f)
{
	config_done(&f->cfg);
	host_facts_done(&f->facts);
	host_done(&f->host);
	tree_remove(f->root);
}

/* One row of one host must have this status, and these words in finding and fix. */
static void expect(const struct fixture *f, const char *id, enum check_status status,
		   const char *found, const char *fix)
{
	const struct check_result *r = result_of(f, id);

	cr_expect_eq(r->status, status, "%s: %s %s", id, check_status_name(r->status), r->found);
	cr_expect(strstr(r->found, found) != NULL, "%s: \"%s\" lacks \"%s\"", id, r->found, found);
	if (fix == NULL)
		cr_expect_str_eq(r->fix, "", "%s", id);
	else
		cr_expect(strstr(r->fix, fix) != NULL, "%s: \"%s\" lacks \"%s\"", id, r->fix, fix);
}

/* ---- golden output ---- */

static void replace(char **text, const char *what, const char *by)
{
	char *out = NULL, *at;
	size_t len = 0;
	FILE *m = open_memstream(&out, &len);
	const char *p = *text;

	while ((at = strstr(p, what)) != NULL) {
		(void)fprintf(m, "%.*s%s", (int)(at - p), p, by);
		p = at + strlen(what);
	}
	(void)fprintf(m, "%s", p);
	(void)fclose(m);
	free(*text);
	*text = out;
}

static void expect_golden(const struct fixture *f, const char *file)
{
	AUTO_FREE char *path = path_join(TEST_DATA "/check", file);
	AUTO_FREE char *want = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *m = open_memstream(&text, &len);

	check_report_table(m, f->lines, f->n, false);
	(void)fclose(m);
	replace(&text, f->host.data_dir, "DATA");
	replace(&text, f->host.run_dir, "RUN");
	replace(&text, f->root, "ROOT");
	if (getenv("BMVM_UPDATE_GOLDEN") != NULL)
		cr_assert_eq(file_write_atomic_at(AT_FDCWD, path, text, strlen(text), 0644, NULL),
			     0);
	cr_assert_eq(file_read_at(AT_FDCWD, path, 1 << 20, &want, NULL, NULL), 0, "%s", path);
	cr_expect_str_eq(text, want);
	free(text);
}

Test(check, an_intel_host_without_kvm_reads_like_this)
{
	struct fixture f;

	begin(&f, tree_intel);
	run_all(&f);
	expect_golden(&f, "intel-without-kvm.txt");
	cr_expect_eq(check_report_count(f.lines, f.n, CHECK_FAILED), 1);
	end(&f);
}

Test(check, an_amd_host_with_everything_reads_like_this)
{
	struct fixture f;

	begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_SRIOV;
	f.cfg.hugepages = SIZE_GIB;
	f.cfg.cpu_pinning = CPU_PINNING_AUTO;
	run_all(&f);
	expect_golden(&f, "amd-with-everything.txt");
	cr_expect_eq(check_report_count(f.lines, f.n, CHECK_FAILED), 0);
	end(&f);
}

/* ---- row by row ---- */

/* Interfaces are those of the machine the test runs on: only what is not there is told of. */
Test(check, the_bridge_must_be_there)
{
	static char bridge[] = "bmvm-none";
	struct fixture f;

	begin(&f, tree_amd);
	run_all(&f);
	expect(&f, "network", CHECK_INFO, "QEMU's own", NULL);
	f.cfg.network.mode = NETWORK_BRIDGE;
	f.cfg.network.bridge = bridge;
	run_all(&f);
	expect(&f, "network", CHECK_FAILED, "network.bridge: there is no interface bmvm-none",
	       "ip link add bmvm-none type bridge");
	f.cfg.network.bridge = NULL;
	end(&f);
}

Test(check, a_numa_node_must_have_room_and_be_there)
{
	struct fixture f;

	begin(&f, tree_amd);
	run_all(&f);
	expect(&f, "numa", CHECK_INFO, "not asked for", NULL);
	f.cfg.numa_node = NUMA_NODE_AUTO;
	run_all(&f);
	expect(&f, "numa", CHECK_INFO, "that of the devices", NULL);
	f.cfg.numa_node = 1;
	run_all(&f);
	expect(&f, "numa", CHECK_OK, "node 1, CPUs 4-7,12-15, 80.0 GiB of 128.0 GiB available",
	       NULL);
	f.cfg.memory = 100 * SIZE_GIB;
	run_all(&f);
	expect(&f, "numa", CHECK_FAILED, "100.0 GiB of memory do not fit node 1", "--memory");
	f.cfg.numa_node = 2;
	run_all(&f);
	expect(&f, "numa", CHECK_FAILED, "there is no node 2 here (there are: 0-1)", "lscpu");
	end(&f);
}

Test(check, without_the_cpu_flag_kvm_fails_with_the_firmware_as_fix)
{
	struct fixture f;

	begin(&f, tree_intel);
	f.facts.has_virt = false;
	run_all(&f);
	expect(&f, "cpu", CHECK_FAILED, "no vmx flag", "switch on VT-x in the firmware setup");
	f.facts.vendor = CPU_VENDOR_AMD;
	run_all(&f);
	expect(&f, "cpu", CHECK_FAILED, "no svm flag", "AMD-V (SVM)");
	f.facts.in_vm = true;
	run_all(&f);
	expect(&f, "cpu", CHECK_FAILED, "itself a virtual machine", "nested=1");
	f.facts.kvm = KVM_NODE_OPENS;
	run_all(&f);
	expect(&f, "cpu", CHECK_WARNING, "although /dev/kvm opens", "bmvm check --boot");
	end(&f);
}

Test(check, what_the_hypervisor_does_not_need_is_no_failure)
{
	struct fixture f;

	begin(&f, tree_intel);
	f.cfg.hypervisor = HYPERVISOR_TCG;
	run_all(&f);
	expect(&f, "kvm", CHECK_INFO, "missing", "modprobe");
	f.cfg.hypervisor = HYPERVISOR_AUTO;
	run_all(&f);
	expect(&f, "kvm", CHECK_WARNING, "missing", "modprobe");
	f.cfg.hypervisor = HYPERVISOR_KVM;
	run_all(&f);
	expect(&f, "kvm", CHECK_FAILED, "missing", "modprobe -a kvm kvm_intel");
	end(&f);
}

Test(check, every_trouble_with_the_kvm_node_has_its_own_fix)
{
	struct fixture f;

	begin(&f, tree_intel);
	f.host.is_root = false;
	f.facts.kvm = KVM_NODE_DENIED;
	f.facts.kvm_errno = EACCES;
	(void)strcpy(f.facts.kvm_group, "kvm");
	run_all(&f);
	expect(&f, "kvm", CHECK_FAILED, "Permission denied", "sudo usermod -aG kvm $USER");
	cr_expect_null(strstr(result_of(&f, "kvm")->fix, "chgrp"));
	(void)strcpy(f.facts.kvm_group, "root");
	run_all(&f);
	expect(&f, "kvm", CHECK_FAILED, "group root", "sudo chgrp kvm /dev/kvm");
	f.facts.kvm = KVM_NODE_BROKEN;
	f.facts.kvm_errno = ENODEV;
	run_all(&f);
	expect(&f, "kvm", CHECK_FAILED, "No such device", "sudo modprobe kvm_intel");
	f.facts.kvm = KVM_NODE_MISSING;
	f.facts.mod_kvm_vendor = true;
	run_all(&f);
	expect(&f, "kvm", CHECK_FAILED, "although the module kvm_intel is loaded", "--device");
	end(&f);
}

Test(check, missing_programs_name_their_package)
{
	struct fixture f;

	begin(&f, tree_amd);
	cr_assert_eq(setenv("PATH", "/nonexistent", 1), 0);
	free(f.facts.tools.qemu);
	free(f.facts.tools.qemu_img);
	free(f.facts.tools.mmdebstrap);
	free(f.facts.tools.newuidmap);
	f.facts.tools = (struct host_tools){ .qemu = NULL };
	f.host.is_root = false;
	run_all(&f);
	expect(&f, "qemu", CHECK_FAILED, "qemu-system-x86_64 not found",
	       "sudo apt-get install qemu-system-x86");
	expect(&f, "qemu-img", CHECK_FAILED, "not found", "apt-get install qemu-utils");
	expect(&f, "mmdebstrap", CHECK_WARNING, "not found", "apt-get install mmdebstrap");
	expect(&f, "userns", CHECK_WARNING, "no newuidmap", "apt-get install uidmap");
	f.cfg.qemu_binary = strdup("/opt/q");
	run_all(&f);
	expect(&f, "qemu", CHECK_FAILED, "/opt/q not found", "qemu_binary");
	end(&f);
}

Test(check, unprivileged_image_building_has_its_needs)
{
	struct fixture f;

	begin(&f, tree_amd);
	f.host.is_root = false;
	run_all(&f);
	expect(&f, "userns", CHECK_OK, "allowed", NULL);
	f.facts.has_subuid = false;
	run_all(&f);
	expect(&f, "userns", CHECK_WARNING, "no subordinate ids", "--add-subuids 100000-165535");
	f.facts.userns = false;
	run_all(&f);
	expect(&f, "userns", CHECK_WARNING, "not allowed to this user", "max_user_namespaces");
	end(&f);
}

Test(check, memory_and_huge_pages_too_short)
{
	struct fixture f;

	begin(&f, tree_intel);
	f.cfg.memory = 14 * SIZE_GIB;
	run_all(&f);
	expect(&f, "memory", CHECK_WARNING, "14.0 GiB were asked for, only 12.0 GiB", NULL);
	f.cfg.memory = 17 * SIZE_GIB;
	run_all(&f);
	expect(&f, "memory", CHECK_FAILED, "17.0 GiB are more than this host has", "--memory");
	f.cfg.memory = SIZE_GIB;
	f.cfg.hugepages = 2 * SIZE_MIB;
	run_all(&f);
	expect(&f, "memory", CHECK_OK, "from huge pages", NULL);
	expect(&f, "hugepages", CHECK_FAILED,
	       "1.0 GiB of memory need 512 pages of 2.0 MiB, 0 are free",
	       "echo 512 > /proc/sys/vm/nr_hugepages");
	end(&f);
}

Test(check, passing_devices_needs_root_iommu_and_vfio)
{
	struct fixture f;

	begin(&f, tree_intel);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	f.host.is_root = false;
	run_all(&f);
	expect(&f, "root", CHECK_FAILED, "user ", "sudo bmvm");
	expect(&f, "iommu", CHECK_FAILED, "off",
	       "GRUB_CMDLINE_LINUX=\"intel_iommu=on iommu=pt\"\nsudo update-grub && sudo reboot");
	expect(&f, "iommu-pt", CHECK_WARNING, "not on the kernel command line", "update-grub");
	expect(&f, "interrupts", CHECK_FAILED, "off, as the IOMMU is", "first the IOMMU");
	expect(&f, "memlock", CHECK_FAILED, "8.0 MiB, this VM needs 5.0 GiB", "memlock unlimited");
	f.facts.iommu.arg_on = true;
	run_all(&f);
	expect(&f, "iommu", CHECK_FAILED, "although the kernel was told", "VT-d");
	cr_expect_null(strstr(result_of(&f, "iommu")->fix, "grub"), "it is in there already");
	f.facts.memlock = UINT64_MAX;
	run_all(&f);
	expect(&f, "memlock", CHECK_OK, "5.0 GiB for this VM", NULL);
	end(&f);
}

Test(check, without_devices_none_of_that_matters)
{
	static const char *const ids[] = { "root", "iommu", "iommu-pt", "vfio", "memlock" };
	struct fixture f;

	begin(&f, tree_intel);
	f.host.is_root = false;
	run_all(&f);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		cr_expect_leq(result_of(&f, ids[i])->status, CHECK_INFO, "%s", ids[i]);
	end(&f);
}

Test(check, files_of_the_configuration_must_be_there)
{
	struct fixture f;
	char *missing, *folder;

	begin(&f, tree_amd);
	missing = path_join(f.root, "no such key");
	folder = path_join(f.root, "sys");
	run_all(&f);
	expect(&f, "ssh-key", CHECK_INFO, "fresh pair", NULL);
	expect(&f, "mounts", CHECK_INFO, "none", NULL);
	f.cfg.ssh_key = strdup(missing);
	f.cfg.mounts = calloc(2, sizeof(*f.cfg.mounts));
	f.cfg.n_mounts = 2;
	f.cfg.mounts[0].host = folder;
	f.cfg.mounts[1].host = missing;
	run_all(&f);
	expect(&f, "ssh-key", CHECK_FAILED, "No such file", "ls -l '");
	expect(&f, "mounts", CHECK_FAILED, "mounts[1]: ", "mkdir -p '");
	tree_file(f.root, "no such key", "x");
	run_all(&f);
	expect(&f, "ssh-key", CHECK_OK, "no such key", NULL);
	expect(&f, "mounts", CHECK_FAILED, "is no folder", "correct mounts[1].host");
	cr_expect_null(strstr(result_of(&f, "mounts")->fix, "mkdir"), "a file is there");
	free(f.cfg.ssh_key);
	f.cfg.ssh_key = strdup(folder);
	f.cfg.n_mounts = 1;
	run_all(&f);
	expect(&f, "ssh-key", CHECK_FAILED, "is no file", "correct ssh_key");
	expect(&f, "mounts", CHECK_OK, "1, all are folders", NULL);
	f.cfg.n_mounts = 2;
	end(&f);
}

/* Through them it could change what other VMs and their undoing go by. */
Test(check, no_guest_may_write_to_our_own_folders)
{
	static const char *const paths[] = { "run", "run/bmvm", "run/bmvm/vms", "own", "var/lib" };
	struct fixture f;
	struct error err = ERROR_INIT;
	char *elsewhere;

	begin(&f, tree_amd);
	tree_dir(f.root, "var/lib/bmvm/images");
	tree_dir(f.root, "run/bmvm/vms");
	tree_dir(f.root, "run/bmvm-of-others");
	elsewhere = path_join(f.root, "own");
	cr_assert_eq(symlink("run/bmvm", elsewhere), 0);
	free(elsewhere);
	free(f.host.run_dir);
	free(f.host.data_dir);
	f.host.run_dir = path_join(f.root, "run/bmvm");
	f.host.data_dir = path_join(f.root, "var/lib/bmvm");
	f.cfg.mounts = calloc(1, sizeof(*f.cfg.mounts));
	f.cfg.n_mounts = 1;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		f.cfg.mounts[0].host = path_join(f.root, paths[i]);
		f.cfg.mounts[0].readonly = false;
		run_all(&f);
		expect(&f, "mounts", CHECK_FAILED, "would let the guest write to", "readonly");
		cr_expect_lt(host_check_run(&f.host, &f.cfg, &err), 0);
		cr_expect_eq(strncmp(err.msg, "mounts[0]: /", 12), 0, "%s", err.msg);
		f.cfg.mounts[0].readonly = true;
		run_all(&f);
		expect(&f, "mounts", CHECK_OK, "1, all are folders", NULL);
		free(f.cfg.mounts[0].host);
	}
	f.cfg.mounts[0].readonly = false;
	f.cfg.mounts[0].host = path_join(f.root, "run/bmvm-of-others");
	run_all(&f);
	expect(&f, "mounts", CHECK_OK, "1, all are folders", NULL);
	end(&f);
}

Test(check, a_run_stops_at_the_first_failed_row_with_its_fix)
{
	struct fixture f;
	struct error err = ERROR_INIT;

	begin(&f, tree_amd);
	cr_expect_eq(host_check_run(&f.host, &f.cfg, &err), 0, "%s", err.msg);
	f.cfg.hugepages = 2 * SIZE_MIB;
	cr_expect_eq(host_check_run(&f.host, &f.cfg, &err), -ENOTSUP);
	cr_expect_str_eq(err.msg,
			 "huge pages: 4.0 GiB of memory need 2048 pages of 2.0 MiB, 1000 are "
			 "free");
	cr_expect_str_eq(err.hint, "echo 2072 > /proc/sys/vm/nr_hugepages");
	end(&f);
}

Test(check, a_long_fix_becomes_one_line_of_hint)
{
	struct fixture f;
	struct error err = ERROR_INIT;

	begin(&f, tree_intel);
	f.cfg.hypervisor = HYPERVISOR_TCG;
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	cr_expect_eq(host_check_run(&f.host, &f.cfg, &err), -ENOTSUP);
	cr_expect_str_eq(err.msg, "baremetal_vm.gpu_passthrough: IOMMU: off");
	cr_expect_null(strchr(err.hint, '\n'));
	cr_expect(strstr(err.hint, "iommu=pt\"; update-grub") != NULL, "%s", err.hint);
	end(&f);
}

/* ---- the report ---- */

static void row_with_escapes(const struct check_ctx *ctx, struct check_result *result)
{
	(void)ctx;
	check_found(result, CHECK_FAILED, "a\x1b[31mb\nc");
	check_fix(result, "first \x07");
	check_fix(result, "second");
}

Test(check, foreign_bytes_do_not_reach_the_terminal)
{
	static const struct check row = { "x", "title", "because", NULL, row_with_escapes };
	struct check_line line = { .check = &row };
	struct check_ctx ctx = { .host = NULL };
	char *text = NULL;
	size_t len = 0;
	FILE *m = open_memstream(&text, &len);

	check_run(&row, &ctx, &line.result);
	check_report_table(m, &line, 1, true);
	(void)fclose(m);
	cr_expect_str_eq(text,
			 "failed   title           a\\x1b[31mb\\x0ac\n"
			 "       why:  because\n"
			 "       fix:  first \\x07\n"
			 "             second\n"
			 "not ready: 1 of 1 checks failed, 0 warnings\n");
	free(text);
}

Test(check, json_has_one_object_for_each_row)
{
	struct fixture f;
	struct json_object *list, *first, *v = NULL;

	begin(&f, tree_intel);
	run_all(&f);
	list = check_report_json(f.lines, f.n);
	cr_assert_eq(json_object_array_length(list), f.n);
	first = json_object_array_get_idx(list, 1);
	cr_expect_eq(json_object_object_length(first), 6);
	cr_expect(json_object_object_get_ex(first, "status", &v));
	cr_expect_str_eq(json_object_get_string(v), "failed");
	cr_expect(json_object_object_get_ex(first, "fix", &v));
	cr_expect_str_eq(json_object_get_string(v),
			 "modprobe -a kvm kvm_intel\n"
			 "or run on software emulation, slowly: --hypervisor tcg");
	(void)json_object_put(list);
	end(&f);
}

Test(check, fixes_longer_than_their_room_are_cut_not_overrun)
{
	struct check_result r = { .status = CHECK_OK };

	for (int i = 0; i < 100; i++)
		check_fix(&r, "line %d of many", i);
	cr_expect_eq(strlen(r.fix), sizeof(r.fix) - 1);
}

/* ---- passing devices, row by row ---- */

Test(check, a_refusal_for_devices_names_the_key_that_asks_for_them)
{
	struct config_device other = { .address = NULL, .mode = GPU_MODE_VFIO };
	struct fixture f;
	struct error err = ERROR_INIT;

	begin(&f, tree_intel);
	f.cfg.hypervisor = HYPERVISOR_TCG;
	f.cfg.devices = &other;
	f.cfg.n_devices = 1;
	cr_expect_eq(host_check_run(&f.host, &f.cfg, &err), -ENOTSUP);
	cr_expect(strncmp(err.msg, "baremetal_vm.devices: ", 22) == 0, "%s", err.msg);
	f.cfg.devices = NULL;
	f.cfg.n_devices = 0;
	end(&f);
}

Test(check, the_iommu_is_mended_where_it_was_switched_off)
{
	struct fixture f;

	begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	f.facts.iommu.units = f.facts.iommu.groups = 0;
	f.facts.iommu.arg_on = false;
	run_all(&f);
	expect(&f, "iommu", CHECK_FAILED, "off", "AMD-Vi (IOMMU)");
	cr_expect_null(strstr(result_of(&f, "iommu")->fix, "grub"), "AMD's is on by itself");
	(void)strcpy(f.facts.iommu.arg_off, "amd_iommu=off");
	run_all(&f);
	expect(&f, "iommu", CHECK_FAILED, "off, as amd_iommu=off tells",
	       "take amd_iommu=off out of GRUB_CMDLINE_LINUX\nupdate-grub && reboot");
	f.facts.iommu.units = 2;
	run_all(&f);
	expect(&f, "iommu", CHECK_FAILED, "2 units but no groups", "amd_iommu=off");
	end(&f);
}

Test(check, passthrough_of_the_host_is_seen_by_word_or_by_type)
{
	struct fixture f;

	begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	run_all(&f);
	expect(&f, "iommu-pt", CHECK_OK, "on the kernel command line", NULL);
	f.facts.iommu.arg_pt[0] = '\0';
	run_all(&f);
	expect(&f, "iommu-pt", CHECK_WARNING, "not on the kernel",
	       "GRUB_CMDLINE_LINUX=\"iommu=pt\"");
	f.facts.iommu.identity = 2;
	run_all(&f);
	expect(&f, "iommu-pt", CHECK_OK, "2 of 3 groups", NULL);
	f.facts.iommu.identity = 1;
	run_all(&f);
	expect(&f, "iommu-pt", CHECK_WARNING, "not on the kernel", "iommu=pt");
	end(&f);
}

Test(check, interrupts_that_are_not_remapped_stop_vfio)
{
	struct fixture f;

	begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	f.facts.iommu.interrupts = IOMMU_INTERRUPTS_PLAIN;
	run_all(&f);
	expect(&f, "interrupts", CHECK_FAILED, "off, so VFIO passes nothing", "firmware setup");
	f.facts.iommu.unsafe_interrupts = true;
	run_all(&f);
	expect(&f, "interrupts", CHECK_WARNING, "allow_unsafe_interrupts", "guests that you trust");
	f.facts.iommu.interrupts = IOMMU_INTERRUPTS_UNKNOWN;
	run_all(&f);
	expect(&f, "interrupts", CHECK_INFO, "does not tell", NULL);
	f.facts.iommu.interrupts = IOMMU_INTERRUPTS_REMAPPED;
	run_all(&f);
	expect(&f, "interrupts", CHECK_OK, "on", NULL);
	end(&f);
}

Test(check, vfio_modules_that_cannot_be_loaded)
{
	struct fixture f;

	begin(&f, tree_intel);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	f.facts.vfio_errno = 0;
	run_all(&f);
	expect(&f, "vfio", CHECK_OK, "a run loads them", NULL);
	f.facts.vfio_errno = ENOENT;
	(void)strcpy(f.facts.vfio_why, "the running kernel has no module vfio-pci");
	run_all(&f);
	expect(&f, "vfio", CHECK_FAILED, "has no module vfio-pci", "modprobe -a vfio-pci");
	f.facts.vfio_errno = EPERM;
	(void)strcpy(f.facts.vfio_why, "the kernel module vfio-pci is blacklisted");
	run_all(&f);
	expect(&f, "vfio", CHECK_FAILED, "blacklisted", "/etc/modprobe.d");
	end(&f);
}

Test(check, locked_memory_is_the_guests_and_a_little_more)
{
	struct fixture f;

	begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	run_all(&f);
	expect(&f, "memlock", CHECK_OK, "5.0 GiB for this VM, 192.0 GiB available", NULL);
	f.cfg.memory = 200 * SIZE_GIB;
	run_all(&f);
	expect(&f, "memory", CHECK_FAILED, "have to be pinned", "--memory");
	expect(&f, "memlock", CHECK_OK, "see memory", NULL);
	f.cfg.memory = 4 * SIZE_GIB;
	f.cfg.hugepages = SIZE_GIB;
	run_all(&f);
	expect(&f, "memlock", CHECK_OK, "of huge pages", NULL);
	end(&f);
}
