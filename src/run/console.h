/* SPDX-License-Identifier: MIT */
/* A terminal connected to a VM's serial port. */
#ifndef BMVM_RUN_CONSOLE_H
#define BMVM_RUN_CONSOLE_H

struct error;

/**
 * console_relay() - Move bytes between stdin/stdout and a serial connection
 * @fd: stream socket, borrowed
 *
 * A terminal on stdin is raw meanwhile and restored on return and on SIGINT, SIGTERM, SIGHUP. "~."
 * at the start of a line leaves, "~~" sends "~". End of file on stdin stops sending, the console
 * goes on for what the guest writes. Return: 0 left or the other side closed; errno of poll or of
 * writing to stdout.
 */
int console_relay(int fd, struct error *err);

#endif
