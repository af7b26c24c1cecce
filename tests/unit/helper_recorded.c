/* SPDX-License-Identifier: MIT */
#include "tests/unit/helper_recorded.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "tests/unit/helper_tree.h"

#define PATH_SIZE 1024

/*
 * Where lines go.
 * @folder: from the last "in"
 * @made:   the folder made last, so that it is not made for each file in it
 */
struct place {
	const char *root;
	char folder[PATH_SIZE];
	char made[PATH_SIZE];
};

/* The full path of @path, whose folder is there now. */
static void prepare(struct place *p, const char *path, char full[2 * PATH_SIZE])
{
	char parent[PATH_SIZE];
	char *slash;

	(void)snprintf(parent, sizeof(parent), "%.500s/%.500s", p->folder, path);
	(void)snprintf(full, 2 * PATH_SIZE, "%s/%s", p->root, parent);
	slash = strrchr(parent, '/');
	*slash = '\0';
	if (strcmp(parent, p->made) == 0)
		return;
	tree_dir(p->root, parent);
	memcpy(p->made, parent, sizeof(parent));
}

static void put_bytes(const char *full, const char *bytes, size_t n)
{
	AUTO_CLOSE int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert(fd >= 0 && write(fd, bytes, n) == (ssize_t)n, "%s: %s", full, strerror(errno));
}

/* Turn "HH.." into bytes where it stands. */
static void put_hex(const char *full, char *hex)
{
	char two[3] = { 0 };
	size_t n = 0;

	for (const char *from = hex; from[0] != '\0' && from[1] != '\0'; from += 2) {
		memcpy(two, from, 2);
		hex[n++] = (char)strtoul(two, NULL, 16);
	}
	put_bytes(full, hex, n);
}

/* @text has room for one more character where its NUL is. */
static void put_text(const char *full, char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		if (from[0] == '\\' && from[1] != '\0') {
			from++;
			*to++ = (char)(*from == 'n' ? '\n' : *from == 't' ? '\t' : *from);
		} else {
			*to++ = *from;
		}
	}
	if (to > text)
		*to++ = '\n';
	put_bytes(full, text, (size_t)(to - text));
}

static void make_one(struct place *p, char *line)
{
	char full[2 * PATH_SIZE];
	char *tab = strchr(line, '\t'), *arrow = strstr(line, " -> ");
	size_t len = strlen(line);

	if (tab != NULL)
		*tab = '\0';
	else if (arrow != NULL)
		*arrow = '\0';
	else
		cr_assert_eq(line[len - 1], '/', "junk: \"%s\"", line);
	prepare(p, line, full);
	if (tab != NULL && strncmp(tab + 1, "hex:", 4) == 0)
		put_hex(full, tab + 5);
	else if (tab != NULL)
		put_text(full, tab + 1);
	else if (arrow != NULL)
		cr_assert_eq(symlink(arrow + 4, full), 0, "%s: %s", full, strerror(errno));
}

size_t recorded_load_text(const char *root, const char *text)
{
	AUTO_FREE char *copy = strdup(text);
	struct place p = { .root = root, .folder = "." };
	char *save = NULL;
	size_t n = 0;

	cr_assert_not_null(copy);
	for (char *l = strtok_r(copy, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
		if (l[0] == '#')
			continue;
		if (strncmp(l, "in ", 3) == 0) {
			(void)snprintf(p.folder, sizeof(p.folder), "%s", l[3] == '/' ? "." : l + 3);
			continue;
		}
		make_one(&p, l);
		n++;
	}
	return n;
}

void recorded_load(const char *root, const char *name)
{
	AUTO_FREE char *text = NULL;
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/hosts/%s.tree", TEST_DATA, name);
	cr_assert_eq(file_read_at(AT_FDCWD, path, (size_t)16 << 20, &text, NULL, NULL), 0, "%s",
		     path);
	(void)recorded_load_text(root, text);
	tree_file(root, "proc/sys/kernel/random/boot_id", "00000000-1111-2222-3333-444444444444\n");
	tree_dir(root, "dev");
}
