/* SPDX-License-Identifier: MIT */
#include "guest/marker.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"

int marker_init(struct marker *m, struct error *err)
{
	uint64_t random[2];

	*m = (struct marker)MARKER_INIT;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_errno(err, "getrandom");
	m->prelude = malloc(MARKER_PRELUDE_MAX);
	if (m->prelude == NULL)
		return error_set(err, ENOMEM, "out of memory");
	(void)snprintf(m->token, sizeof(m->token), "bmvm%016llx%016llx",
		       (unsigned long long)random[0], (unsigned long long)random[1]);
	return 0;
}

void marker_done(struct marker *m)
{
	free(m->prelude);
	m->prelude = NULL;
	m->prelude_len = 0;
}

/* Takes the word between token and end of line; a terminal turned the newline into CR LF. */
static void take_word(struct marker *m, const char *at, const char *newline)
{
	const char *word = at + strlen(m->token);
	size_t len = (size_t)(newline - word);

	if (len > 0 && *word == ' ') {
		word++;
		len--;
	}
	if (len > 0 && word[len - 1] == '\r')
		len--;
	if (len >= sizeof(m->word))
		len = sizeof(m->word) - 1;
	memcpy(m->word, word, len);
	m->word[len] = '\0';
	m->found = true;
}

int marker_feed(struct marker *m, const char *buf, size_t len, size_t *used)
{
	size_t before = m->prelude_len;
	size_t n = len < MARKER_PRELUDE_MAX - before ? len : MARKER_PRELUDE_MAX - before;
	const char *at, *newline;

	*used = 0;
	if (m->found)
		return 0;
	memcpy(m->prelude + before, buf, n);
	m->prelude_len += n;
	*used = n;
	at = memmem(m->prelude, m->prelude_len, m->token, strlen(m->token));
	newline = at == NULL ? NULL : memchr(at, '\n', (size_t)(m->prelude + m->prelude_len - at));
	if (newline == NULL)
		return m->prelude_len == MARKER_PRELUDE_MAX ? -EPROTO : 0;
	take_word(m, at, newline);
	*used = (size_t)(newline + 1 - m->prelude) - before;
	m->prelude_len = (size_t)(at - m->prelude);
	return 0;
}
