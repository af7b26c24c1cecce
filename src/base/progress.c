/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

void progress_init(struct progress *p, size_t total, bool quiet)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	*p = (struct progress){ .quiet = quiet, .total = total };
	p->terminal = isatty(STDERR_FILENO) != 0 && (term == NULL || strcmp(term, "dumb") != 0);
	p->color = p->terminal && (no_color == NULL || no_color[0] == '\0');
}

static void draw(const char *text, int n)
{
	/* one write per line; a terminal that is gone is nobody's problem */
	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		return;
}

static void draw_running(struct progress *p)
{
	char line[256];
	double seconds = clock_seconds_since(p->start_ns);

	draw(line, snprintf(line, sizeof(line), "\r\033[K[%zu/%zu] %s ... %.0f s", p->index,
			    p->total, p->title, seconds));
	p->drawn_ns = clock_now_ns();
	log_over_line(true);
}

void progress_begin(struct progress *p, size_t index, const char *title)
{
	p->index = index;
	p->start_ns = clock_now_ns();
	p->drawn_ns = p->start_ns;
	p->open = true;
	(void)snprintf(p->title, sizeof(p->title), "%s", title);
	if (!p->quiet && p->terminal)
		draw_running(p);
}

void progress_tick(struct progress *p)
{
	uint64_t every = p->terminal ? NS_PER_S : 30 * NS_PER_S;

	if (p->quiet || !p->open || clock_now_ns() - p->drawn_ns < every)
		return;
	if (p->terminal) {
		draw_running(p);
		return;
	}
	p->drawn_ns = clock_now_ns();
	log_info("[%zu/%zu] %s: %.0f s so far", p->index, p->total, p->title,
		 clock_seconds_since(p->start_ns));
}

void progress_yield(struct progress *p)
{
	char line[256];

	if (!p->quiet && p->open) {
		if (p->terminal)
			draw(line, snprintf(line, sizeof(line), "\r\033[K[%zu/%zu] %s\n", p->index,
					    p->total, p->title));
		else
			log_info("[%zu/%zu] %s", p->index, p->total, p->title);
	}
	p->open = false;
	log_over_line(false);
}

double progress_end(struct progress *p, bool ok)
{
	double seconds = clock_seconds_since(p->start_ns);
	const char *mark = ok ? "" : " FAILED";
	char line[256];

	if (!p->quiet && p->terminal)
		draw(line, snprintf(line, sizeof(line), "\r\033[K[%zu/%zu] %s%s%s%s %.1f s\n",
				    p->index, p->total, p->title, p->color && !ok ? "\033[31m" : "",
				    mark, p->color && !ok ? "\033[0m" : "", seconds));
	else if (!p->quiet)
		log_info("[%zu/%zu] %s%s: %.1f s", p->index, p->total, p->title, mark, seconds);
	p->open = false;
	log_over_line(false);
	return seconds;
}
