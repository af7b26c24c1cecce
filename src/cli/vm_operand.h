/* SPDX-License-Identifier: MIT */
/* The one VM that a command is about: its name, or the beginning of it, as the first operand. */
#ifndef BMVM_CLI_VM_OPERAND_H
#define BMVM_CLI_VM_OPERAND_H

#include "cli/options.h"
#include "host/host.h"
#include "host/vmdir.h"

struct error;

/**
 * struct vm_target - The VM, and what else the command line said; start from VM_TARGET_INIT
 * @rest: borrowed from argv
 */
struct vm_target {
	struct host host;
	struct vmdir vd;
	struct cli_rest rest;
};

#define VM_TARGET_INIT                                                                             \
	{                                                                                          \
		.host = HOST_INIT, .vd = VMDIR_INIT                                                \
	}

/**
 * vm_operand() - Parse a command line that names one VM, and open it
 * @data: the command's options
 * @ret:  end with vm_target_done()
 *
 * Return: -1 all is well; else the exit code, with the error printed.
 */
int vm_operand(const struct cli_usage *usage, int argc, char **argv, void *data,
	       struct vm_target *ret);

/** vm_target_done() - Close; accepts VM_TARGET_INIT. */
void vm_target_done(struct vm_target *t);

#define AUTO_VM_TARGET CLEANUP(vm_target_done)

#endif
