/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/vm_operand.h"
#include "run/attach.h"

static const struct cli_usage usage = {
	.command = "ssh",
	.synopsis = "VM [-- CMD ARG...]",
	.about = "Logs in to a VM, or runs a command in it and returns its exit code.",
};

int cmd_ssh(int argc, char **argv)
{
	AUTO_VM_TARGET struct vm_target t = VM_TARGET_INIT;
	struct error err = ERROR_INIT;
	int r = vm_operand(&usage, argc, argv, NULL, &t);

	if (r >= 0)
		return r;
	r = attach_ssh(&t.host, &t.vd, t.rest.command, &err);
	return r < 0 ? cli_fail(&err, EXIT_CODE_FAILED) : r;
}
