/* SPDX-License-Identifier: MIT */
#include "cli/vm_operand.h"

#include <errno.h>

#include "base/error.h"
#include "cli/cli.h"

int vm_operand(const struct cli_usage *usage, int argc, char **argv, void *data,
	       struct vm_target *ret)
{
	struct error err = ERROR_INIT;
	int r = options_parse(usage, argc, argv, data, &ret->rest, &err);

	if (r > 0)
		return EXIT_CODE_OK;
	if (r == 0 && ret->rest.n != 1) {
		r = error_set(&err, EINVAL, "%s: name one VM", usage->command);
		r = error_hint(&err, r, "bmvm ps shows the VMs that are there");
	}
	if (r < 0)
		return cli_fail(&err, EXIT_CODE_USAGE);
	r = host_open(&ret->host, "", &err);
	if (r == 0)
		r = vmdir_open(&ret->host, ret->rest.v[0], &ret->vd, &err);
	return r < 0 ? cli_fail(&err, EXIT_CODE_FAILED) : -1;
}

void vm_target_done(struct vm_target *t)
{
	vmdir_done(&t->vd);
	host_done(&t->host);
}
