/* SPDX-License-Identifier: MIT */
/* Throw-away folders for tests, among them fake hosts: a few files of /proc, /sys and /dev. */
#ifndef BMVM_TESTS_HELPER_TREE_H
#define BMVM_TESTS_HELPER_TREE_H

#include "host/host.h"

/** tree_new() - Make an empty folder. Return: its absolute path, owned. */
char *tree_new(void);

/** tree_file() - Write @root/@path with the given text, making the folders above it. */
void tree_file(const char *root, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** tree_dir() - Make the folder @root/@path and those above it. */
void tree_dir(const char *root, const char *path);

/** tree_program() - Make an executable file @root/@path. */
void tree_program(const char *root, const char *path);

/** tree_remove() - Remove a tree made by tree_new(), and free @root. */
void tree_remove(char *root);

/**
 * tree_intel() - A small Intel host as it is delivered: 4 CPUs, 16 GiB, 1 node, no kvm module, no
 * IOMMU, no huge pages reserved
 */
void tree_intel(const char *root);

/**
 * tree_amd() - A large AMD host with everything: 2 nodes of 8 CPUs (threads n and n + 8 share a
 * core), 256 GiB, kvm_amd, IOMMU, vfio, huge pages of both sizes
 */
void tree_amd(const char *root);

/** tree_host() - Open a fake host; its own folders lie in @root too, also without root. */
void tree_host(const char *root, struct host *host);

#endif
