/* SPDX-License-Identifier: MIT */
/*
 * The PCI functions a guest sees, as its kernel tells.
 */
#ifndef BMVM_GUEST_PCI_H
#define BMVM_GUEST_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct error;
struct guest;
struct watchset;

#define GUEST_BARS 6

/**
 * struct guest_function - One of them
 * @address: in the guest
 * @class:   24 bits, 0x030000 a VGA controller; 0: it is not told
 * @driver:  "" none
 * @bars:    sizes of the BARs that have an address, in bytes; 0: there is none, or it has none. The
 *           two cannot be told apart: what found no room Linux shows as if it were not there
 */
struct guest_function {
	char address[32];
	uint16_t vendor;
	uint16_t device;
	uint32_t class;
	char driver[64];
	uint64_t bars[GUEST_BARS];
};

/** struct guest_functions - All of them, in the guest's order; free with guest_functions_done() */
struct guest_functions {
	struct guest_function *v;
	size_t n;
};

#define GUEST_FUNCTIONS_INIT                                                                       \
	{                                                                                          \
		.v = NULL                                                                          \
	}

/**
 * guest_functions_read() - Ask the guest
 * @ret: must be GUEST_FUNCTIONS_INIT
 *
 * What the guest says is not believed to be well-formed: what cannot be read is left out.
 * Return: 0; -ENOMEM; as guest_capture().
 */
int guest_functions_read(struct guest *g, uint64_t deadline_ns, struct guest_functions *ret,
			 const struct watchset *ws, struct error *err);

/** guest_functions_parse() - The same from the text the guest sends; for tests. Return: 0; -ENOMEM.
 */
int guest_functions_parse(const char *text, struct guest_functions *ret);

/**
 * guest_function_wrong_bar() - Compare a function's BARs with those it was given with
 * @sizes: of GUEST_BARS BARs; 0: not looked at
 *
 * Return: the first that has another size in the guest, or no address there; -1 none.
 */
int guest_function_wrong_bar(const struct guest_function *f, const uint64_t *sizes);

/** guest_functions_done() - Free; accepts GUEST_FUNCTIONS_INIT. */
void guest_functions_done(struct guest_functions *functions);

#define AUTO_GUEST_FUNCTIONS CLEANUP(guest_functions_done)

#endif
