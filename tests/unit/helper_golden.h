/* SPDX-License-Identifier: MIT */
/*
 * What tests of the argument list have in common: a QEMU, a usual plan, and the comparison with
 * recorded lists, tests/data/argv/CASE.args, one argument per line. BMVM_UPDATE_GOLDEN=1 in the
 * environment writes them anew; then read the diff. What is recorded there is started by real QEMU
 * in tests/qemu/test_golden.c.
 */
#ifndef BMVM_TESTS_HELPER_GOLDEN_H
#define BMVM_TESTS_HELPER_GOLDEN_H

#include "vm/args.h"

struct error;

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/** struct golden - One list: what differs from the usual plan (NULL: nothing), and the QEMU */
struct golden {
	const char *name;
	void (*change)(struct vm_plan *p);
	void (*caps)(struct qemu_caps *c);
};

/** golden_caps() - QEMU 7.2 as Debian 12 has it, as far as the builder asks. */
void golden_caps(struct qemu_caps *c);

/** golden_plan() - The usual run: overlay on one base, seed, SSH, direct kernel. */
void golden_plan(struct vm_plan *p);

/** golden_build() - The list of a case. Return: as vm_args_build(). */
int golden_build(const struct golden *g, struct strv *args, struct error *err);

/** golden_compare() - Fail the test unless @args is what is recorded under @name. */
void golden_compare(const char *name, const struct strv *args);

#endif
