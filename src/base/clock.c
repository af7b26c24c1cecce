/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

uint64_t clock_now_ns(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t deadline_in_ms(uint64_t ms)
{
	uint64_t now = clock_now_ns();

	if (ms > (UINT64_MAX - 1 - now) / NS_PER_MS)
		return DEADLINE_NEVER - 1;
	return now + ms * NS_PER_MS;
}

uint64_t deadline_in_s(uint64_t s)
{
	return s > UINT64_MAX / 1000 ? DEADLINE_NEVER - 1 : deadline_in_ms(s * 1000);
}

int deadline_poll_ms(uint64_t deadline_ns)
{
	uint64_t now, ms;

	if (deadline_ns == DEADLINE_NEVER)
		return -1;
	now = clock_now_ns();
	if (deadline_ns <= now)
		return 0;
	ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

uint64_t deadline_min(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

void clock_sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

double clock_seconds_since(uint64_t start_ns)
{
	return (double)(clock_now_ns() - start_ns) / (double)NS_PER_S;
}

void clock_iso(char *buf)
{
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(buf, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buf[0] = '\0';
}
