/* SPDX-License-Identifier: MIT */
/*
 * A VM on one node of the AMD tree. Node 0 has CPUs 0-3 and 8-11 and 112 GiB available of 128,
 * node 1 has 4-7 and 12-15 and 80 GiB; each has 500 free huge pages of 2 MiB.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "config/config.h"
#include "host/facts.h"
#include "host/numa.h"
#include "tests/unit/helper_tree.h"

static char *root;
static struct host host = HOST_INIT;
static struct host_facts facts;
static struct config cfg;
static struct strv notes = STRV_INIT;
static struct error err = ERROR_INIT;

static void setup(void)
{
	root = tree_new();
	tree_amd(root);
	tree_host(root, &host);
	host.is_root = false;
	cr_assert_eq(host_facts_read(&host, &facts, NULL), 0);
	config_init(&cfg);
	cfg.vcpus = 4;
	cfg.memory = 4 * SIZE_GIB;
}

static void teardown(void)
{
	strv_done(&notes);
	config_done(&cfg);
	host_facts_done(&facts);
	host_done(&host);
	tree_remove(root);
}

TestSuite(numa, .init = setup, .fini = teardown);

static void give(const char *key)
{
	strv_add(&cfg.explicit_keys, key);
}

static void expect_cpus(const struct cpu_mask *cpus, const char *text)
{
	char buf[64];

	cr_expect_str_eq(cpu_mask_text(cpus, buf, sizeof(buf)), text);
}

/* As a run does it. */
static int fit(unsigned int node, struct cpu_mask *cpus)
{
	int r;

	err = (struct error)ERROR_INIT;
	r = numa_cpus(&facts, node, cpus, &err);
	return r < 0 ? r : numa_fit(&host, &facts, &cfg, node, &notes, &err);
}

Test(numa, what_fits_is_left_as_it_is)
{
	struct cpu_mask cpus;

	cr_assert_eq(fit(1, &cpus), 0, "%s", err.msg);
	expect_cpus(&cpus, "4-7,12-15");
	cr_expect_eq(cfg.memory, 4 * SIZE_GIB);
	cr_expect_eq(cfg.vcpus, 4);
	cr_expect_null(cfg.pin_cpus);
	cr_expect_eq(notes.n, 0);
}

Test(numa, the_memory_of_a_node_is_read)
{
	cr_assert_eq(facts.n_nodes, 2);
	cr_expect_eq(facts.nodes[0].mem_total, 128 * SIZE_GIB);
	cr_expect_eq(facts.nodes[0].mem_available, 112 * SIZE_GIB);
	cr_expect_eq(facts.nodes[1].mem_available, 80 * SIZE_GIB);
}

Test(numa, defaults_are_cut_to_the_node)
{
	struct cpu_mask cpus;

	cfg.memory = 128 * SIZE_GIB;
	cfg.vcpus = 16;
	cr_assert_eq(fit(1, &cpus), 0, "%s", err.msg);
	/* the node keeps 5 % of its 128 GiB; whole steps of 64 MiB */
	cr_expect_eq(cfg.memory, (80 * 1024 - 6592) * SIZE_MIB, "%lu", cfg.memory / SIZE_MIB);
	cr_expect_eq(cfg.vcpus, 8);
	cr_assert_eq(notes.n, 2);
	cr_expect_str_eq(notes.v[0],
			 "memory: the default is cut from 128.0 GiB to 73.6 GiB for "
			 "node 1 (80.0 GiB available)");
	cr_expect_str_eq(notes.v[1], "vcpus: the default is cut from 16 to 8, the CPUs of node 1");
}

Test(numa, what_other_vms_on_the_node_were_promised_is_not_given_twice)
{
	struct cpu_mask cpus;

	cfg.memory = 128 * SIZE_GIB;
	facts.nodes[1].mem_promised = 40 * SIZE_GIB;
	cr_assert_eq(fit(1, &cpus), 0, "%s", err.msg);
	cr_expect_eq(cfg.memory, (40 * 1024 - 6592) * SIZE_MIB, "%lu", cfg.memory / SIZE_MIB);
}

Test(numa, explicit_memory_that_does_not_fit_is_refused)
{
	struct cpu_mask cpus;

	give("memory");
	cfg.memory = 80 * SIZE_GIB;
	cr_expect_eq(fit(1, &cpus), 0, "%s", err.msg);
	cfg.memory = 81 * SIZE_GIB;
	cr_expect_eq(fit(0, &cpus), 0, "the other node has it: %s", err.msg);
	cr_expect_eq(fit(1, &cpus), -ENOMEM);
	cr_expect_str_eq(err.msg,
			 "numa_node: 81.0 GiB of memory do not fit node 1, where 80.0 GiB "
			 "are free or can be reclaimed");
	cr_expect_str_eq(err.hint, "ask for less with --memory, or for another numa_node");
}

Test(numa, huge_pages_come_from_the_pool_of_the_node)
{
	struct cpu_mask cpus;

	give("memory");
	cfg.hugepages = 2 * SIZE_MIB;
	cfg.memory = 1000 * SIZE_MIB;
	cr_expect_eq(fit(1, &cpus), 0, "%s", err.msg);
	cfg.memory = 1002 * SIZE_MIB; /* the host has 1000 pages, the node 500 */
	cr_expect_eq(fit(1, &cpus), -ENOMEM);
	cr_expect_str_eq(err.msg,
			 "numa_node: 1002.0 MiB of memory need 501 huge pages of 2.0 MiB "
			 "on node 1, 500 are free there");
	cr_expect_str_eq(err.hint,
			 "echo 513 | sudo tee /sys/devices/system/node/node1/hugepages/"
			 "hugepages-2048kB/nr_hugepages");
	cfg.hugepages = SIZE_GIB;
	cfg.memory = SIZE_GIB;
	cr_expect_eq(fit(1, &cpus), -ENOTSUP, "the tree has such pages, but tells of none there");
	cr_expect(strstr(err.msg, "node 1 has no huge pages of 1.0 GiB") != NULL, "%s", err.msg);
}

Test(numa, a_default_is_cut_to_the_nodes_huge_pages)
{
	struct cpu_mask cpus;

	cfg.hugepages = 2 * SIZE_MIB;
	cfg.memory = 2000 * SIZE_MIB;
	cr_assert_eq(fit(0, &cpus), 0, "%s", err.msg);
	cr_expect_eq(cfg.memory, 1000 * SIZE_MIB);
	cr_assert_eq(notes.n, 1);
	cr_expect_str_eq(notes.v[0],
			 "memory: the default is cut from 2.0 GiB to 1000.0 MiB, the "
			 "free pages of 2.0 MiB on node 0");
}

Test(numa, pinning_auto_takes_the_nodes_cpus_whole_cores_first)
{
	struct cpu_mask cpus;

	cfg.cpu_pinning = CPU_PINNING_AUTO;
	cfg.vcpus = 5;
	cr_assert_eq(fit(1, &cpus), 0, "%s", err.msg);
	cr_assert_eq(cfg.n_pin_cpus, 5);
	for (unsigned int i = 0; i < 4; i++)
		cr_expect_eq(cfg.pin_cpus[i], 4 + i);
	cr_expect_eq(cfg.pin_cpus[4], 12);
	give("vcpus");
	cfg.vcpus = 9;
	cr_expect_eq(fit(1, &cpus), -EINVAL);
	cr_expect(strstr(err.msg, "numa_node: node 1: cpu_pinning") != NULL, "%s", err.msg);
}

Test(numa, pinning_auto_follows_the_devices_if_their_node_has_enough_cpus)
{
	cfg.cpu_pinning = CPU_PINNING_AUTO;
	cr_assert_eq(numa_follow(&host, &facts, &cfg, 1, &notes, &err), 0, "%s", err.msg);
	cr_assert_eq(cfg.n_pin_cpus, 4);
	cr_expect_eq(cfg.pin_cpus[0], 4);
	cr_expect_eq(notes.n, 0);
	cfg.vcpus = 9;
	cr_assert_eq(numa_follow(&host, &facts, &cfg, 1, &notes, &err), 0, "%s", err.msg);
	cr_expect_eq(cfg.n_pin_cpus, 4, "left as it was");
	cr_assert_eq(notes.n, 1);
	cr_expect_str_eq(notes.v[0],
			 "cpu_pinning: node 1, where the devices are, has 8 CPUs for 9 vCPUs");
}

Test(numa, pinning_as_it_was_given_follows_nobody)
{
	cr_assert_eq(numa_follow(&host, &facts, &cfg, 1, &notes, &err), 0, "%s", err.msg);
	cr_expect_null(cfg.pin_cpus);
	cr_expect_eq(notes.n, 0);
}

Test(numa, more_vcpus_than_the_node_has_take_turns)
{
	struct cpu_mask cpus;

	give("vcpus");
	cfg.vcpus = 12;
	cr_assert_eq(fit(0, &cpus), 0, "%s", err.msg);
	cr_expect_eq(cfg.vcpus, 12);
	cr_assert_eq(notes.n, 1);
	cr_expect(strstr(notes.v[0], "node 0 has 8 CPUs") != NULL, "%s", notes.v[0]);
}

Test(numa, a_list_stays_as_it_was_given)
{
	static const unsigned int list[] = { 4, 3 };
	struct cpu_mask cpus;

	cfg.cpu_pinning = CPU_PINNING_LIST;
	cfg.vcpus = 2;
	cfg.pin_cpus = malloc(sizeof(list));
	cr_assert_not_null(cfg.pin_cpus);
	memcpy(cfg.pin_cpus, list, sizeof(list));
	cfg.n_pin_cpus = 2;
	cr_assert_eq(fit(1, &cpus), 0, "%s", err.msg);
	cr_expect_eq(cfg.pin_cpus[1], 3);
	cr_assert_eq(notes.n, 1);
	cr_expect_str_eq(notes.v[0], "cpu_pinning: CPU 3 is not on node 1");
}

Test(numa, a_node_that_is_not_there_or_has_no_cpu_for_us)
{
	struct cpu_mask cpus;

	cr_expect_eq(fit(2, &cpus), -ENODEV);
	cr_expect_str_eq(err.msg, "numa_node: there is no node 2 here (there are: 0-1)");
	cr_assert_eq(cpu_mask_parse("0-3", &facts.usable), 0);
	cr_expect_eq(fit(1, &cpus), -EINVAL);
	cr_expect_str_eq(err.msg, "numa_node: of node 1's CPUs (4-7,12-15) none is allowed to us");
	facts.nodes[1].cpus = (struct cpu_mask){ { 0 } };
	cr_expect_eq(fit(1, &cpus), -EINVAL);
	cr_expect_str_eq(err.msg, "numa_node: node 1 has no CPU");
}
