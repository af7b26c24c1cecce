/* SPDX-License-Identifier: MIT */
/* The digest by which a registry knows an image, found in what docker says. Pure. */
#ifndef BMVM_WORKLOAD_DOCKER_DIGEST_H
#define BMVM_WORKLOAD_DOCKER_DIGEST_H

#define DOCKER_DIGEST_SIZE (7 + 64 + 1)

/**
 * docker_digest_find() - The digest behind a reference to an image: NAME@sha256:..., NAME:TAG@...
 * @text:  a log of a build, or a list of references
 * @image: NAME or NAME:TAG, as configured; a digest of its own is the answer. NULL: any image
 * @ret:   "sha256:...", or "" where there is none
 *
 * BuildKit writes names in full, so that "debian" is found as docker.io/library/debian:latest, too.
 */
void docker_digest_find(const char *text, const char *image, char ret[DOCKER_DIGEST_SIZE]);

#endif
