/* SPDX-License-Identifier: MIT */
#include "tests/unit/helper_tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"

char *tree_new(void)
{
	char *root = strdup("/tmp/bmvm-test-XXXXXX");

	cr_assert_not_null(root);
	cr_assert_not_null(mkdtemp(root));
	return root;
}

void tree_dir(const char *root, const char *path)
{
	AUTO_FREE char *full = path_join(root, path);

	cr_assert_eq(file_mkdirs(full, 0755, NULL), 0, "mkdir %s", full);
}

/* The folder part of @path. */
static void make_parent(const char *root, const char *path)
{
	AUTO_FREE char *copy = strdup(path);
	char *slash = strrchr(copy, '/');

	if (slash == NULL)
		return;
	*slash = '\0';
	tree_dir(root, copy);
}

void tree_file(const char *root, const char *path, const char *fmt, ...)
{
	AUTO_FREE char *full = path_join(root, path);
	AUTO_FCLOSE FILE *f = NULL;
	va_list ap;

	make_parent(root, path);
	f = fopen(full, "we");
	cr_assert_not_null(f, "%s", full);
	va_start(ap, fmt);
	cr_assert(vfprintf(f, fmt, ap) >= 0);
	va_end(ap);
}

void tree_program(const char *root, const char *path)
{
	AUTO_FREE char *full = path_join(root, path);

	tree_file(root, path, "#!/bin/false\n");
	cr_assert_eq(chmod(full, 0755), 0);
}

void tree_remove(char *root)
{
	(void)file_remove_tree_at(AT_FDCWD, root, NULL);
	free(root);
}

static void common(const char *root)
{
	tree_file(root, "proc/sys/kernel/random/boot_id", "00000000-1111-2222-3333-444444444444\n");
	tree_file(root, "proc/sys/vm/overcommit_memory", "0\n");
	tree_file(root, "proc/sys/user/max_user_namespaces", "63000\n");
	tree_file(root, "proc/loadavg", "0.25 0.50 0.75 1/100 4242\n");
	tree_dir(root, "sys/class/iommu");
	tree_dir(root, "sys/kernel/iommu_groups");
	tree_dir(root, "dev");
}

static void pool(const char *root, const char *folder, unsigned int kib, unsigned int total,
		 unsigned int avail)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/hugepages-%ukB/nr_hugepages", folder, kib);
	tree_file(root, path, "%u\n", total);
	(void)snprintf(path, sizeof(path), "%s/hugepages-%ukB/free_hugepages", folder, kib);
	tree_file(root, path, "%u\n", avail);
	(void)snprintf(path, sizeof(path), "%s/hugepages-%ukB/resv_hugepages", folder, kib);
	tree_file(root, path, "0\n");
}

void tree_intel(const char *root)
{
	common(root);
	tree_file(root, "proc/meminfo",
		  "MemTotal:       16777216 kB\nMemFree:         1048576 kB\n"
		  "MemAvailable:   12582912 kB\nSwapTotal:             0 kB\n"
		  "Hugepagesize:       2048 kB\n");
	tree_file(root, "proc/cpuinfo",
		  "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: A vmx-less name\n"
		  "flags\t\t: fpu vme de vmx ssse3\naddress sizes\t: 39 bits physical, 48 bits "
		  "virtual\n\n");
	tree_file(root, "proc/self/status", "Name:\tbmvm\nCpus_allowed_list:\t0-3\n");
	tree_file(root, "proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet\n");
	tree_file(root, "sys/devices/system/cpu/online", "0-3\n");
	tree_file(root, "sys/devices/system/node/node0/cpulist", "0-3\n");
	pool(root, "sys/kernel/mm/hugepages", 2048, 0, 0);
	pool(root, "sys/devices/system/node/node0/hugepages", 2048, 0, 0);
}

static void node_memory(const char *root, unsigned int id, unsigned int gib, unsigned int free_gib)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "sys/devices/system/node/node%u/meminfo", id);
	tree_file(root, path,
		  "Node %u MemTotal:       %u kB\nNode %u MemFree:        %u kB\n"
		  "Node %u Active(anon):   1048576 kB\nNode %u Active(file):   1048576 kB\n"
		  "Node %u Inactive(file): 2097152 kB\nNode %u SReclaimable:   1048576 kB\n",
		  id, gib << 20, id, (free_gib - 4) << 20, id, id, id, id);
}

/* Node 0 has 128 GiB of which 112 GiB are available, node 1 the same with 80 GiB. */
static void amd_topology(const char *root)
{
	node_memory(root, 0, 128, 112);
	node_memory(root, 1, 128, 80);
	for (unsigned int cpu = 0; cpu < 16; cpu++) {
		char path[128];

		(void)snprintf(path, sizeof(path),
			       "sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
		tree_file(root, path, "%u,%u\n", cpu % 8, cpu % 8 + 8);
	}
	tree_file(root, "sys/devices/system/cpu/online", "0-15\n");
	tree_file(root, "sys/devices/system/node/node0/cpulist", "0-3,8-11\n");
	tree_file(root, "sys/devices/system/node/node1/cpulist", "4-7,12-15\n");
	tree_file(root, "sys/devices/system/node/online", "0-1\n");
}

void tree_amd(const char *root)
{
	common(root);
	amd_topology(root);
	tree_file(root, "proc/meminfo",
		  "MemTotal:       268435456 kB\nMemFree:         1048576 kB\n"
		  "MemAvailable:   201326592 kB\nSwapTotal:       8388608 kB\n"
		  "Hugepagesize:       2048 kB\n");
	tree_file(root, "proc/cpuinfo",
		  "processor\t: 0\nvendor_id\t: AuthenticAMD\n"
		  "flags\t\t: fpu svm pdpe1gb\naddress sizes\t: 48 bits physical, 48 bits "
		  "virtual\n\n");
	tree_file(root, "proc/self/status", "Name:\tbmvm\nCpus_allowed_list:\t0-15\n");
	tree_file(root, "proc/cmdline", "root=/dev/sda1 amd_iommu=on iommu=pt\n");
	tree_file(root, "proc/interrupts", " 25:   0  IR-PCI-MSI 524288-edge   nvme0q0\n");
	pool(root, "sys/kernel/mm/hugepages", 1048576, 16, 12);
	pool(root, "sys/kernel/mm/hugepages", 2048, 1024, 1000);
	pool(root, "sys/devices/system/node/node0/hugepages", 2048, 512, 500);
	pool(root, "sys/devices/system/node/node1/hugepages", 2048, 512, 500);
	tree_dir(root, "sys/module/kvm");
	tree_file(root, "sys/module/kvm_amd/parameters/nested", "1\n");
	tree_dir(root, "sys/module/vfio_iommu_type1");
	tree_dir(root, "sys/bus/pci/drivers/vfio-pci");
	tree_dir(root, "sys/class/iommu/ivhd0");
	tree_dir(root, "sys/class/iommu/ivhd1");
	tree_dir(root, "sys/kernel/iommu_groups/0");
	tree_dir(root, "sys/kernel/iommu_groups/1");
	tree_dir(root, "sys/kernel/iommu_groups/2");
	tree_file(root, "dev/kvm", "%s", "");
}

void tree_host(const char *root, struct host *host)
{
	AUTO_FREE char *run = path_join(root, "run-user");
	AUTO_FREE char *state = path_join(root, "state-user");
	struct error err = ERROR_INIT;

	cr_assert_eq(file_mkdirs(run, 0700, NULL), 0);
	cr_assert_eq(setenv("XDG_RUNTIME_DIR", run, 1), 0);
	cr_assert_eq(setenv("XDG_STATE_HOME", state, 1), 0);
	cr_assert_eq(host_open(host, root, &err), 0, "%s", err.msg);
}
