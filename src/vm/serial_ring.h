/* SPDX-License-Identifier: MIT */
/*
 * The ring file of the serial port; its format is described in serial.h. One writer, any number of
 * readers, no locks.
 */
#ifndef BMVM_VM_SERIAL_RING_H
#define BMVM_VM_SERIAL_RING_H

#include <stddef.h>
#include <stdint.h>

struct error;

/**
 * serial_ring_create() - Make an empty ring, replacing an older file
 * @ret: owned descriptor for the functions below
 *
 * The space is reserved where the file system can, so that a disk which fills up later does not
 * cost the last words. Return: 0; errno.
 */
int serial_ring_create(int dir_fd, const char *name, uint64_t capacity, int *ret,
		       struct error *err);

/**
 * serial_ring_write() - Append bytes
 * @fd:    of serial_ring_create()
 * @total: counted up
 *
 * What cannot be written (full disk) is lost. Never blocks longer than a write to a file.
 */
void serial_ring_write(int fd, uint64_t capacity, uint64_t *total, const char *data, size_t len);

/**
 * serial_ring_read() - The bytes in a ring, oldest first, also while it is being written
 * @fd:  readable descriptor
 * @ret: owned, NUL-terminated behind @ret_len bytes
 *
 * Return: 0; -EINVAL not a ring; -ENOMEM; errno.
 */
int serial_ring_read(int fd, char **ret, size_t *ret_len, struct error *err);

#endif
