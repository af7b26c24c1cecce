/* SPDX-License-Identifier: MIT */
/*
 * Time as the program uses it: monotonic nanoseconds, and absolute deadlines.
 *
 * No function takes a relative timeout and passes it down; a deadline is made once, where the
 * limit is known, and every wait below is bounded by it.
 */
#ifndef BMVM_BASE_CLOCK_H
#define BMVM_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_S       UINT64_C(1000000000)
#define NS_PER_MS      UINT64_C(1000000)
#define DEADLINE_NEVER UINT64_MAX

/** clock_now_ns() - CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_now_ns(void);

/** deadline_in_ms() - The deadline @ms milliseconds from now (saturating). */
uint64_t deadline_in_ms(uint64_t ms);

/** deadline_in_s() - The deadline @s seconds from now (saturating). */
uint64_t deadline_in_s(uint64_t s);

/**
 * deadline_poll_ms() - Rest of a deadline as poll(2) wants it
 * @deadline_ns: absolute, DEADLINE_NEVER for no limit
 *
 * Return: milliseconds, rounded up; 0 when it has passed; -1 for DEADLINE_NEVER.
 */
int deadline_poll_ms(uint64_t deadline_ns);

/** deadline_min() - The earlier of two deadlines. */
uint64_t deadline_min(uint64_t a_ns, uint64_t b_ns);

/** clock_sleep_ms() - Sleep, for the rare wait that no descriptor can announce. */
void clock_sleep_ms(unsigned int ms);

/** clock_seconds_since() - Seconds from @start_ns until now. */
double clock_seconds_since(uint64_t start_ns);

#define CLOCK_ISO_SIZE 32

/** clock_iso() - The present UTC time as 2026-01-31T12:00:00Z into @buf of CLOCK_ISO_SIZE bytes. */
void clock_iso(char *buf);

#endif
