/* SPDX-License-Identifier: MIT */
/*
 * Lists of configurations for a recorded host, each with the answer to it. tests/data/hosts/FILE:
 *
 *   == title
 *   {...}                    baremetal_vm
 *   + FOLDER/PATH<tab>TEXT   how the host differs, in the form of a tree (helper_recorded.h)
 *   - PATH                   what of the host is not there
 *   anything else: the answer, to the end of the case, an empty line
 *
 * BMVM_UPDATE_GOLDEN=1 in the environment writes the answers anew; then read the diff.
 */
#ifndef BMVM_TESTS_HELPER_CASES_H
#define BMVM_TESTS_HELPER_CASES_H

#include <stdio.h>

#include "config/config.h"
#include "host/host.h"

/** struct recorded_case - One of a list, on its host: the recorded one, or one made for it */
struct recorded_case {
	char title[128];
	char json[1024];
	char differences[8192];
	char missing[256];
	char *root;
	struct host host;
};

/** cases_config() - Parse the configuration of a case; aborts the test when it is wrong. */
void cases_config(const char *json, struct config *cfg);

/**
 * cases_check() - Answer every case of @host.@kind again; fails the test unless the file has that
 * @answer: writes lines, each with its newline, none of them empty
 */
void cases_check(const char *host, const char *kind,
		 void (*answer)(FILE *out, struct recorded_case *c));

/** EVERY_RECORDED_HOST() - A test for each recorded host, which calls @check with its name */
#define EVERY_RECORDED_HOST(suite, check)                                                          \
	Test(suite, mi300x)                                                                        \
	{                                                                                          \
		check("mi300x");                                                                   \
	}                                                                                          \
	Test(suite, mi300x_with_gim)                                                               \
	{                                                                                          \
		check("mi300x-gim");                                                               \
	}                                                                                          \
	Test(suite, h100_with_nvswitches)                                                          \
	{                                                                                          \
		check("h100");                                                                     \
	}                                                                                          \
	Test(suite, l40s_with_vendor_vfio)                                                         \
	{                                                                                          \
		check("l40s-vgpu");                                                                \
	}                                                                                          \
	Test(suite, workstation)                                                                   \
	{                                                                                          \
		check("workstation");                                                              \
	}

/** cases_golden() - Fail the test unless tests/data/hosts/@file has the text @got. */
void cases_golden(const char *file, const char *got);

#endif
