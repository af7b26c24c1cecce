/* SPDX-License-Identifier: MIT */
/*
 * The syntax of single strings in the configuration: paths, names, addresses. Pure: nothing is
 * looked up on the host, so a well-formed name of something that is not there passes.
 *
 * Each check takes an owned string and may replace it by its normal form.
 * Return: 0; -EINVAL with the rule, without the key, in @err; -ENOMEM.
 */
#ifndef BMVM_CONFIG_SYNTAX_H
#define BMVM_CONFIG_SYNTAX_H

#include <stdbool.h>

struct error;

typedef int (*syntax_check_fn)(char **value, struct error *err);

/** syntax_text() - Not empty, no control characters, at most 4096 bytes. */
int syntax_text(char **value, struct error *err);

/** syntax_host_path() - A file or folder of the host, absolute or relative to the current folder.
 */
int syntax_host_path(char **value, struct error *err);

/** syntax_image() - A base image: a path, or the name of an image. */
int syntax_image(char **value, struct error *err);

/** syntax_mount_host() - Absolute, without "." and ".."; slashes are made single. */
int syntax_mount_host(char **value, struct error *err);

/** syntax_mount_guest() - The same, and not the root, /dev, /proc, /sys or below those. */
int syntax_mount_guest(char **value, struct error *err);

/** syntax_user() - A login name. */
int syntax_user(char **value, struct error *err);

/** syntax_interface() - A network interface's name: 1 to 15 characters. */
int syntax_interface(char **value, struct error *err);

/** syntax_pci_address() - "0000:01:00.0"; "01:00.0" gets its domain; small letters. */
int syntax_pci_address(char **value, struct error *err);

/**
 * syntax_gpu_id() - A PCI address, or the name of another parent of mediated devices: letters,
 * digits, "_", "-" and ".", a letter first
 */
int syntax_gpu_id(char **value, struct error *err);

/** syntax_is_parent_name() - Whether @text is the latter. */
bool syntax_is_parent_name(const char *text);

/** syntax_gpu_vendor() - AMD, NVIDIA or INTEL; made capital. */
int syntax_gpu_vendor(char **value, struct error *err);

/** syntax_guest_os() - UBUNTU or CENTOS, as madengine has it; made capital. */
int syntax_guest_os(char **value, struct error *err);

/** syntax_word() - Letters, digits and ._:+- only. */
int syntax_word(char **value, struct error *err);

/** syntax_glob() - A pattern relative to the workdir, without "..". */
int syntax_glob(char **value, struct error *err);

/** syntax_url() - http:// or https:// and something behind it. */
int syntax_url(char **value, struct error *err);

/** syntax_is_env_name() - Whether @name is [A-Za-z_][A-Za-z0-9_]*, @len bytes. */
bool syntax_is_env_name(const char *name, unsigned long len);

#define SYNTAX_VM_NAME_MAX 63

/**
 * syntax_is_vm_name() - Whether @name can be a VM's: an RFC 1123 label in small letters, as it
 * becomes the guest's host name: [a-z0-9], then [a-z0-9-], no '-' last, at most SYNTAX_VM_NAME_MAX
 */
bool syntax_is_vm_name(const char *name);

#endif
