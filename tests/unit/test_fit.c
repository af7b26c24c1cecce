/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "config/config.h"
#include "host/facts.h"
#include "host/fit.h"
#include "tests/unit/helper_tree.h"

/* A host of plain numbers: 64 GiB, 8 CPUs, nothing else. */
static struct host_facts numbers(uint64_t total_gib, uint64_t available_gib)
{
	struct host_facts f = { .mem_total = total_gib * SIZE_GIB,
				.mem_available = available_gib * SIZE_GIB,
				.default_hugepage = 2 * SIZE_MIB };

	(void)cpu_mask_parse("0-7", &f.online);
	f.usable = f.online;
	return f;
}

static void set_explicit(struct config *cfg, const char *key)
{
	strv_add(&cfg->explicit_keys, key);
}

Test(fit, default_memory_leaves_the_host_its_share)
{
	static const struct {
		uint64_t total, available, promised; /* GiB */
		uint64_t want;                       /* MiB, 0: refused */
	} rows[] = {
		{ 16, 12, 0, 10240 },    /* 2 GiB stay */
		{ 256, 200, 0, 191680 }, /* 5 % of 256 GiB = 12.8 GiB stay, in steps of 64 MiB */
		{ 64, 60, 40, 17152 },   /* 64 - 3.2 - 40 */
		{ 64, 60, 200, 1024 },   /* others have it all, but 1 GiB is really there */
		{ 64, 4, 40, 0 },        /* and here it is not */
		{ 4, 2, 0, 0 },          { 4, 3, 0, 1024 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host_facts f = numbers(rows[i].total, rows[i].available);
		struct error err = ERROR_INIT;
		uint64_t got = 0;
		int r;

		f.mem_promised = rows[i].promised * SIZE_GIB;
		r = host_default_memory(&f, &got, &err);
		cr_expect_eq(r, rows[i].want == 0 ? -ENOMEM : 0, "row %zu", i);
		if (r == 0)
			cr_expect_eq(got / SIZE_MIB, rows[i].want, "row %zu: %lu", i,
				     (unsigned long)(got / SIZE_MIB));
		else
			cr_expect(strstr(err.hint, "--memory") != NULL);
	}
}

Test(fit, a_default_is_cut_and_a_line_says_so)
{
	struct host_facts f = numbers(64, 60);
	struct host host = HOST_INIT;
	AUTO_CONFIG struct config cfg = { 0 };
	AUTO_STRV struct strv notes = STRV_INIT;
	uint64_t memory = 0;

	config_init(&cfg);
	cr_expect_eq(host_fit_memory(&host, &f, &cfg, &memory, &notes, NULL), 0);
	cr_expect_eq(memory, 58112 * SIZE_MIB);
	cr_expect_eq(host_fit_vcpus(&f, &cfg, &notes), 8);
	cr_assert_eq(notes.n, 2);
	cr_expect_str_eq(notes.v[0],
			 "memory: the default of 128.0 GiB is cut to 56.8 GiB (60.0 GiB "
			 "available)");
	cr_expect_str_eq(notes.v[1],
			 "vcpus: the default of 32 is cut to 8, the CPUs that can be used "
			 "here");
}

Test(fit, a_default_that_fits_is_left_alone)
{
	struct host_facts f = numbers(512, 500);
	struct host host = HOST_INIT;
	AUTO_CONFIG struct config cfg = { 0 };
	AUTO_STRV struct strv notes = STRV_INIT;
	uint64_t memory = 0;

	config_init(&cfg);
	(void)cpu_mask_parse("0-63", &f.usable);
	cr_expect_eq(host_fit_memory(&host, &f, &cfg, &memory, &notes, NULL), 0);
	cr_expect_eq(memory, 128 * SIZE_GIB);
	cr_expect_eq(host_fit_vcpus(&f, &cfg, &notes), 32);
	cr_expect_eq(notes.n, 0);
}

Test(fit, explicit_memory_is_never_changed_only_refused)
{
	static const struct {
		uint64_t gib, swap_gib;
		unsigned int overcommit;
		bool pinned;
		int r;
		size_t notes;
		const char *says;
	} rows[] = {
		{ 16, 0, 0, false, 0, 0, NULL },
		{ 62, 0, 0, false, 0, 1, NULL },
		{ 65, 0, 0, false, -ENOMEM, 0, "65.0 GiB are more than this host has (64.0 GiB)" },
		{ 65, 8, 0, false, 0, 1, NULL },
		{ 65, 0, 1, false, 0, 1, NULL },
		{ 60, 0, 0, true, 0, 0, NULL },
		{ 62, 8, 1, true, -ENOMEM, 0, "62.0 GiB have to be pinned" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host_facts f = numbers(64, 60);
		struct host host = HOST_INIT;
		AUTO_CONFIG struct config cfg = { 0 };
		AUTO_STRV struct strv notes = STRV_INIT;
		struct error err = ERROR_INIT;
		uint64_t memory = 0;

		config_init(&cfg);
		cfg.memory = rows[i].gib * SIZE_GIB;
		cfg.gpu.mode = rows[i].pinned ? GPU_MODE_VFIO : GPU_MODE_NONE;
		set_explicit(&cfg, "memory");
		f.swap_total = rows[i].swap_gib * SIZE_GIB;
		f.overcommit = rows[i].overcommit;
		cr_expect_eq(host_fit_memory(&host, &f, &cfg, &memory, &notes, &err), rows[i].r,
			     "row %zu", i);
		cr_expect_eq(memory, rows[i].r == 0 ? rows[i].gib * SIZE_GIB : 0, "row %zu", i);
		cr_expect_eq(notes.n, rows[i].notes, "row %zu", i);
		cr_expect(rows[i].says == NULL || strstr(err.msg, rows[i].says) != NULL, "%s",
			  err.msg);
	}
}

/* 1024 pages of 2 MiB with 1000 free, 16 of 1 GiB with 12 free and 2 of those promised. */
static struct host_facts huge_numbers(void)
{
	struct host_facts f = numbers(64, 40);

	f.pools[0] = (struct host_pool){ 2 * SIZE_MIB, 1024, 1000, 0 };
	f.pools[1] = (struct host_pool){ SIZE_GIB, 16, 12, 2 };
	f.n_pools = 2;
	return f;
}

Test(fit, huge_pages_must_be_free)
{
	static const struct {
		uint64_t page, memory;
		bool given, root;
		int r;
		uint64_t got;
		const char *hint;
	} rows[] = {
		{ 2 * SIZE_MIB, SIZE_GIB, true, true, 0, SIZE_GIB, "" },
		{ 2 * SIZE_MIB, 2000 * SIZE_MIB, true, true, 0, 2000 * SIZE_MIB, "" },
		{ 2 * SIZE_MIB, 2 * SIZE_GIB, true, true, -ENOMEM, 0,
		  "echo 1048 > /proc/sys/vm/nr_hugepages" },
		{ 2 * SIZE_MIB, 2 * SIZE_GIB, true, false, -ENOMEM, 0,
		  "echo 1048 | sudo tee /proc/sys/vm/nr_hugepages" },
		{ SIZE_GIB, 10 * SIZE_GIB, true, true, 0, 10 * SIZE_GIB, "" },
		{ SIZE_GIB, 12 * SIZE_GIB, true, true, -ENOMEM, 0,
		  "echo 18 > /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages" },
		{ SIZE_GIB, 128 * SIZE_GIB, true, true, -ENOMEM, 0, "ask for less with --memory" },
		{ SIZE_GIB, 128 * SIZE_GIB, false, true, 0, 10 * SIZE_GIB, "" },
		{ SIZE_GIB, 1536 * SIZE_MIB, true, true, -EINVAL, 0, "" },
		{ 4 * SIZE_GIB, 4 * SIZE_GIB, true, true, -ENOTSUP, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host_facts f = huge_numbers();
		struct host host = HOST_INIT;
		AUTO_CONFIG struct config cfg = { 0 };
		AUTO_STRV struct strv notes = STRV_INIT;
		struct error err = ERROR_INIT;
		uint64_t memory = 0;

		config_init(&cfg);
		cfg.memory = rows[i].memory;
		cfg.hugepages = rows[i].page;
		host.is_root = rows[i].root;
		if (rows[i].given)
			set_explicit(&cfg, "memory");
		cr_expect_eq(host_fit_memory(&host, &f, &cfg, &memory, &notes, &err), rows[i].r,
			     "row %zu: %s", i, err.msg);
		cr_expect_eq(memory, rows[i].got, "row %zu", i);
		cr_expect_str_eq(err.hint, rows[i].hint, "row %zu", i);
	}
}

Test(fit, an_empty_pool_is_refused_for_a_default_too)
{
	struct host_facts f = huge_numbers();
	struct host host = { .is_root = true };
	AUTO_CONFIG struct config cfg = { 0 };
	struct error err = ERROR_INIT;
	uint64_t memory = 0;

	config_init(&cfg);
	cfg.memory = 32 * SIZE_GIB;
	cfg.hugepages = 2 * SIZE_MIB;
	f.pools[0] = (struct host_pool){ 2 * SIZE_MIB, 0, 0, 0 };
	cr_expect_eq(host_fit_memory(&host, &f, &cfg, &memory, NULL, &err), -ENOMEM);
	cr_expect_str_eq(err.msg,
			 "hugepages: 32.0 GiB of memory need 16384 pages of 2.0 MiB, 0 are "
			 "free");
	cr_expect_str_eq(err.hint, "echo 16384 > /proc/sys/vm/nr_hugepages");
}

Test(fit, the_whole_configuration_with_pinning)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_HOST_FACTS struct host_facts f = { 0 };
	AUTO_CONFIG struct config cfg = { 0 };
	AUTO_STRV struct strv notes = STRV_INIT;
	struct error err = ERROR_INIT;

	config_init(&cfg);
	tree_amd(root);
	tree_host(root, &host);
	cr_assert_eq(host_facts_read(&host, &f, NULL), 0);
	cfg.cpu_pinning = CPU_PINNING_AUTO;
	cfg.vcpus = 4;
	set_explicit(&cfg, "vcpus");
	cfg.disk_size = UINT64_C(1) << 60;
	cr_assert_eq(host_fit_config(&host, &f, &cfg, &notes, &err), 0, "%s", err.msg);
	cr_expect_eq(cfg.vcpus, 4);
	cr_expect_eq(cfg.memory, 128 * SIZE_GIB);
	cr_assert_eq(cfg.n_pin_cpus, 4);
	cr_expect_eq(cfg.pin_cpus[0], 0);
	cr_expect_eq(cfg.pin_cpus[3], 3);
	cr_expect_lt(cfg.disk_size, UINT64_C(1) << 60, "cut to the free space");
	cr_expect_gt(cfg.disk_size, 0);
	cr_assert_eq(notes.n, 1);
	cr_expect(strstr(notes.v[0], "disk_size: the default of") != NULL, "%s", notes.v[0]);

	cfg.vcpus = 17;
	cr_expect_eq(host_fit_config(&host, &f, &cfg, &notes, &err), -EINVAL);
	cr_expect_str_eq(err.hint, "ask for fewer vCPUs with --vcpus");
	tree_remove(root);
}

Test(fit, a_pinning_list_decides_the_default_number_of_vcpus)
{
	struct host_facts f = numbers(64, 60);
	AUTO_CONFIG struct config cfg = { 0 };
	AUTO_STRV struct strv notes = STRV_INIT;
	struct host host = HOST_INIT;
	unsigned int *cpus = NULL;

	config_init(&cfg);
	cfg.cpu_pinning = CPU_PINNING_LIST;
	cfg.pin_cpus = calloc(2, sizeof(*cfg.pin_cpus));
	cfg.n_pin_cpus = 2;
	cfg.pin_cpus[0] = 5;
	cfg.pin_cpus[1] = 3;
	cr_expect_eq(host_fit_vcpus(&f, &cfg, &notes), 2);
	cr_expect_eq(notes.n, 1);
	cr_assert_eq(host_fit_pinning(&host, &f, &cfg, 2, &cpus, NULL), 0);
	cr_expect_eq(cpus[0], 5, "the order is the user's");
	cr_expect_eq(cpus[1], 3);
	free(cpus);
	cr_expect_eq(host_fit_pinning(&host, &f, &cfg, 3, &cpus, NULL), -EINVAL);
}

Test(fit, an_explicit_disk_larger_than_the_space_is_noted)
{
	char *root = tree_new();
	AUTO_HOST struct host host = HOST_INIT;
	AUTO_CONFIG struct config cfg = { 0 };
	AUTO_STRV struct strv notes = STRV_INIT;
	uint64_t disk = 0;

	config_init(&cfg);
	tree_intel(root);
	tree_host(root, &host);
	cfg.disk_size = UINT64_C(1) << 60;
	set_explicit(&cfg, "disk_size");
	cr_expect_eq(host_fit_disk(&host, &cfg, &disk, &notes, NULL), 0);
	cr_expect_eq(disk, UINT64_C(1) << 60);
	cr_expect_eq(notes.n, 1);
	tree_remove(root);
}
