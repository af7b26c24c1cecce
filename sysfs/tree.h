/* SPDX-License-Identifier: MIT */
/*
 * The tree of the kernel's files: the roots, what is told to the caller, and reading.
 *
 * Theory of operation. The roots are directory handles that the caller injects (the real /sys, /dev
 * and /proc, or a recorded tree with a fake kernel behind it); all access is relative to them.
 * Nothing is cached. Every change goes through sysfs_change() (write.h), which tells its intent to
 * the caller first. Values are read as they are: one trailing newline is stripped and nothing else.
 *
 * An attribute is never opened through a symbolic link (O_NOFOLLOW); the folders on the way to it
 * may be links, as they are in sysfs.
 *
 * Some attributes are shown under the lock that a change of the device holds (driver_override,
 * sriov_numvfs): while such a change is stuck, reading them is stuck too. These are read by
 * sysfs_read_guarded(), in a helper process.
 *
 * Functions here without a parameter `err` say all in the errno they return.
 */
#ifndef SYSFS_TREE_H
#define SYSFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sysfs/error.h"

/* What one read of an attribute gives at most, and its NUL. */
#define SYSFS_TEXT_SIZE 4097
/* Room for a path below a root. */
#define SYSFS_PATH_SIZE 512
/* Room for a name of a driver, a type or the like. */
#define SYSFS_NAME_SIZE 128

/**
 * struct sysfs_kernel - How the kernel is reached, where more than reading is meant
 * @write:        write @value by one write(2) into the attribute @path below @dir_fd. Runs in a
 *                helper process, where it may block for ever; only @dir_fd, 0, 1 and 2 are open
 *                there. A module is taken out by writing its name to its folder "module/NAME".
 *                Return: 0 or -errno
 * @open_group:   open a group's device node, @path below @dir_fd. Return: descriptor or -errno
 * @group_status: VFIO_GROUP_GET_STATUS on what @open_group gave. Return: 0 or -errno
 * @claim_disk:   open a block device exclusively and close it again, @name below @dir_fd. Runs in a
 *                helper process. Return: 0 or -errno
 * @data:         passed to the functions
 *
 * All zero: the real kernel. A test puts its fake here.
 */
struct sysfs_kernel {
	int (*write)(void *data, int dir_fd, const char *path, const char *value, size_t len);
	int (*open_group)(void *data, int dir_fd, const char *path);
	int (*group_status)(void *data, int group_fd, uint32_t *ret_flags);
	int (*claim_disk)(void *data, int dir_fd, const char *name, dev_t rdev);
	void *data;
};

/**
 * struct sysfs_intent - A write that is about to be made; everything borrowed
 * @op:        the operation it is a step of: "bind", "give-back", "create-vfs", ...
 * @object:    what it is made to: a PCI address, the UUID of a mediated device, a module
 * @in_proc:   @path lies below the /proc root instead of the /sys root
 * @path:      attribute, relative to that root
 * @old_value: what the attribute holds now; NULL for one that holds nothing ("unbind")
 * @new_value: what will be written, as it is ("\n" to clear)
 */
struct sysfs_intent {
	const char *op;
	const char *object;
	bool in_proc;
	const char *path;
	const char *old_value;
	const char *new_value;
};

/* Write down an intent durably. Return: 0; -errno, then the write is not made. */
typedef int sysfs_intend_fn(void *data, const struct sysfs_intent *intent);

/**
 * struct sysfs - The roots and the rules of writing; fill it with sysfs_init()
 * @sys_fd:        handle of /sys, borrowed
 * @dev_fd:        handle of /dev, borrowed; -1 when there is none: no group node exists then
 * @proc_fd:       handle of /proc, borrowed; -1 when there is none
 * @kernel:        how writes are made
 * @intend:        called before each write; NULL for none
 * @intend_data:   passed to @intend
 * @lock_fd:       file on which each writing helper holds a shared flock(2) for as long as it
 * lives; borrowed; -1 for none. See sysfs_change()
 * @poll_ms:       pause between two looks at something that is awaited
 * @read_limit_ms: longest wait for an attribute that may be stuck; 0 reads it without a helper, for
 *                 as long as it takes
 */
struct sysfs {
	int sys_fd;
	int dev_fd;
	int proc_fd;
	struct sysfs_kernel kernel;
	sysfs_intend_fn *intend;
	void *intend_data;
	int lock_fd;
	unsigned int poll_ms;
	unsigned int read_limit_ms;
};

/**
 * sysfs_init() - The real kernel, no intents, no lock, poll_ms 20, read_limit_ms 3000
 * @sys:
 * @sys_fd:  borrowed, as the other two; closed by nobody here
 * @dev_fd:
 * @proc_fd:
 */
void sysfs_init(struct sysfs *sys, int sys_fd, int dev_fd, int proc_fd);

/**
 * struct sysfs_text - What an attribute holds
 * @len:  bytes; more than strlen(@text) if there is a NUL among them
 * @text: NUL-terminated
 */
struct sysfs_text {
	size_t len;
	char text[SYSFS_TEXT_SIZE];
};

/**
 * sysfs_read() - Read an attribute as it is, but for one trailing newline
 * @dir_fd: folder, e.g. @sys_fd
 * @path:   attribute below it
 * @ret:
 *
 * Return: 0; -ENOENT, -ENODEV there is no such attribute or device (any more); -ELOOP it is a link;
 * whatever the kernel answers.
 */
int sysfs_read(int dir_fd, const char *path, struct sysfs_text *ret);

/**
 * sysfs_read_blocking() - sysfs_read() that waits for as long as the file lets it
 *
 * For helper processes; async-signal-safe. The difference shows with what is no attribute (a FIFO
 * in a test's tree): attributes that are stuck are so in both.
 *
 * Return: as sysfs_read().
 */
int sysfs_read_blocking(int dir_fd, const char *path, struct sysfs_text *ret);

/**
 * sysfs_read_guarded() - sysfs_read() of an attribute that may be stuck
 * @sys:
 * @dir_fd:
 * @path:
 * @ret:
 * @err:    @err->wedged is the helper left behind on -ETIMEDOUT
 *
 * Blocks for read_limit_ms at most. Return: as sysfs_read(); -ETIMEDOUT; errno of fork(2).
 */
int sysfs_read_guarded(const struct sysfs *sys, int dir_fd, const char *path,
		       struct sysfs_text *ret, struct sysfs_error *err);

/**
 * sysfs_read_string() - Read a short attribute
 * @dir_fd:
 * @path:
 * @buf:    receives the text
 * @size:   of @buf
 *
 * Return: 0; as sysfs_read(); -EMSGSIZE the text does not fit.
 */
int sysfs_read_string(int dir_fd, const char *path, char *buf, size_t size);

/**
 * sysfs_parse_number() - Read a number as the kernel writes it: 12, -1, 0x10de
 * @text: nothing else around it
 * @ret:
 *
 * Return: 0; -EBADMSG.
 */
int sysfs_parse_number(const char *text, int64_t *ret);

/** sysfs_read_number() - Read an attribute with a number. Return: 0; as above and sysfs_read(). */
int sysfs_read_number(int dir_fd, const char *path, int64_t *ret);

/**
 * sysfs_read_link() - The last component of where a link leads
 * @dir_fd:
 * @path:
 * @buf:    receives the name
 * @size:   of @buf
 *
 * Return: 0; -ENOENT there is no such link; -EBADMSG no link, or no name at its end; -EMSGSIZE.
 */
int sysfs_read_link(int dir_fd, const char *path, char *buf, size_t size);

/** sysfs_exists() - Whether there is something at @path, a dangling link included. */
bool sysfs_exists(int dir_fd, const char *path);

/** sysfs_open_dir() - Open a folder for access below it. Return: descriptor, owned; -errno. */
int sysfs_open_dir(int dir_fd, const char *path);

/**
 * struct sysfs_names - Names of a folder, sorted by byte value
 * @v: the names, owned
 * @n: how many
 */
struct sysfs_names {
	char **v;
	size_t n;
};

/**
 * sysfs_list() - List a folder, without "." and ".."
 * @dir_fd:
 * @path:
 * @ret:    release it with sysfs_names_done()
 *
 * Return: 0; -ENOENT, -ENOTDIR; -ENOMEM; errno of reading.
 */
int sysfs_list(int dir_fd, const char *path, struct sysfs_names *ret);

/** sysfs_names_done() - Release the names; accepts zeroes. */
void sysfs_names_done(struct sysfs_names *names);

#define AUTO_SYSFS_NAMES __attribute__((cleanup(sysfs_names_done)))

/** sysfs_is_name() - Whether @name is one component of a path, and not "." or "..". */
bool sysfs_is_name(const char *name);

/**
 * sysfs_path() - Put a path together
 * @buf: receives it
 * @fmt: printf style
 *
 * Return: 0; -ENAMETOOLONG.
 */
int sysfs_path(char buf[SYSFS_PATH_SIZE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
