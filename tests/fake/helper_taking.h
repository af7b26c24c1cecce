/* SPDX-License-Identifier: MIT */
/* VMs as far as their devices go, on the fake kernel's host: taken, given back, compared. */
#ifndef BMVM_TESTS_HELPER_TAKING_H
#define BMVM_TESTS_HELPER_TAKING_H

#include <criterion/criterion.h>

#include "base/error.h"
#include "base/strv.h"
#include "helper_kernel.h"
#include "host/host.h"
#include "host/vmdir.h"
#include "run/assignment.h"

/* Functions of fake_host(). */
#define TAKING_GPU    "0000:41:00.0"
#define TAKING_AUDIO  "0000:41:00.1"
#define TAKING_GPU2   "0000:42:00.0"
#define TAKING_NIC    "0000:43:00.0"
#define TAKING_PF     "0000:03:00.0"
#define TAKING_NVIDIA "0000:51:00.0"
#define TAKING_VGPU   "0000:61:00.0"
#define TAKING_VF     "0000:61:00.4"

/* The fake kernel with everything, the program's own folders, and the host as it is at first. */
struct taking_host {
	struct fake_kernel k;
	struct host host;
	char home[64];
	struct snapshot before;
};

/** taking_start() - Make it: fake_host(), the modules are loaded, nobody uses anything. */
void taking_start(struct taking_host *t);

/** taking_stop() - Remove it. */
void taking_stop(struct taking_host *t);

/* TAKING_SUITE() - A suite each of whose tests has that as t, and its kernel as k */
#define TAKING_SUITE(name, seconds)                                                                \
	static struct taking_host t;                                                               \
	static struct fake_kernel *const k = &t.k;                                                 \
	static void setup(void)                                                                    \
	{                                                                                          \
		taking_start(&t);                                                                  \
	}                                                                                          \
	static void teardown(void)                                                                 \
	{                                                                                          \
		taking_stop(&t);                                                                   \
	}                                                                                          \
	TestSuite(name, .init = setup, .fini = teardown, .timeout = (seconds))

struct taking_vm {
	struct taking_host *t;
	struct vmdir vd;
	struct journal journal;
	struct assignment a;
	struct device_choice choice;
	struct error err;
};

/** taking_vm() - A VM that wants nothing yet. */
void taking_vm(struct taking_vm *v, struct taking_host *t, const char *name);

/**
 * taking_want() - It wants something more
 *
 * Of DEVICE_WHOLE @address is the only member. Return: the request, until the next one.
 */
struct device_request *taking_want(struct taking_vm *v, enum device_way way, const char *address,
				   unsigned int count, const char *type);

/** taking_make() - Take it all. Return: as assignment_make(), with v->err. */
int taking_make(struct taking_vm *v);

/** taking_undo() - Undo the VM's journal. Return: as undo_all(), with v->err. */
int taking_undo(struct taking_vm *v, bool has_leases, struct strv *reports);

/** taking_differences() - What the run would report, as JSON; static. */
const char *taking_differences(struct taking_vm *v);

/** taking_undo_cleanly() - The guardian undoes, and it has to be as before. */
void taking_undo_cleanly(struct taking_vm *v);

/** taking_end() - Free all of it. */
void taking_end(struct taking_vm *v);

/* A mode of passing devices, and how many writes taking them makes. */
struct taking_mode {
	const char *name;
	void (*want)(struct taking_vm *v);
	unsigned int n_writes;
};

#define TAKING_MODES 5

/* Whole functions, VFs, mediated devices, NVIDIA's vendor VFIO, and all of these in one VM. */
extern const struct taking_mode taking_modes[TAKING_MODES];

/** taking_expect_as_before() - Nothing differs, nothing is held, nothing is quarantined. */
void taking_expect_as_before(struct taking_host *t, const struct taking_mode *mode,
			     const char *fault, unsigned int n);

#endif
