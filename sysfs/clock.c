/* SPDX-License-Identifier: MIT */
/* Time: see clock.h. */
#include "sysfs/clock.h"

#include <limits.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

uint64_t sysfs_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t sysfs_deadline_ms(uint64_t ms)
{
	uint64_t now = sysfs_now_ns();

	return ms > (UINT64_MAX - now) / NS_PER_MS ? UINT64_MAX : now + ms * NS_PER_MS;
}

int sysfs_poll_ms(uint64_t deadline_ns)
{
	uint64_t now = sysfs_now_ns();

	if (deadline_ns == UINT64_MAX)
		return -1;
	if (deadline_ns <= now)
		return 0;

	uint64_t ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;

	return ms > INT_MAX ? INT_MAX : (int)ms;
}

bool sysfs_nap(unsigned int ms, uint64_t deadline_ns)
{
	uint64_t now = sysfs_now_ns();
	uint64_t pause = ms * NS_PER_MS;

	if (deadline_ns <= now)
		return false;
	if (pause > deadline_ns - now)
		pause = deadline_ns - now;

	struct timespec t = { .tv_sec = (time_t)(pause / NS_PER_S),
			      .tv_nsec = (long)(pause % NS_PER_S) };

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	return true;
}
