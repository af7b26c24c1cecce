/* SPDX-License-Identifier: MIT */
/* A host of its own for a test: a temporary tree with the few files host_open() reads. */
#ifndef BMVM_TESTS_HELPER_HOST_H
#define BMVM_TESTS_HELPER_HOST_H

#include "host/host.h"

/** struct test_host - The tree's path and the opened host; removed by test_host_done() */
struct test_host {
	char prefix[64];
	struct host host;
};

/** test_host_init() - Make the tree and open it; aborts the test on failure. */
void test_host_init(struct test_host *t);

/** test_host_reboot() - The same tree after a reboot: another boot id, /run is empty. */
void test_host_reboot(struct test_host *t);

/** test_host_done() - Close and remove. */
void test_host_done(struct test_host *t);

#endif
