/* SPDX-License-Identifier: MIT */
/*
 * A Debian guest image from packages alone: mmdebstrap with the hooks of scripts/guest, which are
 * part of this program (image/recipe.h). No loop device, no mount on the host. Root builds in a
 * plain folder, everybody else in a user namespace.
 */
#ifndef BMVM_IMAGE_BUILD_H
#define BMVM_IMAGE_BUILD_H

#include <stdbool.h>

#include "base/strv.h"
#include "base/watch.h"
#include "image/tool.h"

struct error;
struct host;

#define IMAGE_BUILD_NAME "default"

/**
 * struct image_build - What `bmvm image build` was asked for; strings borrowed
 * @name:     of the new image
 * @suite:    Debian release, NULL: that of the host where it is Debian, else "bookworm"
 * @docker:   with Docker
 * @packages: further packages, NULL: none
 * @replace:  an existing image of this name gives way
 * @progress: told the steps and every line mmdebstrap writes; NULL: nobody
 * @watch:    ends the build early; NULL: nothing does
 */
struct image_build {
	const char *name;
	const char *suite;
	bool docker;
	const struct strv *packages;
	bool replace;
	struct image_progress *progress;
	const struct watchset *watch;
};

/**
 * image_build_check() - Whether this host and user can build
 * @what: its options matter for what is needed
 *
 * Return: 0; -EINVAL a bad suite or package name; -ENOENT programs are missing, -EPERM no user
 * namespace or no range of user ids: the hint is the exact command that mends it.
 */
int image_build_check(const struct host *host, const struct image_build *what, struct error *err);

/**
 * image_build() - Build and publish an image
 *
 * Minutes. Return: 0; as image_build_check(); -EEXIST; -EBUSY; -EIO with
 * the last words of mmdebstrap in @err; a watch's return, with everything made so far removed.
 */
int image_build(const struct host *host, const struct image_build *what, struct error *err);

#endif
