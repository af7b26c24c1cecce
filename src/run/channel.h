/* SPDX-License-Identifier: MIT */
/*
 * Messages between front and guardian: one JSON object per SOCK_SEQPACKET datagram.
 */
#ifndef BMVM_RUN_CHANNEL_H
#define BMVM_RUN_CHANNEL_H

#include <json-c/json.h>
#include <stdint.h>

struct error;

#define CHANNEL_MESSAGE_MAX ((size_t)1 << 20)

/** channel_pair() - Two connected ends, close-on-exec, non-blocking. Return: 0 or -errno. */
int channel_pair(int ret_fds[2], struct error *err);

/**
 * channel_send() - Send one message
 * @message: borrowed
 *
 * Blocks until the other side has room, at most until @deadline_ns. Return: 0; -EPIPE the other
 * side is gone; -EMSGSIZE; -ETIMEDOUT.
 */
int channel_send(int fd, struct json_object *message, uint64_t deadline_ns, struct error *err);

/**
 * channel_receive() - Take one message that is there
 * @ret: owned by the caller
 *
 * Does not block. Return: 0; -EAGAIN nothing there; -ECONNRESET the other side is gone; -EPROTO.
 */
int channel_receive(int fd, struct json_object **ret, struct error *err);

#endif
