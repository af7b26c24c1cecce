/* SPDX-License-Identifier: MIT */
#include "workload/docker_digest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SIGN   "@sha256:"
#define LATEST "latest"

/* A name and its tag, in a text; @tag NULL: none. */
struct reference {
	const char *name;
	size_t name_len;
	const char *tag;
	size_t tag_len;
};

static bool skip(struct reference *r, const char *prefix)
{
	size_t n = strlen(prefix);

	if (r->name_len <= n || strncmp(r->name, prefix, n) != 0)
		return false;
	r->name += n;
	r->name_len -= n;
	return true;
}

static struct reference reference_of(const char *text, size_t len)
{
	struct reference r = { .name = text, .name_len = len };
	const char *colon = memrchr(text, ':', len);

	/* a "/" behind it: the colon is that of a port */
	if (colon != NULL && memchr(colon, '/', (size_t)(text + len - colon)) == NULL) {
		r.name_len = (size_t)(colon - text);
		r.tag = colon + 1;
		r.tag_len = (size_t)(text + len - r.tag);
	}
	(void)(skip(&r, "docker.io/") || skip(&r, "index.docker.io/"));
	(void)skip(&r, "library/");
	return r;
}

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && strncmp(a, b, a_len) == 0;
}

/* A list of digests has no tags. */
static bool is_image(const char *found, size_t len, const char *image)
{
	struct reference f = reference_of(found, len), want = reference_of(image, strlen(image));

	if (!same(f.name, f.name_len, want.name, want.name_len))
		return false;
	if (want.tag == NULL) {
		want.tag = LATEST;
		want.tag_len = strlen(LATEST);
	}
	return f.tag == NULL || same(f.tag, f.tag_len, want.tag, want.tag_len);
}

/* How much of @text, which ends at @end, is a reference to an image at its end. */
static size_t reference_length(const char *text, const char *end)
{
	const char *start = end;

	while (start > text && strchr(" \t\r\n\"'=", start[-1]) == NULL)
		start--;
	return (size_t)(end - start);
}

void docker_digest_find(const char *text, const char *image, char ret[DOCKER_DIGEST_SIZE])
{
	const size_t length = strlen(SIGN) + 64;

	ret[0] = '\0';
	if (image != NULL && strstr(image, SIGN) != NULL) {
		text = image;
		image = NULL;
	}
	for (const char *at = text; (at = strstr(at, SIGN)) != NULL; at += strlen(SIGN)) {
		size_t n = reference_length(text, at);

		if (strspn(at + strlen(SIGN), "0123456789abcdef") != 64 ||
		    (image != NULL && !is_image(at - n, n, image)))
			continue;
		(void)snprintf(ret, DOCKER_DIGEST_SIZE, "%.*s", (int)(length - 1), at + 1);
		return;
	}
}
