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
#include "tests/unit/helper_checks.h"
#include "tests/unit/helper_tree.h"

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

static void expect_golden(const struct checks *f, const char *file)
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
	struct checks f;

	checks_begin(&f, tree_intel);
	checks_run(&f);
	expect_golden(&f, "intel-without-kvm.txt");
	cr_expect_eq(check_report_count(f.lines, f.n, CHECK_FAILED), 1);
	checks_end(&f);
}

Test(check, an_amd_host_with_everything_reads_like_this)
{
	struct checks f;

	checks_begin(&f, tree_amd);
	f.cfg.gpu.mode = GPU_MODE_SRIOV;
	f.cfg.hugepages = SIZE_GIB;
	f.cfg.cpu_pinning = CPU_PINNING_AUTO;
	checks_run(&f);
	expect_golden(&f, "amd-with-everything.txt");
	cr_expect_eq(check_report_count(f.lines, f.n, CHECK_FAILED), 0);
	checks_end(&f);
}

/* ---- row by row ---- */

/* Interfaces are those of the machine the test runs on: only what is not there is told of. */
Test(check, the_bridge_must_be_there)
{
	static char bridge[] = "bmvm-none";
	struct checks f;

	checks_begin(&f, tree_amd);
	checks_run(&f);
	checks_expect(&f, "network", CHECK_INFO, "QEMU's own", NULL);
	f.cfg.network.mode = NETWORK_BRIDGE;
	f.cfg.network.bridge = bridge;
	checks_run(&f);
	checks_expect(&f, "network", CHECK_FAILED,
		      "network.bridge: there is no interface bmvm-none",
		      "ip link add bmvm-none type bridge");
	f.cfg.network.bridge = NULL;
	checks_end(&f);
}

Test(check, a_numa_node_must_have_room_and_be_there)
{
	struct checks f;

	checks_begin(&f, tree_amd);
	checks_run(&f);
	checks_expect(&f, "numa", CHECK_INFO, "not asked for", NULL);
	f.cfg.numa_node = NUMA_NODE_AUTO;
	checks_run(&f);
	checks_expect(&f, "numa", CHECK_INFO, "that of the devices", NULL);
	f.cfg.numa_node = 1;
	checks_run(&f);
	checks_expect(&f, "numa", CHECK_OK,
		      "node 1, CPUs 4-7,12-15, 80.0 GiB of 128.0 GiB available", NULL);
	f.cfg.memory = 100 * SIZE_GIB;
	checks_run(&f);
	checks_expect(&f, "numa", CHECK_FAILED, "100.0 GiB of memory do not fit node 1",
		      "--memory");
	f.cfg.numa_node = 2;
	checks_run(&f);
	checks_expect(&f, "numa", CHECK_FAILED, "there is no node 2 here (there are: 0-1)",
		      "lscpu");
	checks_end(&f);
}

Test(check, without_the_cpu_flag_kvm_fails_with_the_firmware_as_fix)
{
	struct checks f;

	checks_begin(&f, tree_intel);
	f.facts.has_virt = false;
	checks_run(&f);
	checks_expect(&f, "cpu", CHECK_FAILED, "no vmx flag",
		      "switch on VT-x in the firmware setup");
	f.facts.vendor = CPU_VENDOR_AMD;
	checks_run(&f);
	checks_expect(&f, "cpu", CHECK_FAILED, "no svm flag", "AMD-V (SVM)");
	f.facts.in_vm = true;
	checks_run(&f);
	checks_expect(&f, "cpu", CHECK_FAILED, "itself a virtual machine", "nested=1");
	f.facts.kvm = KVM_NODE_OPENS;
	checks_run(&f);
	checks_expect(&f, "cpu", CHECK_WARNING, "although /dev/kvm opens", "bmvm check --boot");
	checks_end(&f);
}

Test(check, what_the_hypervisor_does_not_need_is_no_failure)
{
	struct checks f;

	checks_begin(&f, tree_intel);
	f.cfg.hypervisor = HYPERVISOR_TCG;
	checks_run(&f);
	checks_expect(&f, "kvm", CHECK_INFO, "missing", "modprobe");
	f.cfg.hypervisor = HYPERVISOR_AUTO;
	checks_run(&f);
	checks_expect(&f, "kvm", CHECK_WARNING, "missing", "modprobe");
	f.cfg.hypervisor = HYPERVISOR_KVM;
	checks_run(&f);
	checks_expect(&f, "kvm", CHECK_FAILED, "missing", "modprobe -a kvm kvm_intel");
	checks_end(&f);
}

Test(check, every_trouble_with_the_kvm_node_has_its_own_fix)
{
	struct checks f;

	checks_begin(&f, tree_intel);
	f.host.is_root = false;
	f.facts.kvm = KVM_NODE_DENIED;
	f.facts.kvm_errno = EACCES;
	(void)strcpy(f.facts.kvm_group, "kvm");
	checks_run(&f);
	checks_expect(&f, "kvm", CHECK_FAILED, "Permission denied", "sudo usermod -aG kvm $USER");
	cr_expect_null(strstr(checks_result(&f, "kvm")->fix, "chgrp"));
	(void)strcpy(f.facts.kvm_group, "root");
	checks_run(&f);
	checks_expect(&f, "kvm", CHECK_FAILED, "group root", "sudo chgrp kvm /dev/kvm");
	f.facts.kvm = KVM_NODE_BROKEN;
	f.facts.kvm_errno = ENODEV;
	checks_run(&f);
	checks_expect(&f, "kvm", CHECK_FAILED, "No such device", "sudo modprobe kvm_intel");
	f.facts.kvm = KVM_NODE_MISSING;
	f.facts.mod_kvm_vendor = true;
	checks_run(&f);
	checks_expect(&f, "kvm", CHECK_FAILED, "although the module kvm_intel is loaded",
		      "--device");
	checks_end(&f);
}

Test(check, missing_programs_name_their_package)
{
	struct checks f;

	checks_begin(&f, tree_amd);
	cr_assert_eq(setenv("PATH", "/nonexistent", 1), 0);
	free(f.facts.tools.qemu);
	free(f.facts.tools.qemu_img);
	free(f.facts.tools.mmdebstrap);
	free(f.facts.tools.newuidmap);
	f.facts.tools = (struct host_tools){ .qemu = NULL };
	f.host.is_root = false;
	checks_run(&f);
	checks_expect(&f, "qemu", CHECK_FAILED, "qemu-system-x86_64 not found",
		      "sudo apt-get install qemu-system-x86");
	checks_expect(&f, "qemu-img", CHECK_FAILED, "not found", "apt-get install qemu-utils");
	checks_expect(&f, "mmdebstrap", CHECK_WARNING, "not found", "apt-get install mmdebstrap");
	checks_expect(&f, "userns", CHECK_WARNING, "no newuidmap", "apt-get install uidmap");
	f.cfg.qemu_binary = strdup("/opt/q");
	checks_run(&f);
	checks_expect(&f, "qemu", CHECK_FAILED, "/opt/q not found", "qemu_binary");
	checks_end(&f);
}

Test(check, unprivileged_image_building_has_its_needs)
{
	struct checks f;

	checks_begin(&f, tree_amd);
	f.host.is_root = false;
	checks_run(&f);
	checks_expect(&f, "userns", CHECK_OK, "allowed", NULL);
	f.facts.has_subuid = false;
	checks_run(&f);
	checks_expect(&f, "userns", CHECK_WARNING, "no subordinate ids",
		      "--add-subuids 100000-165535");
	f.facts.userns = false;
	checks_run(&f);
	checks_expect(&f, "userns", CHECK_WARNING, "not allowed to this user",
		      "max_user_namespaces");
	checks_end(&f);
}

Test(check, memory_and_huge_pages_too_short)
{
	struct checks f;

	checks_begin(&f, tree_intel);
	f.cfg.memory = 14 * SIZE_GIB;
	checks_run(&f);
	checks_expect(&f, "memory", CHECK_WARNING, "14.0 GiB were asked for, only 12.0 GiB", NULL);
	f.cfg.memory = 17 * SIZE_GIB;
	checks_run(&f);
	checks_expect(&f, "memory", CHECK_FAILED, "17.0 GiB are more than this host has",
		      "--memory");
	f.cfg.memory = SIZE_GIB;
	f.cfg.hugepages = 2 * SIZE_MIB;
	checks_run(&f);
	checks_expect(&f, "memory", CHECK_OK, "from huge pages", NULL);
	checks_expect(&f, "hugepages", CHECK_FAILED,
		      "1.0 GiB of memory need 512 pages of 2.0 MiB, 0 are free",
		      "echo 512 > /proc/sys/vm/nr_hugepages");
	checks_end(&f);
}

Test(check, files_of_the_configuration_must_be_there)
{
	struct checks f;
	char *missing, *folder;

	checks_begin(&f, tree_amd);
	missing = path_join(f.root, "no such key");
	folder = path_join(f.root, "sys");
	checks_run(&f);
	checks_expect(&f, "ssh-key", CHECK_INFO, "fresh pair", NULL);
	checks_expect(&f, "mounts", CHECK_INFO, "none", NULL);
	f.cfg.ssh_key = strdup(missing);
	f.cfg.mounts = calloc(2, sizeof(*f.cfg.mounts));
	f.cfg.n_mounts = 2;
	f.cfg.mounts[0].host = folder;
	f.cfg.mounts[1].host = missing;
	checks_run(&f);
	checks_expect(&f, "ssh-key", CHECK_FAILED, "No such file", "ls -l '");
	checks_expect(&f, "mounts", CHECK_FAILED, "mounts[1]: ", "mkdir -p '");
	f.cfg.mounts[1].unmade = true;
	checks_run(&f);
	checks_expect(&f, "mounts", CHECK_OK, "2, all are folders", NULL);
	tree_file(f.root, "no such key", "x");
	checks_run(&f);
	checks_expect(&f, "ssh-key", CHECK_OK, "no such key", NULL);
	checks_expect(&f, "mounts", CHECK_FAILED, "is no folder", "correct mounts[1].host");
	cr_expect_null(strstr(checks_result(&f, "mounts")->fix, "mkdir"), "a file is there");
	free(f.cfg.ssh_key);
	f.cfg.ssh_key = strdup(folder);
	f.cfg.n_mounts = 1;
	checks_run(&f);
	checks_expect(&f, "ssh-key", CHECK_FAILED, "is no file", "correct ssh_key");
	checks_expect(&f, "mounts", CHECK_OK, "1, all are folders", NULL);
	f.cfg.n_mounts = 2;
	checks_end(&f);
}

/* Through them it could change what other VMs and their undoing go by. */
Test(check, no_guest_may_write_to_our_own_folders)
{
	static const char *const paths[] = { "run", "run/bmvm", "run/bmvm/vms", "own", "var/lib" };
	struct checks f;
	struct error err = ERROR_INIT;
	char *elsewhere;

	checks_begin(&f, tree_amd);
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
		checks_run(&f);
		checks_expect(&f, "mounts", CHECK_FAILED, "would let the guest write to",
			      "readonly");
		cr_expect_lt(host_check_run(&f.host, &f.cfg, &err), 0);
		cr_expect_eq(strncmp(err.msg, "mounts[0]: /", 12), 0, "%s", err.msg);
		f.cfg.mounts[0].readonly = true;
		checks_run(&f);
		checks_expect(&f, "mounts", CHECK_OK, "1, all are folders", NULL);
		free(f.cfg.mounts[0].host);
	}
	f.cfg.mounts[0].readonly = false;
	f.cfg.mounts[0].host = path_join(f.root, "run/bmvm-of-others");
	checks_run(&f);
	checks_expect(&f, "mounts", CHECK_OK, "1, all are folders", NULL);
	checks_end(&f);
}

Test(check, a_run_stops_at_the_first_failed_row_with_its_fix)
{
	struct checks f;
	struct error err = ERROR_INIT;

	checks_begin(&f, tree_amd);
	cr_expect_eq(host_check_run(&f.host, &f.cfg, &err), 0, "%s", err.msg);
	f.cfg.hugepages = 2 * SIZE_MIB;
	cr_expect_eq(host_check_run(&f.host, &f.cfg, &err), -ENOTSUP);
	cr_expect_str_eq(err.msg,
			 "huge pages: 4.0 GiB of memory need 2048 pages of 2.0 MiB, 1000 are "
			 "free");
	cr_expect_str_eq(err.hint, "echo 2072 > /proc/sys/vm/nr_hugepages");
	checks_end(&f);
}

Test(check, a_long_fix_becomes_one_line_of_hint)
{
	struct checks f;
	struct error err = ERROR_INIT;

	checks_begin(&f, tree_intel);
	f.cfg.hypervisor = HYPERVISOR_TCG;
	f.cfg.gpu.mode = GPU_MODE_VFIO;
	cr_expect_eq(host_check_run(&f.host, &f.cfg, &err), -ENOTSUP);
	cr_expect_str_eq(err.msg, "baremetal_vm.gpu_passthrough: IOMMU: off");
	cr_expect_null(strchr(err.hint, '\n'));
	cr_expect(strstr(err.hint, "iommu=pt\"; update-grub") != NULL, "%s", err.hint);
	checks_end(&f);
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
	struct checks f;
	struct json_object *list, *first, *v = NULL;

	checks_begin(&f, tree_intel);
	checks_run(&f);
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
	checks_end(&f);
}

Test(check, fixes_longer_than_their_room_are_cut_not_overrun)
{
	struct check_result r = { .status = CHECK_OK };

	for (int i = 0; i < 100; i++)
		check_fix(&r, "line %d of many", i);
	cr_expect_eq(strlen(r.fix), sizeof(r.fix) - 1);
}
