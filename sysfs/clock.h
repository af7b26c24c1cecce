/* SPDX-License-Identifier: MIT */
/* Time, for the other files of this folder: CLOCK_MONOTONIC in nanoseconds, absolute deadlines. */
#ifndef SYSFS_CLOCK_H
#define SYSFS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** sysfs_now_ns() - The present time. */
uint64_t sysfs_now_ns(void);

/** sysfs_deadline_ms() - The deadline @ms milliseconds from now (saturating). */
uint64_t sysfs_deadline_ms(uint64_t ms);

/** sysfs_poll_ms() - Rest of a deadline as poll(2) wants it; -1 for UINT64_MAX, "never". */
int sysfs_poll_ms(uint64_t deadline_ns);

/**
 * sysfs_nap() - Pause before looking again at something that is awaited
 * @ms:          pause, shortened so that it ends at the deadline
 * @deadline_ns:
 *
 * Return: false when the deadline has passed already, and there was no pause.
 */
bool sysfs_nap(unsigned int ms, uint64_t deadline_ns);

#endif
