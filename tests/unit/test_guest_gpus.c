/* SPDX-License-Identifier: MIT */
/* What a guest says of its GPUs: the script is run by a real shell, on a tree like amdgpu's. */
#include "workload/guest_gpus.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/process.h"
#include "tests/unit/helper_tree.h"

#define NODES "sys/devices/virtual/kfd/kfd/topology/nodes"

static char *root;

static void setup(void)
{
	root = tree_new();
}

static void teardown(void)
{
	tree_remove(root);
}

TestSuite(guest_gpus, .init = setup, .fini = teardown);

/* @path: where the shell finds programs. */
static struct guest_gpus look(enum gpu_vendor vendor, const char *path)
{
	struct guest_gpus g = { .gpus = { .vendor = vendor } };
	struct process_output out = { .out = NULL };
	struct error err = ERROR_INIT;
	char env[] = "/usr/bin/env", sh[] = "/bin/sh", c[] = "-c";
	char *script = strdup(guest_gpus_script(vendor)), *variable = NULL;
	char *argv[] = { env, NULL, sh, c, script, sh, root, NULL };

	cr_assert(asprintf(&variable, "PATH=%s:/usr/bin:/bin", path) > 0);
	argv[1] = variable;
	cr_assert(process_run(argv, deadline_in_s(30), 1 << 20, &out, &err) == 0, "%s", err.msg);
	cr_assert_str_eq(out.err_tail, "");
	guest_gpus_parse(out.out, &g);
	process_output_done(&out);
	free(script);
	free(variable);
	return g;
}

static void node(unsigned int i, unsigned int render, unsigned int target)
{
	char path[128];

	(void)snprintf(path, sizeof(path), NODES "/%u/properties", i);
	tree_file(root, path,
		  "cpu_cores_count 0\nsimd_count 304\ngfx_target_version %u\n"
		  "drm_render_minor %u\nunique_id 1234567890\n",
		  target, render);
}

/* Nodes of processors have no render node; ten comes after nine. */
Test(guest_gpus, amd_in_the_kernels_order)
{
	struct guest_gpus g;

	node(0, 0, 0);
	node(1, 0, 0);
	for (unsigned int i = 2; i < 12; i++)
		node(i, 200 - i, 90402);
	tree_file(root, "sys/class/drm/renderD198/device/product_name", "AMD Instinct MI300X\n");
	tree_file(root, "opt/rocm/.info/version", "6.4.1-83\n");
	g = look(GPU_VENDOR_AMD, "");
	cr_assert_eq(g.gpus.n, 10);
	for (size_t i = 0; i < g.gpus.n; i++)
		cr_assert_eq(g.gpus.renders[i], 198 - i);
	cr_assert_str_eq(g.architecture, "gfx942");
	cr_assert_str_eq(g.product, "AMD Instinct MI300X");
	cr_assert_str_eq(g.runtime, "6.4");
	cr_assert(!g.fuse);
}

/* Each group once; what cannot be looked up is none. */
Test(guest_gpus, groups_of_amds_devices)
{
	struct guest_gpus g = { .gpus = { .vendor = GPU_VENDOR_AMD } };
	char text[] = "A 109\nA\nA \nA -1\nA x\nA 4294967296\nA 44\nA 109\nA 44x\n";
	char many[40 * 8] = "";

	guest_gpus_parse(text, &g);
	cr_assert_eq(g.gpus.n_groups, 2);
	cr_assert_eq(g.gpus.groups[0], 109);
	cr_assert_eq(g.gpus.groups[1], 44);
	for (int i = 0; i < 40; i++)
		(void)sprintf(many + strlen(many), "A %d\n", i);
	guest_gpus_parse(many, &g);
	cr_assert_eq(g.gpus.n_groups, GPU_GROUPS_MAX);
	cr_assert_eq(look(GPU_VENDOR_AMD, "").gpus.n_groups, 0);
	tree_file(root, "dev/kfd", "%s", "");
	tree_file(root, "dev/dri/renderD128", "%s", "");
	tree_file(root, "dev/dri/card0", "%s", "");
	g = look(GPU_VENDOR_AMD, "");
	cr_assert_eq(g.gpus.n_groups, 1);
	cr_assert_eq(g.gpus.groups[0], getegid());
}

/* The second and third number are hexadecimal in the name. */
Test(guest_gpus, names_of_architectures)
{
	static const struct {
		unsigned int target;
		const char *name;
	} all[] = { { 90010, "gfx90a" },   { 90400, "gfx940" },   { 90500, "gfx950" },
		    { 100300, "gfx1030" }, { 110000, "gfx1100" }, { 90008, "gfx908" } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct guest_gpus g;

		node(0, 128, all[i].target);
		g = look(GPU_VENDOR_AMD, "");
		cr_assert_str_eq(g.architecture, all[i].name);
		cr_assert_str_eq(g.product, "");
		cr_assert_str_eq(g.runtime, "");
	}
}

Test(guest_gpus, none_at_all)
{
	cr_assert_eq(look(GPU_VENDOR_AMD, "").gpus.n, 0);
	cr_assert_eq(look(GPU_VENDOR_NONE, "").gpus.n, 0);
	cr_assert_eq(look(GPU_VENDOR_NVIDIA, "/nowhere").gpus.n, 0);
}

Test(guest_gpus, nvidia_by_its_own_program)
{
	char path[512];
	struct guest_gpus g;

	tree_program(root, "bin/nvidia-smi");
	tree_file(root, "bin/nvidia-smi",
		  "#!/bin/sh\n"
		  "[ \"$*\" = '--query-gpu=index,name --format=csv,noheader' ] || exit 1\n"
		  "echo '0, NVIDIA H100 80GB HBM3'\necho '1, NVIDIA H100 80GB HBM3'\n");
	tree_program(root, "bin/nvcc");
	tree_file(root, "bin/nvcc",
		  "#!/bin/sh\necho 'nvcc: a compiler'\n"
		  "echo 'Cuda compilation tools, release 12.4, V12.4.131'\n");
	(void)snprintf(path, sizeof(path), "%s/bin", root);
	g = look(GPU_VENDOR_NVIDIA, path);
	cr_assert_eq(g.gpus.n, 2);
	cr_assert_str_eq(g.architecture, "NVIDIA H100 80GB HBM3");
	cr_assert_str_eq(g.product, "NVIDIA H100 80GB HBM3");
	cr_assert_str_eq(g.runtime, "12.4");
}

/* Docker is asked as root. */
Test(guest_gpus, nvidia_by_names_of_cdi)
{
	static const struct {
		const char *dirs;
		bool cdi;
	} all[] = { { "[\"/etc/cdi\",\"/var/run/cdi\"]", true },
		    { "[\"/etc/cdi/\"]", true },
		    { "[\"/var/run/cdi\"]", false },
		    { "[]", false },
		    { "", false } };
	char path[512], text[512];

	(void)snprintf(path, sizeof(path), "%s/bin", root);
	tree_program(root, "bin/docker");
	tree_program(root, "bin/sudo");
	tree_file(root, "bin/sudo", "#!/bin/sh\n[ \"$1\" = -n ] || exit 1\nshift\nexec \"$@\"\n");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       "#!/bin/sh\n"
			       "[ \"$*\" = 'info --format {{json .CDISpecDirs}}' ] && echo '%s'\n",
			       all[i].dirs);
		tree_file(root, "bin/docker", "%s", text);
		cr_assert(!look(GPU_VENDOR_NVIDIA, path).gpus.cdi);
		tree_file(root, "etc/cdi/nvidia.yaml", "devices");
		cr_assert_eq(look(GPU_VENDOR_NVIDIA, path).gpus.cdi, all[i].cdi, "%s", all[i].dirs);
		cr_assert(!look(GPU_VENDOR_AMD, path).gpus.cdi);
		tree_file(root, "etc/cdi/nvidia.yaml", "%s", "");
	}
}

/* A guest may say what it likes. */
Test(guest_gpus, strange_lines)
{
	struct guest_gpus g = { .gpus = { .vendor = GPU_VENDOR_AMD } };
	char text[] = "G\nG 1\nG  \nX\n\nF F\nV \nV abc\nG 129 gfx90a\nG 130 gfx942 a b  c\nF\n";
	char many[300 * 16] = "";

	guest_gpus_parse(text, &g);
	cr_assert_eq(g.gpus.n, 2);
	cr_assert_eq(g.gpus.renders[0], 129);
	cr_assert_str_eq(g.architecture, "gfx90a");
	cr_assert_str_eq(g.product, "");
	cr_assert_str_eq(g.runtime, "");
	cr_assert(g.fuse);
	for (int i = 0; i < 300; i++)
		(void)strcat(many, "G 128 gfx942 x\n");
	guest_gpus_parse(many, &g);
	cr_assert_eq(g.gpus.n, GPU_SELECTION_MAX);
}
