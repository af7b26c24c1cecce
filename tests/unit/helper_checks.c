/* SPDX-License-Identifier: MIT */
#include "tests/unit/helper_checks.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "host/check.h"
#include "tests/unit/helper_tree.h"

static void set_explicit(struct config *cfg, const char *key)
{
	strv_add(&cfg->explicit_keys, key);
}

void checks_begin(struct checks *f, void (*make)(const char *root))
{
	AUTO_FREE char *bin = NULL;

	*f = (struct checks){ .root = tree_new(), .host = HOST_INIT };
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

void checks_run(struct checks *f)
{
	struct check_ctx ctx = { .host = &f->host, .facts = &f->facts, .cfg = &f->cfg };
	const struct check *rows = host_checks(&f->n);

	cr_assert_leq(f->n, CHECKS_MAX);
	for (size_t i = 0; i < f->n; i++) {
		f->lines[i].check = &rows[i];
		check_run(&rows[i], &ctx, &f->lines[i].result);
	}
}

const struct check_result *checks_result(const struct checks *f, const char *id)
{
	for (size_t i = 0; i < f->n; i++) {
		if (strcmp(f->lines[i].check->id, id) == 0)
			return &f->lines[i].result;
	}
	cr_assert_fail("no row %s", id);
	return NULL;
}

void checks_end(struct checks *f)
{
	config_done(&f->cfg);
	host_facts_done(&f->facts);
	host_done(&f->host);
	tree_remove(f->root);
}

void checks_expect(const struct checks *f, const char *id, enum check_status status,
		   const char *found, const char *fix)
{
	const struct check_result *r = checks_result(f, id);

	cr_expect_eq(r->status, status, "%s: %s %s", id, check_status_name(r->status), r->found);
	cr_expect(strstr(r->found, found) != NULL, "%s: \"%s\" lacks \"%s\"", id, r->found, found);
	if (fix == NULL)
		cr_expect_str_eq(r->fix, "", "%s", id);
	else
		cr_expect(strstr(r->fix, fix) != NULL, "%s: \"%s\" lacks \"%s\"", id, r->fix, fix);
}
