/* SPDX-License-Identifier: MIT */
#include "image/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "host/host.h"

#define SUBUID      "/etc/subuid"
#define SUBGID      "/etc/subgid"
#define RANGE       65536UL
#define FIRST_START 100000UL

/* A kernel setting that forbids user namespaces to ordinary users when it has this value. */
struct setting {
	const char *path; /* in /proc */
	const char *name;
	const char *forbids;
	const char *allows;
};

static const struct setting settings[] = {
	{ "sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "0", "1" },
	{ "sys/user/max_user_namespaces", "user.max_user_namespaces", "0", "15000" },
	{ "sys/kernel/apparmor_restrict_unprivileged_userns",
	  "kernel.apparmor_restrict_unprivileged_userns", "1", "0" },
};

static int check_settings(int proc_fd, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *s = &settings[i];
		AUTO_FREE char *value = NULL;
		int r;

		if (file_read_at(proc_fd, s->path, 64, &value, NULL, NULL) < 0)
			continue;
		value[strcspn(value, "\n")] = '\0';
		if (strcmp(value, s->forbids) != 0)
			continue;
		r = error_set(err, EPERM,
			      "building an image without root needs user namespaces, which "
			      "%s=%s forbids",
			      s->name, value);
		return error_hint(err, r, "as root: sysctl -w %s=%s", s->name, s->allows);
	}
	return 0;
}

/* A number and the character behind it. Return: where it goes on; NULL when it is none. */
static const char *take_number(const char *s, char end, unsigned long *ret)
{
	char *rest = NULL;

	if (*s < '0' || *s > '9')
		return NULL;
	*ret = strtoul(s, &rest, 10);
	return *rest == end || (end == '\n' && *rest == '\0') ? rest : NULL;
}

static bool names_user(const char *line, size_t len, const char *user, unsigned long uid)
{
	unsigned long number = 0;

	if (len == strlen(user) && strncmp(line, user, len) == 0)
		return true;
	return take_number(line, ':', &number) == line + len && number == uid;
}

bool userns_has_range(const char *text, const char *user, unsigned long uid,
		      unsigned long *free_from)
{
	bool found = false;
	const char *line = text;

	while (line != NULL && *line != '\0') {
		unsigned long start = 0, count = 0;
		size_t len = strcspn(line, ":\n");
		const char *p = line[len] == ':' ? take_number(line + len + 1, ':', &start) : NULL;

		if (p != NULL && take_number(p + 1, '\n', &count) != NULL) {
			if (count >= RANGE && names_user(line, len, user, uid))
				found = true;
			if (start + count > *free_from)
				*free_from = start + count;
		}
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return found;
}

static bool file_has_range(const char *file, const char *user, unsigned long uid,
			   unsigned long *free_from)
{
	AUTO_FREE char *text = NULL;

	if (file_read_at(AT_FDCWD, file, (size_t)1 << 20, &text, NULL, NULL) < 0)
		return false;
	return userns_has_range(text, user, uid, free_from);
}

static int check_ranges(uid_t uid, struct error *err)
{
	const struct passwd *pw = getpwuid(uid);
	const char *user = pw != NULL ? pw->pw_name : "";
	unsigned long from = FIRST_START;
	bool uids = file_has_range(SUBUID, user, uid, &from);
	bool gids = file_has_range(SUBGID, user, uid, &from);
	int r;

	if (uids && gids)
		return 0;
	r = error_set(err, EPERM,
		      "building an image without root needs %lu user and group ids for user %s, "
		      "%s has none",
		      RANGE, pw != NULL ? user : "(no name)", uids ? SUBGID : SUBUID);
	return error_hint(err, r, "as root: usermod %s%lu-%lu --add-subgids %lu-%lu %s",
			  "--add-subuids ", from, from + RANGE - 1, from, from + RANGE - 1, user);
}

int userns_check(const struct host *host, struct error *err)
{
	int r = check_settings(host->proc_fd, err);

	return r == 0 ? check_ranges(host->uid, err) : r;
}
