/* SPDX-License-Identifier: MIT */
/* Whether the machine's console is on a display device. */
#ifndef BMVM_HOST_VGA_CONSOLE_H
#define BMVM_HOST_VGA_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct host;

/**
 * vga_console_find() - Look for a framebuffer, a monitor that is on, the kernel's text console
 * @address: of the firmware's display device: of another one nothing here is true
 * @ret:     gets how it shows, for people
 */
bool vga_console_find(const struct host *host, const char *address, char *ret, size_t size);

#endif
