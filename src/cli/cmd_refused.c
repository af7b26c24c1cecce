/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"

#include <errno.h>

#include "base/error.h"
#include "cli/cli.h"

int cmd_refused(int argc, char **argv)
{
	struct error err = ERROR_INIT;

	(void)argc;
	error_set(&err, ENOTSUP, "%s: not a command of this program, which only runs VMs", argv[0]);
	error_hint(&err, 0,
		   "use madengine %s, or bmvm run --tags, which builds what it needs in the VM",
		   argv[0]);
	return cli_fail(&err, EXIT_CODE_USAGE);
}
