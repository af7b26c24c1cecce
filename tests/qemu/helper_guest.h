/* SPDX-License-Identifier: MIT */
/*
 * A guest of 143 bytes for tests of src/vm: no disk, no operating system, up in a tenth of a second
 * under software emulation. It says GUEST_HELLO on its serial port, then echoes what it is sent
 * there, but 'p' makes it panic (pvpanic), 'r' reset, 's' switch itself off; the power button does,
 * too.
 */
#ifndef BMVM_TESTS_HELPER_GUEST_H
#define BMVM_TESTS_HELPER_GUEST_H

#include <stdbool.h>

#include "vm/caps.h"
#include "vm/jail.h"
#include "vm/plan.h"
#include "vm/qemu.h"

#define GUEST_HELLO "guest is up\n"

/** struct guest - One VM in a folder of its own; fill in @plan between guest_init() and _start() */
struct guest {
	char *dir;
	struct qemu_caps caps;
	struct vm_plan plan;
	struct jail jail;
	struct qemu qemu;
	struct strv args;
	char kernel[40];
	int kernel_fd;
	int serial; /* our end */
	int qmp;    /* our end, until connected */
	int theirs[2];
};

/** guest_caps() - What the installed QEMU can do; skips the test when there is none. */
void guest_caps(struct qemu_caps *caps);

/** guest_kernel() - The guest's kernel as a file. Return: descriptor, read-only, mode 0644. */
int guest_kernel(void);

/** guest_init() - A plan that runs the guest under TCG. */
void guest_init(struct guest *g);

/** guest_spawn() - Build the arguments and fork QEMU, held. @jailed: in @g->jail. */
void guest_spawn(struct guest *g, bool jailed);

/** guest_start() - guest_spawn() without a jail, release and handshake. */
void guest_start(struct guest *g);

/** guest_expect() - Wait until the serial port has given @text. */
void guest_expect(struct guest *g, const char *text);

/** guest_say() - Write to the serial port. */
void guest_say(struct guest *g, const char *text);

/** guest_event() - Wait for an event other than VM_EVENT_OTHER; @text as for qemu_next_event(). */
enum vm_event guest_event(struct guest *g, char *text);

/** guest_done() - End and remove everything. */
void guest_done(struct guest *g);

#endif
