/* SPDX-License-Identifier: MIT */
/* The kernel modules a run loaded, looked for after it. */
#include <criterion/criterion.h>

#include "base/error.h"
#include "base/json.h"
#include "host/journal.h"
#include "host/ledger.h"
#include "host/vmdir.h"
#include "run/module_share.h"
#include "run/undo.h"
#include "tests/unit/helper_tree.h"

#define LOADED "sys/module/vfio_pci/refcnt"

static char *root;
static struct host host = HOST_INIT;
static struct vmdir vd = VMDIR_INIT;
static struct journal j = JOURNAL_INIT;

static int undo(void *data, struct json_object *record, bool same_boot, struct error *err)
{
	(void)data;
	(void)record;
	(void)same_boot;
	(void)err;
	return 0;
}

/* A run that has loaded vfio-pci, and whose undo is done. */
static void setup(void)
{
	struct json_object *o = json_new_object();

	root = tree_new();
	tree_amd(root);
	tree_host(root, &host);
	cr_assert_eq(vmdir_create(&host, "one", &vd, NULL), 0);
	cr_assert_eq(journal_open(vd.run_fd, host.boot_id, &j, NULL), 0);
	json_add_str(o, "name", "vfio_pci");
	cr_assert_geq(journal_intend(&j, OP_MODULE, o, NULL), 0);
	cr_assert_geq(journal_intend(&j, OP_DATA, json_new_object(), NULL), 0);
	cr_assert_eq(journal_walk_back(&j, undo, NULL, NULL), 0);
}

static void teardown(void)
{
	journal_close(&j);
	vmdir_done(&vd);
	host_done(&host);
	tree_remove(root);
}

TestSuite(module_share, .init = setup, .fini = teardown);

static void count(void *data, struct json_object *record)
{
	(void)record;
	(*(unsigned int *)data)++;
}

/* Or its undo, last first, would unload what devices are still bound to. */
Test(module_share, what_this_vm_holds_is_not_recorded_again)
{
	unsigned int n = 0;

	cr_assert_eq(ledger_share(&host, LEDGER_MODULE "vfio_pci", "one", NULL, NULL), 0);
	cr_assert_eq(modules_hold(&host, "one", &j, NULL, 0, NULL), 0);
	cr_assert_eq(journal_each(&j, OP_MODULE, count, &n, NULL), 0);
	cr_expect_eq(n, 1);
}

static const char *differences(void)
{
	static char text[512];
	AUTO_JSON struct json_object *list = json_new_array();
	struct error err = ERROR_INIT;

	cr_assert_eq(modules_compare(&host, "one", &j, list, &err), 0, "%s", err.msg);
	(void)snprintf(text, sizeof(text), "%s", json_compact(list));
	return text;
}

Test(module_share, what_is_gone_is_no_difference)
{
	tree_file(root, "sys/module/kvm/refcnt", "1\n");
	cr_expect_str_eq(differences(), "[]");
}

Test(module_share, what_is_left_is_named)
{
	tree_file(root, LOADED, "0\n");
	cr_expect_str_eq(differences(),
			 "[{\"what\":\"kernel module vfio_pci\","
			 "\"expected\":\"not loaded\",\"found\":\"loaded\"}]");
}

Test(module_share, what_another_vm_holds_is_that_vms)
{
	tree_file(root, LOADED, "1\n");
	cr_assert_eq(ledger_share(&host, LEDGER_MODULE "vfio_pci", "two", NULL, NULL), 0);
	cr_expect_str_eq(differences(), "[]");
	cr_assert_eq(ledger_release(&host, LEDGER_MODULE "vfio_pci", "two", NULL), 0);
	cr_expect_str_neq(differences(), "[]");
}
