/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "run/attach.h"

static const struct cli_usage usage = {
	.command = "destroy",
	.synopsis = "VM...",
	.about =
		"Ends VMs, running or preserved, removes everything of them and verifies the host.",
};

static int destroy_one(const struct host *host, const char *name, struct error *err)
{
	AUTO_VMDIR struct vmdir vd = VMDIR_INIT;
	AUTO_JSON struct json_object *result = NULL;
	int r = vmdir_open(host, name, &vd, err);

	if (r == 0)
		r = attach_destroy(host, &vd, &result, err);
	if (result != NULL && r < 0)
		log_error("not as before: %s", json_compact(result));
	if (r == 0)
		log_info("VM %s is gone%s", vd.name,
			 json_bool_or(result, "verified", false) ? ", the host is as before" : "");
	return r;
}

int cmd_destroy(int argc, char **argv)
{
	AUTO_HOST struct host host = HOST_INIT;
	struct error err = ERROR_INIT;
	struct cli_rest rest;
	int code = EXIT_CODE_OK, r = options_parse(&usage, argc, argv, NULL, &rest, &err);

	if (r > 0)
		return EXIT_CODE_OK;
	if (r == 0 && rest.n == 0)
		r = error_set(&err, EINVAL, "destroy: name the VMs");
	if (r < 0)
		return cli_fail(&err, EXIT_CODE_USAGE);
	if (host_open(&host, "", &err) < 0)
		return cli_fail(&err, EXIT_CODE_FAILED);
	for (size_t i = 0; i < rest.n; i++) {
		if (destroy_one(&host, rest.v[i], &err) < 0)
			code = cli_fail(&err, EXIT_CODE_FAILED);
	}
	return code;
}
