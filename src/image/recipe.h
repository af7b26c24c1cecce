/* SPDX-License-Identifier: MIT */
/*
 * What goes into a guest image, as data: the hook scripts of scripts/guest, embedded so that the
 * program needs no file beside it, the packages, and how the result boots.
 */
#ifndef BMVM_IMAGE_RECIPE_H
#define BMVM_IMAGE_RECIPE_H

#include <stddef.h>

#define RECIPE_SUITE "bookworm" /* on a host that is not Debian */

/* Files the customize hook leaves in a folder of the new root. */
#define RECIPE_OUT     "/bmvm-out"
#define RECIPE_DISK    "disk.qcow2"
#define RECIPE_KERNEL  "vmlinux"
#define RECIPE_INITRD  "initrd.img"
#define RECIPE_CMDLINE "cmdline" /* kernel line for direct boot, one line */

/* The scripts, NUL-terminated. */
extern const char recipe_setup_hook[] __attribute__((visibility("hidden")));
extern const char recipe_customize_hook[] __attribute__((visibility("hidden")));

/** struct recipe_program - A host program the build needs, and the package that has it */
struct recipe_program {
	const char *name;
	const char *package;
};

extern const struct recipe_program recipe_programs[];
extern const size_t n_recipe_programs;

/*
 * Debian 13 has the client apart, and BuildKit's, without which images are built the old way; older
 * releases have no such packages: a pattern may match nothing.
 */
#define RECIPE_DOCKER_CLIENT "?name(^docker-cli$)"
#define RECIPE_DOCKER_BUILDX "?name(^docker-buildx$)"

/* Packages of every image, and those --docker adds; NULL-terminated. */
extern const char *const recipe_packages[];
extern const char *const recipe_docker_packages[];

/* Options mmdebstrap always gets; NULL-terminated. */
extern const char *const recipe_options[];

/* Its hook options, which run the scripts from the environment; NULL-terminated. */
extern const char *const recipe_hooks[];

/* The files in RECIPE_OUT; NULL-terminated. */
extern const char *const recipe_outputs[];

#endif
