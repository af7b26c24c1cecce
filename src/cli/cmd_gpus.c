/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/device_report.h"
#include "cli/options.h"
#include "host/host.h"

struct gpus_options {
	bool all;
	bool json;
	struct strv clear;
};

static const struct cli_option option_table[] = {
	{ .name = "all",
	  .letter = 'a',
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct gpus_options, all),
	  .help = "every PCI function" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct gpus_options, json),
	  .help = "print a JSON array" },
	{ .name = "clear",
	  .kind = OPTION_LIST,
	  .offset = offsetof(struct gpus_options, clear),
	  .value = "ADDRESS",
	  .help = "test a quarantined device again, and lift its quarantine if it answers" },
};

static const struct cli_usage usage = {
	.command = "gpus",
	.synopsis = "[--all] [--json] [--clear ADDRESS]",
	.about = "The GPUs of this host, and other parents of mediated devices: driver, IOMMU "
		 "group, VFs, types of\nvGPU, who uses or has them.\n"
		 "Only reads; root alone sees all users of a device, and which VM has it.",
	.options = option_table,
	.n_options = ARRAY_SIZE(option_table),
};

/* Addresses as sysfs has them. Without a colon it is the name of a parent of mediated devices. */
static int check_clear(struct gpus_options *o, struct error *err)
{
	for (size_t i = 0; i < o->clear.n; i++) {
		struct pci_address address;
		struct sysfs_error why = { 0 };
		char name[PCI_ADDRESS_SIZE];
		int r = pci_address_parse(o->clear.v[i], &address, &why);

		if (r < 0 && strchr(o->clear.v[i], ':') == NULL && sysfs_is_name(o->clear.v[i]))
			continue;
		if (r < 0)
			return error_prefix(err, device_error(err, r, &why), "--clear");
		free(o->clear.v[i]);
		o->clear.v[i] = strdup(pci_address_format(&address, name));
		if (o->clear.v[i] == NULL)
			return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int clear_one(const struct host *host, const char *name, struct error *err)
{
	struct quarantine entry;
	int r;

	if (!host->is_root) /* root's entries cannot even be read */
		return error_hint(err, error_set(err, EPERM, "lifting a quarantine needs root"),
				  "sudo bmvm gpus --clear %s", name);
	if (quarantine_get(host, name, &entry) == 0) {
		log_info("%s is not quarantined", name);
		return 0;
	}
	r = quarantine_retest(host, name, err);
	if (r == 0)
		log_info("%s answers: its quarantine is lifted", name);
	else if (r > 0)
		log_info("%s is not there any more: its quarantine is lifted", name);
	return r;
}

static int clear_all(const struct host *host, const struct strv *list)
{
	int code = EXIT_CODE_OK;

	for (size_t i = 0; i < list->n; i++) {
		struct error err = ERROR_INIT;

		if (clear_one(host, list->v[i], &err) < 0)
			code = cli_fail(&err, EXIT_CODE_FAILED);
	}
	return code;
}

static void print_json(const struct device_list *list)
{
	AUTO_JSON struct json_object *array = json_new_array();

	for (size_t i = 0; i < list->n; i++)
		json_object_array_add(array, device_to_json(&list->v[i]));
	printf("%s\n", json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY));
}

static int print_list(const struct host *host, const struct gpus_options *o)
{
	AUTO_DEVICE_LIST struct device_list list = DEVICE_LIST_INIT;
	struct error err = ERROR_INIT;

	if (device_list_read(host, o->all, &list, &err) < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	if (o->json) {
		print_json(&list);
		return EXIT_CODE_OK;
	}
	for (size_t i = 0; i < list.n; i++)
		device_print(stdout, &list.v[i]);
	if (list.n == 0)
		log_info("no GPU of AMD, NVIDIA or Intel here; --all shows every PCI function");
	return EXIT_CODE_OK;
}

int cmd_gpus(int argc, char **argv)
{
	AUTO_HOST struct host host = HOST_INIT;
	struct gpus_options o = { .clear = STRV_INIT };
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int code, r = options_parse(&usage, argc, argv, &o, &rest, &err);

	if (r == 0)
		r = options_no_operands(&usage, &rest, &err);
	if (r == 0)
		r = check_clear(&o, &err);
	if (r != 0)
		code = r > 0 ? EXIT_CODE_OK : cli_fail(&err, EXIT_CODE_USAGE);
	else if (host_open(&host, "", &err) < 0)
		code = cli_fail(&err, EXIT_CODE_FAILED);
	else
		code = o.clear.n > 0 ? clear_all(&host, &o.clear) : print_list(&host, &o);
	strv_done(&o.clear);
	return code;
}
