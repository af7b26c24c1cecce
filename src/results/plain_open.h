/* SPDX-License-Identifier: MIT */
/*
 * Opening what lies below a folder and nothing else: a package is a stranger's, and a symbolic link
 * in it may lead anywhere on the host.
 */
#ifndef BMVM_RESULTS_PLAIN_OPEN_H
#define BMVM_RESULTS_PLAIN_OPEN_H

#include <sys/types.h>

/**
 * plain_open() - Open a path of which no part is a symbolic link
 * @dir_fd: folder, or AT_FDCWD
 * @path:   relative to it, never above it
 * @flags:  of open(2); O_CLOEXEC and O_NOCTTY are added
 * @mode:   for O_CREAT, the umask applies
 *
 * Return: descriptor, owned by the caller; -ELOOP there is a link; -EXDEV the path leads out of the
 * folder; other errno of open.
 */
int plain_open(int dir_fd, const char *path, int flags, mode_t mode);

#endif
