/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/facts.h"
#include "tests/unit/helper_tree.h"

#define GIB (UINT64_C(1) << 30)

Test(facts, a_plain_intel_host)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts f = { 0 };

	tree_intel(root);
	tree_host(root, &host);
	cr_assert_eq(host_facts_read(&host, &f, NULL), 0);
	cr_expect_eq(f.mem_total, 16 * GIB);
	cr_expect_eq(f.mem_available, 12 * GIB);
	cr_expect_eq(f.swap_total, 0);
	cr_expect_eq(f.default_hugepage, 2 << 20);
	cr_expect_eq(cpu_mask_count(&f.online), 4);
	cr_expect_eq(cpu_mask_count(&f.usable), 4);
	cr_expect_eq(f.vendor, CPU_VENDOR_INTEL);
	cr_expect(f.has_virt);
	cr_expect_not(f.in_vm);
	cr_expect_eq(f.phys_bits, 39);
	cr_expect_eq(f.n_nodes, 1);
	cr_expect_eq(f.n_pools, 1);
	cr_expect_eq(f.pools[0].total, 0);
	cr_expect_eq(f.kvm, KVM_NODE_MISSING);
	cr_expect_not(f.mod_kvm || f.mod_kvm_vendor);
	cr_expect_eq(f.iommu.units, 0);
	cr_expect_eq(f.iommu.groups, 0);
	cr_expect(!f.iommu.arg_on && f.iommu.arg_pt[0] == 0);
	cr_expect_not(f.has_vfio_pci || f.has_vfio_iommu);
	cr_expect_float_eq(f.load, 0.25, 0.001);
	cr_expect(f.userns);
	tree_remove(root);
}

Test(facts, an_amd_host_with_everything)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts f = { 0 };

	tree_amd(root);
	tree_host(root, &host);
	cr_assert_eq(host_facts_read(&host, &f, NULL), 0);
	cr_expect_eq(f.vendor, CPU_VENDOR_AMD);
	cr_expect(f.has_virt);
	cr_expect_eq(f.kvm, KVM_NODE_OPENS);
	cr_expect(f.mod_kvm && f.mod_kvm_vendor && f.kvm_nested);
	cr_expect_eq(f.iommu.units, 2);
	cr_expect_eq(f.iommu.groups, 3);
	cr_expect(f.iommu.arg_on && strcmp(f.iommu.arg_pt, "iommu=pt") == 0);
	cr_expect(f.has_vfio_pci && f.has_vfio_iommu);
	cr_assert_eq(f.n_nodes, 2);
	cr_expect_eq(f.nodes[0].id, 0);
	cr_expect_eq(f.nodes[1].id, 1);
	cr_expect(cpu_mask_has(&f.nodes[1].cpus, 12));
	cr_expect_eq(f.nodes[1].pools[0].free, 500);
	cr_assert_eq(f.n_pools, 2);
	cr_expect_eq(f.pools[0].page_size, 2 << 20, "smallest first");
	cr_expect_eq(f.pools[1].page_size, GIB);
	cr_expect_eq(host_facts_pool(&f, GIB)->free, 12);
	cr_expect_null(host_facts_pool(&f, 4096));
	tree_remove(root);
}

Test(facts, words_are_matched_whole)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts f = { 0 };

	tree_intel(root);
	tree_file(root, "proc/cmdline", "xiommu=pt iommu=pt2 iommu=p intel_iommu=on,sm_on\n");
	tree_file(root, "proc/cpuinfo",
		  "vendor_id : GenuineIntel\nvmx flags\t: no\nflags : vmx2 xsvm "
		  "hypervisor\n");
	tree_host(root, &host);
	cr_assert_eq(host_facts_read(&host, &f, NULL), 0);
	cr_expect_str_empty(f.iommu.arg_pt);
	cr_expect_not(f.iommu.arg_on);
	cr_expect_not(f.has_virt);
	cr_expect(f.in_vm);
	cr_expect_eq(f.phys_bits, 0);
	tree_remove(root);
}

Test(facts, only_allowed_cpus_are_usable)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts f = { 0 };

	tree_intel(root);
	tree_file(root, "proc/self/status",
		  "Cpus_allowed:\tf0\nCpus_allowed_list:\t1,3-7\nX:\t1\n");
	tree_host(root, &host);
	cr_assert_eq(host_facts_read(&host, &f, NULL), 0);
	cr_expect_eq(cpu_mask_count(&f.usable), 2);
	cr_expect(cpu_mask_has(&f.usable, 1) && cpu_mask_has(&f.usable, 3));
	tree_remove(root);
}

Test(facts, user_namespaces_may_be_switched_off_in_three_ways)
{
	static const struct {
		const char *file, *value;
		bool allowed;
	} rows[] = {
		{ "proc/sys/user/max_user_namespaces", "0\n", false },
		{ "proc/sys/kernel/unprivileged_userns_clone", "0\n", false },
		{ "proc/sys/kernel/unprivileged_userns_clone", "1\n", true },
		{ "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", false },
		{ "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *root = tree_new();
		AUTO_HOST struct host host = HOST_INIT;
		AUTO_HOST_FACTS struct host_facts f = { 0 };

		tree_intel(root);
		tree_file(root, rows[i].file, "%s", rows[i].value);
		tree_host(root, &host);
		cr_assert_eq(host_facts_read(&host, &f, NULL), 0);
		cr_expect_eq(f.userns, rows[i].allowed, "row %zu", i);
		tree_remove(root);
	}
}

Test(facts, a_host_without_memory_or_cpus_is_an_error)
{
	static const struct {
		const char *file, *text;
	} rows[] = {
		{ "proc/meminfo", "MemFree: 1 kB\n" },
		{ "sys/devices/system/cpu/online", "what\n" },
		{ "proc/self/status", "Cpus_allowed_list:\t9\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *root = tree_new();
		AUTO_HOST struct host host = HOST_INIT;
		AUTO_HOST_FACTS struct host_facts f = { 0 };
		struct error err = ERROR_INIT;

		tree_intel(root);
		tree_file(root, rows[i].file, "%s", rows[i].text);
		tree_host(root, &host);
		cr_expect_eq(host_facts_read(&host, &f, &err), -EIO, "row %zu", i);
		cr_expect(strncmp(err.msg, "facts of this host: ", 20) == 0, "%s", err.msg);
		cr_expect_null(f.nodes, "nothing is filled in on failure");
		tree_remove(root);
	}
}

Test(facts, missing_files_are_facts_too)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts f = { 0 };

	tree_file(root, "proc/sys/kernel/random/boot_id", "x\n");
	tree_file(root, "proc/meminfo", "MemTotal: 1024 kB\nMemAvailable: 512 kB\n");
	tree_file(root, "proc/self/status", "Name: x\n");
	tree_file(root, "sys/devices/system/cpu/online", "0\n");
	tree_dir(root, "dev");
	tree_host(root, &host);
	cr_assert_eq(host_facts_read(&host, &f, NULL), 0);
	cr_expect_eq(f.vendor, CPU_VENDOR_OTHER);
	cr_expect_eq(f.n_nodes, 0);
	cr_expect_eq(f.n_pools, 0);
	cr_expect_eq(f.iommu.units, 0);
	cr_expect_not(f.userns);
	tree_remove(root);
}

/* In a child, since giving up root is for good. Returns the kvm state and errno it saw. */
static int kvm_as_nobody(const struct host *host)
{
	int status = 0;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct host_facts f = { 0 };

		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(99);
		if (host_facts_read(host, &f, NULL) < 0)
			_exit(98);
		_exit(f.kvm == KVM_NODE_DENIED && f.kvm_errno == EACCES ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(facts, a_kvm_node_of_others_is_denied)
{
	char *root = tree_new();
	AUTO_FREE char *node = path_join(root, "dev/kvm");
	AUTO_HOST struct host host = HOST_INIT;

	tree_amd(root);
	cr_assert_eq(chmod(root, 0755), 0);
	cr_assert_eq(chmod(node, 0), 0);
	tree_host(root, &host);
	cr_expect_eq(kvm_as_nobody(&host), 0);
	tree_remove(root);
}

Test(facts, tools_are_looked_up_in_path)
{
	char *root = tree_new();
	AUTO_FREE char *bin = path_join(root, "bin");
	AUTO_FREE char *qemu = path_join(root, "bin/my-qemu");
	struct host_facts f = { 0 };

	tree_program(root, "bin/qemu-img");
	tree_program(root, "bin/my-qemu");
	tree_file(root, "bin/mmdebstrap", "not executable\n");
	cr_assert_eq(setenv("PATH", bin, 1), 0);
	host_facts_find_tools(&f, "my-qemu");
	cr_expect_str_eq(f.tools.qemu, qemu);
	cr_expect_not_null(f.tools.qemu_img);
	host_facts_find_tools(&f, "/nonexistent/qemu");
	cr_expect_null(f.tools.qemu);
	host_facts_done(&f);
	tree_remove(root);
}

Test(facts, interrupt_remapping_is_told_by_the_names_of_controllers)
{
	static const char remapped[] =
		"           CPU0       CPU1\n"
		"  9:          0          0  IR-IO-APIC    9-fasteoi   acpi\n"
		" 24:          0          0  PCI-MSI 4096-edge      AMD-Vi\n";
	static const char plain[] =
		"           CPU0\n  9:          0   IO-APIC    9-fasteoi   acpi\n"
		" 24:          0  PCI-MSIX-0000:01:00.0   0-edge      nvme0q0\n"
		" 25:          0  DMAR-MSI    0-edge      dmar0\n";
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	struct iommu_facts f;

	tree_intel(root);
	tree_host(root, &host);
	host_iommu_read(&host, &f);
	cr_expect_eq(f.interrupts, IOMMU_INTERRUPTS_UNKNOWN);
	tree_file(root, "proc/interrupts", "%s", remapped);
	host_iommu_read(&host, &f);
	cr_expect_eq(f.interrupts, IOMMU_INTERRUPTS_REMAPPED);
	tree_file(root, "proc/interrupts", "%s", plain);
	host_iommu_read(&host, &f);
	cr_expect_eq(f.interrupts, IOMMU_INTERRUPTS_PLAIN);
	cr_expect_not(f.unsafe_interrupts);
	tree_file(root, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	host_iommu_read(&host, &f);
	cr_expect(f.unsafe_interrupts);
	tree_remove(root);
}

Test(facts, groups_of_type_identity_are_counted)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	struct iommu_facts f;

	tree_amd(root);
	tree_file(root, "sys/kernel/iommu_groups/0/type", "identity\n");
	tree_file(root, "sys/kernel/iommu_groups/1/type", "DMA-FQ\n");
	tree_file(root, "proc/cmdline", "root=/dev/sda1 amd_iommu=off iommu.passthrough=1\n");
	tree_host(root, &host);
	host_iommu_read(&host, &f);
	cr_expect_eq(f.groups, 3);
	cr_expect_eq(f.identity, 1);
	cr_expect_str_eq(f.arg_pt, "iommu.passthrough=1");
	cr_expect_str_eq(f.arg_off, "amd_iommu=off");
	tree_remove(root);
}
