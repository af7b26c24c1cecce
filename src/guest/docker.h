/* SPDX-License-Identifier: MIT */
/*
 * Docker in the guest: whether it answers, installing and starting it, a container that proves it.
 *
 * scripts/guest/docker.sh does it, put into the guest and run there as root (by sudo -n when the
 * SSH user is another). Each function is one step that may be tried again; none retries itself.
 */
#ifndef BMVM_GUEST_DOCKER_H
#define BMVM_GUEST_DOCKER_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct guest;
struct watchset;

enum guest_docker_state {
	GUEST_DOCKER_MISSING, /* no program "docker" */
	GUEST_DOCKER_STOPPED, /* there is one, but no daemon answers */
	GUEST_DOCKER_ANSWERS,
};

/**
 * struct guest_docker - Docker of one guest
 * @g:           the connection, borrowed; the caller sets this and the next four
 * @proxy:       URL of an HTTP proxy for packages and the daemon, NULL: none
 * @mirror:      URL of a registry mirror, NULL: none
 * @deadline_ns: of all steps together, but guest_docker_load()
 * @ws:          served all the time, NULL: none
 * @state, @version: set by guest_docker_probe(); the daemon's version
 * @sudo:        the SSH user is not root: docker is to be called by sudo -n
 * @ready:       the script is in the guest
 */
struct guest_docker {
	struct guest *g;
	const char *proxy;
	const char *mirror;
	uint64_t deadline_ns;
	const struct watchset *ws;
	enum guest_docker_state state;
	char version[64];
	bool sudo;
	bool ready;
};

/*
 * All of these but the last block for up to the deadline. Return: 0; -EPERM the SSH user is not
 * root and has no sudo without a password; -ENOTSUP it cannot work in this guest, and why; -EIO it
 * failed, with the guest's last words, and may be tried again; -ETIMEDOUT; -ECONNRESET; what a
 * watch returned.
 */

/** guest_docker_probe() - Look whether it is there and answers; fills @d */
int guest_docker_probe(struct guest_docker *d, struct error *err);

/** guest_docker_install() - Install it from the guest distribution's own packages */
int guest_docker_install(struct guest_docker *d, struct error *err);

/** guest_docker_start() - Start the daemon with @proxy and @mirror, wait until it answers */
int guest_docker_start(struct guest_docker *d, struct error *err);

/** guest_docker_prove() - Run a container made of the guest's own files; no registry is asked */
int guest_docker_prove(struct guest_docker *d, struct error *err);

/** guest_docker_gpu() - Whether containers can be given the GPUs of @vendor ("amd", "nvidia") */
int guest_docker_gpu(struct guest_docker *d, const char *vendor, struct error *err);

/**
 * guest_docker_script() - Run a script of the host as root in the guest, by its own first line
 * Return: as above; the errno of reading @path.
 */
int guest_docker_script(struct guest_docker *d, const char *path, struct error *err);

/**
 * guest_docker_load() - `docker load` of an archive of the host, streamed
 *
 * An archive takes as long as it is large: only a guest that does not respond ends it.
 * Return: as above; the errno of opening @path.
 */
int guest_docker_load(struct guest_docker *d, const char *path, struct error *err);

#endif
