/* SPDX-License-Identifier: MIT */
/*
 * Which devices a run takes of recorded hosts, and what `bmvm gpus` says of them.
 *
 * tests/data/hosts/HOST.tree is a host (helper_recorded.h), HOST.gpus and HOST.gpus.json what is
 * said of it, HOST.choices a list of configurations with what becomes of each (helper_cases.h).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/device_report.h"
#include "config/config.h"
#include "host/lease.h"
#include "host/quarantine.h"
#include "run/device_choice.h"
#include "tests/unit/helper_cases.h"
#include "tests/unit/helper_recorded.h"
#include "tests/unit/helper_tree.h"

#define HOSTS TEST_DATA "/hosts/"

static char *root;
static struct host host = HOST_INIT;

static void start(const char *name)
{
	root = tree_new();
	recorded_load(root, name);
	tree_host(root, &host);
}

static void stop(void)
{
	host_done(&host);
	tree_remove(root);
}

TestSuite(device_choice, .timeout = 120);
TestSuite(recorded_host, .timeout = 240);

/* ---- what gpus says ---- */

/* Names from a file of ours: the system's may be missing, or be of another year. */
static void rename_devices(struct device_list *list)
{
	static const char *const paths[] = { HOSTS "pci.ids", NULL };
	AUTO_PCI_NAMES struct pci_names names = PCI_NAMES_INIT;

	pci_names_load(&names, paths);
	for (size_t i = 0; i < list->n; i++) {
		struct device *d = &list->v[i];

		(void)pci_names_vendor(&names, d->f.vendor, d->vendor, sizeof(d->vendor));
		(void)pci_names_device(&names, d->f.vendor, d->f.device, d->model,
				       sizeof(d->model));
	}
}

static void check_gpus(const char *name)
{
	AUTO_DEVICE_LIST struct device_list list = DEVICE_LIST_INIT;
	AUTO_JSON struct json_object *array = json_new_array();
	AUTO_FREE char *text = NULL;
	struct error err = ERROR_INIT;
	char file[64];
	size_t size;
	FILE *out;

	start(name);
	cr_assert_eq(device_list_read(&host, false, &list, &err), 0, "%s", err.msg);
	rename_devices(&list);
	out = open_memstream(&text, &size);
	cr_assert_not_null(out);
	for (size_t i = 0; i < list.n; i++) {
		device_print(out, &list.v[i]);
		json_object_array_add(array, device_to_json(&list.v[i]));
	}
	(void)fclose(out);
	(void)snprintf(file, sizeof(file), "%s.gpus", name);
	cases_golden(file, text);
	free(text);
	cr_assert(asprintf(&text, "%s\n",
			   json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY)) > 0);
	(void)snprintf(file, sizeof(file), "%s.gpus.json", name);
	cases_golden(file, text);
	stop();
}

/* ---- what is chosen ---- */

static void put_list(FILE *out, const char *word, const struct strv *list)
{
	if (list->n > 0)
		fputs(word, out);
	for (size_t i = 0; i < list->n; i++)
		fprintf(out, "%s%s", i > 0 ? " " : "", list->v[i]);
}

static void put_request(FILE *out, const struct device_request *rq)
{
	static const char *const ways[] = { [DEVICE_WHOLE] = "whole",
					    [DEVICE_VFS] = "VFs of",
					    [DEVICE_MDEV] = "mediated devices of",
					    [DEVICE_VENDOR_VGPU] = "vGPUs of" };

	fprintf(out, "taken: %s %s", ways[rq->way], rq->address);
	if (rq->way != DEVICE_WHOLE)
		fprintf(out, ", %u", rq->count);
	if (rq->create > 0 && rq->members.n == 0)
		fprintf(out, " of %u to make", rq->create);
	put_list(out, rq->way == DEVICE_WHOLE ? ", binds " : ": ", &rq->members);
	if (rq->type[0] != '\0')
		fprintf(out, ", type %s", rq->type);
	fprintf(out, ", node %d, for %s\n", rq->numa_node, rq->key);
}

static const char *code_name(int r)
{
	switch (-r) {
	case ENODEV:
		return "ENODEV";
	case EBUSY:
		return "EBUSY";
	case ENOTSUP:
		return "ENOTSUP";
	case EINVAL:
		return "EINVAL";
	default:
		return strerror(-r);
	}
}

static int choose(const struct host *from, const char *json, struct device_choice *ret,
		  struct error *err)
{
	AUTO_CONFIG struct config cfg;

	cases_config(json, &cfg);
	cr_assert(device_choice_wanted(&cfg), "%s", json);
	return device_choice_make(from, &cfg, ret, err);
}

static void put_answer(FILE *out, struct recorded_case *c)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	struct error err = ERROR_INIT;
	int r = choose(&c->host, c->json, &choice, &err);

	if (r < 0) {
		fprintf(out, "refused (%s): %s\n", code_name(r), err.msg);
		if (err.hint[0] != '\0')
			fprintf(out, "hint: %s\n", err.hint);
		return;
	}
	for (size_t i = 0; i < choice.n; i++)
		put_request(out, &choice.v[i]);
	for (size_t i = 0; i < choice.warnings.n; i++)
		fprintf(out, "warning: %s\n", choice.warnings.v[i]);
	if (choice.n > 1)
		fprintf(out, "all on node %d\n", choice.numa_node);
}

static void check_host(const char *name)
{
	check_gpus(name);
	cases_check(name, "choices", put_answer);
}

EVERY_RECORDED_HOST(recorded_host, check_host)

/* ---- what no recorded file tells ---- */

Test(device_choice, none_is_wanted_without_keys)
{
	AUTO_CONFIG struct config cfg, none;

	cases_config("{}", &cfg);
	cr_expect(!device_choice_wanted(&cfg));
	cases_config("{\"gpu_passthrough\": {\"mode\": \"none\"}}", &none);
	cr_expect(!device_choice_wanted(&none));
}

static const char anyone[] =
	"{\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_vendor\": \"NVIDIA\"}}";
static const char named[] =
	"{\"gpu_passthrough\": {\"mode\": \"vfio\", \"gpu_ids\": [\"1b:00.0\"]}}";

Test(device_choice, a_leased_gpu_is_passed_over_or_refused_for_now)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	AUTO_DEVICE_CHOICE struct device_choice other = DEVICE_CHOICE_INIT;
	AUTO_LEASES struct leases leases = LEASES_INIT;
	AUTO_STRV struct strv names = STRV_INIT;
	struct error err = ERROR_INIT;

	start("h100");
	strv_add(&names, "0000:1b:00.0");
	cr_assert_eq(leases_take(&host, &names, "red", &leases, &err), 0, "%s", err.msg);
	cr_assert_eq(choose(&host, anyone, &choice, &err), 0, "%s", err.msg);
	cr_expect_str_eq(choice.v[0].address, "0000:43:00.0");
	cr_expect_eq(choose(&host, named, &other, &err), -EBUSY);
	cr_expect_not_null(strstr(err.msg, "leased by VM red"), "%s", err.msg);
	stop();
}

Test(device_choice, a_quarantined_gpu_is_passed_over_or_refused_for_now)
{
	AUTO_DEVICE_CHOICE struct device_choice choice = DEVICE_CHOICE_INIT;
	AUTO_DEVICE_CHOICE struct device_choice other = DEVICE_CHOICE_INIT;
	struct error err = ERROR_INIT;

	start("h100");
	cr_assert_eq(quarantine_put(&host, "0000:1b:00.0", "red", "it did not come back", &err), 0);
	cr_assert_eq(choose(&host, anyone, &choice, &err), 0, "%s", err.msg);
	cr_expect_str_eq(choice.v[0].address, "0000:43:00.0");
	cr_expect_eq(choose(&host, named, &other, &err), -EBUSY);
	cr_expect_not_null(strstr(err.msg, "it did not come back"), "%s", err.msg);
	cr_expect_not_null(strstr(err.hint, "bmvm gpus --clear 0000:1b:00.0"), "%s", err.hint);
	stop();
}
