/* SPDX-License-Identifier: MIT */
/*
 * The guest's serial port: kept in a ring file, relayed to console clients.
 *
 * Ring file: 64 bytes of header, then `capacity` bytes of data. Header, little-endian: 8 bytes
 * magic "BMVMSER1", u64 capacity, u64 total; the rest zero. `total` counts all bytes ever
 * written; byte number i is at 64 + i % capacity; the last min(total, capacity) bytes are there.
 * Data is written before the header, so that a reader, or a writer's sudden end, costs at most
 * the newest chunk (and as many of the oldest bytes).
 *
 * The relay never waits for anybody: what a stalled client does not take is lost to that client
 * (and said so when it goes on); what a full disk does not take is lost to the file. Input of
 * clients waits in their sockets while the guest does not take it.
 */
#ifndef BMVM_VM_SERIAL_H
#define BMVM_VM_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct error;

#define SERIAL_FILE        "serial.ring"
#define SERIAL_CAPACITY    ((size_t)4 * 1024 * 1024)
#define SERIAL_CLIENTS_MAX 8

/**
 * struct serial - The relay; start from SERIAL_INIT, members private but for reading
 * @log_fd:   ring file, -1 when there is none
 * @guest_fd: our end of the serial socketpair, -1 when QEMU has closed its end
 * @epoll_fd: see serial_poll_fd()
 * @capacity, @total: of the ring
 * @clients:  sockets of consoles; @lost: bytes the client has missed since it last took some
 * @pending:  input the guest has not taken yet
 */
struct serial {
	int log_fd;
	int guest_fd;
	int epoll_fd;
	uint64_t capacity;
	uint64_t total;
	struct {
		int fd;
		uint64_t lost;
	} clients[SERIAL_CLIENTS_MAX];
	size_t n_clients;
	char pending[1024];
	size_t n_pending;
};

#define SERIAL_INIT                                                                                \
	{                                                                                          \
		.log_fd = -1, .guest_fd = -1, .epoll_fd = -1                                       \
	}

/**
 * serial_open() - Start the relay
 * @s:        filled
 * @dir_fd:   folder for SERIAL_FILE, which is made new (0600) with its space reserved where
 *            possible
 * @capacity: of the ring in bytes, SERIAL_CAPACITY
 * @guest_fd: our end of the socketpair; taken over on success AND failure, made non-blocking
 *
 * Return: 0; errno.
 */
int serial_open(struct serial *s, int dir_fd, size_t capacity, int guest_fd, struct error *err);

/** serial_poll_fd() - Readable when serial_process() has something to do. */
int serial_poll_fd(const struct serial *s);

/**
 * serial_process() - Move what can be moved without blocking
 *
 * Does a bounded amount of work per call. When QEMU has gone, call it until it returns 1: its last
 * words may still lie in the socket. Return: 0; 1 the guest's end is closed, no more will come.
 */
int serial_process(struct serial *s);

/** serial_watch() - serial_process() as the `ready` of a struct watch; @data: struct serial. */
int serial_watch(void *data, struct error *err);

/** serial_seen() - Bytes the guest has ever written. */
uint64_t serial_seen(const struct serial *s);

/**
 * serial_attach() - Add a console client
 * @fd: connected stream socket; taken over on success only, so that a refused client can be told
 *
 * Its input goes to the guest. It leaves by closing. Return: 0; -EUSERS too many; errno.
 */
int serial_attach(struct serial *s, int fd, struct error *err);

/** serial_send_backlog() - Send the client @fd the last bytes first, @bytes of them, at most 64 KiB
 */
void serial_send_backlog(const struct serial *s, int fd, size_t bytes);

/** serial_done() - Close everything; the file stays. Accepts SERIAL_INIT. */
void serial_done(struct serial *s);

#define AUTO_SERIAL CLEANUP(serial_done)

/**
 * serial_tail() - The last lines of a ring file, also while it is being written
 * @dir_fd: folder with SERIAL_FILE
 * @lines:  how many at most; 0: all there is
 * @ret:    owned printable text (see text_printable()), without a trailing newline
 *
 * Return: 0; -ENOENT there is none; -EINVAL not a ring file; errno.
 */
int serial_tail(int dir_fd, size_t lines, char **ret, struct error *err);

/** serial_raw() - The same bytes as they came. @ret: owned, @ret_len bytes and a NUL. */
int serial_raw(int dir_fd, char **ret, size_t *ret_len, struct error *err);

#endif
