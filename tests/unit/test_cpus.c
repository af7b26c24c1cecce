/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "host/cpus.h"
#include "host/facts.h"
#include "tests/unit/helper_tree.h"

Test(cpus, lists_of_the_kernel_are_read_and_written)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "0\n", "0" },         { "0-3\n", "0-3" },
		{ "0-3,8\n", "0-3,8" }, { "\n", "none" },
		{ "", "none" },         { "1,3,5-7,9", "1,3,5-7,9" },
		{ "0-0,2-2", "0,2" },   { "8190-8191", "8190-8191" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpu_mask m;
		char text[64];

		cr_assert_eq(cpu_mask_parse(rows[i].in, &m), 0, "%s", rows[i].in);
		cr_expect_str_eq(cpu_mask_text(&m, text, sizeof(text)), rows[i].out);
	}
}

Test(cpus, wrong_lists_are_refused)
{
	static const char *const rows[] = { "a",
					    "0-",
					    "3-1",
					    "0,",
					    "0,,1",
					    ",0",
					    "8192",
					    "-1",
					    "0 1",
					    "0-8192",
					    "0\n1",
					    "0x1",
					    "99999999999999999999" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpu_mask m;

		cr_expect_eq(cpu_mask_parse(rows[i], &m), -EINVAL, "%s", rows[i]);
	}
}

Test(cpus, a_long_list_is_cut_within_the_buffer)
{
	struct cpu_mask m = { { 0 } };
	char text[16];

	for (unsigned int cpu = 0; cpu < 64; cpu += 2)
		cpu_mask_add(&m, cpu);
	memset(text, 'x', sizeof(text));
	cpu_mask_text(&m, text, sizeof(text));
	cr_expect(memchr(text, '\0', sizeof(text)) != NULL);
	cr_expect_str_eq(text, "0,2,4,6,8,...");
	cr_expect_eq(cpu_mask_count(&m), 32);
}

/* The AMD tree: node 0 has CPUs 0-3 and their second threads 8-11, node 1 has 4-7 and 12-15. */
static void with_amd(const char *root, struct host *host, struct host_facts *facts)
{
	tree_amd(root);
	tree_host(root, host);
	cr_assert_eq(host_facts_read(host, facts, NULL), 0);
}

static const char *chosen(const struct host *host, const struct host_facts *facts, unsigned int n)
{
	static char text[64];
	unsigned int cpus[16];
	struct cpu_mask m = { { 0 } };
	struct error err = ERROR_INIT;

	cr_assert_eq(cpus_choose(host, facts, n, cpus, &err), 0, "%s", err.msg);
	for (unsigned int i = 0; i < n; i++) {
		cr_expect(i == 0 || cpus[i - 1] < cpus[i], "ascending, distinct");
		cpu_mask_add(&m, cpus[i]);
	}
	return cpu_mask_text(&m, text, sizeof(text));
}

Test(cpus, choice_stays_on_one_node_and_takes_whole_cores_first)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts facts = { 0 };

	with_amd(root, &host, &facts);
	cr_expect_str_eq(chosen(&host, &facts, 2), "0-1");
	cr_expect_str_eq(chosen(&host, &facts, 4), "0-3");
	cr_expect_str_eq(chosen(&host, &facts, 5), "0-3,8");
	cr_expect_str_eq(chosen(&host, &facts, 8), "0-3,8-11");
	cr_expect_str_eq(chosen(&host, &facts, 9), "0-4,8-11");
	cr_expect_str_eq(chosen(&host, &facts, 16), "0-15");
	tree_remove(root);
}

Test(cpus, choice_avoids_what_other_vms_took)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts facts = { 0 };

	with_amd(root, &host, &facts);
	cr_assert_eq(cpu_mask_parse("0-1", &facts.taken), 0);
	cr_expect_str_eq(chosen(&host, &facts, 4), "4-7", "the emptier node");
	cr_expect_str_eq(chosen(&host, &facts, 15), "0,2-15");
	tree_remove(root);
}

Test(cpus, more_vcpus_than_allowed_cpus_are_refused)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts facts = { 0 };
	struct error err = ERROR_INIT;
	unsigned int cpus[16];

	tree_amd(root);
	tree_file(root, "proc/self/status", "Cpus_allowed_list:\t2-4\n");
	tree_host(root, &host);
	cr_assert_eq(host_facts_read(&host, &facts, NULL), 0);
	cr_expect_str_eq(chosen(&host, &facts, 3), "2-4");
	cr_expect_eq(cpus_choose(&host, &facts, 4, cpus, &err), -EINVAL);
	cr_expect_str_eq(err.msg,
			 "cpu_pinning \"auto\" needs a host CPU for each of 4 vCPUs, 3 are "
			 "allowed to us");
	tree_remove(root);
}

Test(cpus, a_given_list_is_checked)
{
	static const struct {
		unsigned int list[3];
		size_t n;
		unsigned int vcpus;
		const char *rule; /* NULL: fine */
	} rows[] = {
		{ { 2, 4, 3 }, 3, 3, NULL },
		{ { 2, 3 }, 2, 3, "names 2 CPUs for 3 vCPUs" },
		{ { 2, 3, 4 }, 3, 2, "names 3 CPUs for 2 vCPUs" },
		{ { 2, 16 }, 2, 2, "CPU 16 is not online here (0-15 are)" },
		{ { 2, 99999 }, 2, 2, "CPU 99999 is not online" },
		{ { 2, 5 }, 2, 2, "CPU 5 is not allowed to us (2-4 are)" },
		{ { 2, 2 }, 2, 2, "CPU 2 is named twice" },
	};
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts facts = { 0 };

	tree_amd(root);
	tree_file(root, "proc/self/status", "Cpus_allowed_list:\t2-4\n");
	tree_host(root, &host);
	cr_assert_eq(host_facts_read(&host, &facts, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;
		int r = cpus_validate(&facts, rows[i].list, rows[i].n, rows[i].vcpus, &err);

		cr_expect_eq(r, rows[i].rule == NULL ? 0 : -EINVAL, "row %zu", i);
		cr_expect(rows[i].rule == NULL || strstr(err.msg, rows[i].rule) != NULL,
			  "row %zu: %s", i, err.msg);
	}
	tree_remove(root);
}
