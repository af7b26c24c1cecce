/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/vm_operand.h"
#include "run/attach.h"

static const struct cli_usage usage = {
	.command = "console",
	.synopsis = "VM",
	.about = "Connects this terminal to the VM's serial console; ~. at the start of a line "
		 "leaves.",
};

int cmd_console(int argc, char **argv)
{
	AUTO_VM_TARGET struct vm_target t = VM_TARGET_INIT;
	struct error err = ERROR_INIT;
	int r = vm_operand(&usage, argc, argv, NULL, &t);

	if (r >= 0)
		return r;
	r = attach_console(&t.host, &t.vd, &err);
	return r < 0 ? cli_fail(&err, EXIT_CODE_FAILED) : EXIT_CODE_OK;
}
