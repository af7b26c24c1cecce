/* SPDX-License-Identifier: MIT */
/*
 * The image commands that need a running guest: a VM is started on an overlay of an image, changed,
 * shut down in an orderly way, and the overlay is committed (image/import.h) as a new image.
 */
#ifndef BMVM_RUN_IMAGE_RUN_H
#define BMVM_RUN_IMAGE_RUN_H

#include <stdbool.h>

#include "base/strv.h"
#include "config/config.h"

/**
 * struct image_run - What was asked for; strings borrowed
 * @cfg:      configuration of the VM; base_image is the image to start from
 * @name:     of the new image
 * @script:   host file that is run as root in the guest, NULL: none
 * @packages: installed with the guest's package manager before @script, may be empty
 * @replace:  an existing image of @name gives way (it may be the one started from)
 * @verbose:  show the guest's output
 */
struct image_run {
	struct config *cfg;
	const char *name;
	const char *script;
	const struct strv *packages;
	bool replace;
	bool verbose;
};

/**
 * run_image_build_from() - `bmvm image build --from IMAGE --script FILE --package P`
 *
 * Prints what goes wrong itself. No image appears unless packages and script all succeeded.
 * Return: exit code of the command, 0 or 1; 128+n when ended by signal n.
 */
int run_image_build_from(const struct image_run *what);

/**
 * run_image_shell() - `bmvm image shell NAME`: the same by hand
 *
 * A login shell of root on the terminal; when it ends with code 0 the overlay is committed, else it
 * is thrown away. Return: as run_image_build_from().
 */
int run_image_shell(const struct image_run *what);

#endif
