/* SPDX-License-Identifier: MIT */
#include "config/syntax.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"

/* Room for a name in /sys. */
#define PARENT_NAME_SIZE 128

#define TEXT_MAX         4096

static const char letters_digits[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static bool only(const char *s, const char *extra)
{
	for (; *s != '\0'; s++) {
		if (strchr(letters_digits, *s) == NULL && strchr(extra, *s) == NULL)
			return false;
	}
	return true;
}

int syntax_text(char **value, struct error *err)
{
	if (**value == '\0')
		return error_set(err, EINVAL, "must not be empty");
	if (strlen(*value) > TEXT_MAX)
		return error_set(err, EINVAL, "must have at most %d bytes", TEXT_MAX);
	for (const char *p = *value; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return error_set(err, EINVAL, "must not contain control characters");
	}
	return 0;
}

int syntax_host_path(char **value, struct error *err)
{
	int r = syntax_text(value, err);

	if (r < 0)
		return r;
	if (**value == '~')
		return error_set(err, EINVAL, "~ is not expanded here: write the whole path");
	return 0;
}

int syntax_image(char **value, struct error *err)
{
	int r = syntax_host_path(value, err);

	if (r < 0)
		return r;
	if (**value == '-')
		return error_set(err, EINVAL,
				 "must not begin with '-' (a path may be written ./%.60s)", *value);
	return 0;
}

static bool is_dots(const char *part, size_t n)
{
	return (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.');
}

/* Single slashes, none at the end. */
static int normal_path(char *path, struct error *err)
{
	const char *in = path;
	char *out = path;

	if (*path != '/')
		return error_set(err, EINVAL, "must be an absolute path, not \"%.80s\"", path);
	while (*in != '\0') {
		size_t n;

		in += strspn(in, "/");
		n = strcspn(in, "/");
		if (is_dots(in, n))
			return error_set(err, EINVAL,
					 "must not contain \".\" or \"..\" as a folder");
		if (n == 0)
			break;
		*out++ = '/';
		memmove(out, in, n);
		out += n;
		in += n;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
	return 0;
}

int syntax_mount_host(char **value, struct error *err)
{
	int r = syntax_host_path(value, err);

	return r < 0 ? r : normal_path(*value, err);
}

static bool is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

int syntax_mount_guest(char **value, struct error *err)
{
	int r = syntax_text(value, err);

	if (r == 0)
		r = normal_path(*value, err);
	if (r < 0)
		return r;
	if (strcmp(*value, "/") == 0 || is_below(*value, "/dev") || is_below(*value, "/proc") ||
	    is_below(*value, "/sys"))
		return error_set(err, EINVAL,
				 "must not be /, /dev, /proc, /sys or below those, not \"%.80s\"",
				 *value);
	return 0;
}

int syntax_user(char **value, struct error *err)
{
	const char *s = *value;

	if (*s == '\0' || strlen(s) > 32 || strchr("-.0123456789", *s) != NULL || !only(s, "._-"))
		return error_set(
			err, EINVAL,
			"must be a login name (letters, digits, '.', '_', '-'; at most 32), not "
			"\"%.80s\"",
			s);
	return 0;
}

int syntax_interface(char **value, struct error *err)
{
	const char *s = *value;
	size_t n = strlen(s);
	bool bad = n == 0 || n > 15 || strcmp(s, ".") == 0 || strcmp(s, "..") == 0;

	for (; *s != '\0' && !bad; s++)
		bad = *s == '/' || *s == ':' || (unsigned char)*s <= 0x20 || *s == 0x7f;
	if (bad)
		return error_set(
			err, EINVAL,
			"must be a network interface's name (1 to 15 characters, no '/', ':' or "
			"space), not \"%.80s\"",
			*value);
	return 0;
}

/* @min to @max hexadecimal digits, then @after. Return: behind them, or NULL. */
static const char *hex_part(const char *s, size_t min, size_t max, char after)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	return n < min || n > max || s[n] != after ? NULL : s + n + 1;
}

static bool is_function(const char *s)
{
	const char *p = hex_part(s, 2, 2, ':');

	if (p == NULL || hex_part(p, 2, 2, '.') == NULL || strtoul(p, NULL, 16) > 0x1f)
		return false;
	return p[3] >= '0' && p[3] <= '7' && p[4] == '\0';
}

int syntax_pci_address(char **value, struct error *err)
{
	const char *s = *value;
	const char *behind = hex_part(s, 4, 8, ':');
	char *full = NULL;

	if (!is_function(behind != NULL ? behind : s))
		return error_set(err, EINVAL,
				 "must be a PCI address such as \"0000:01:00.0\", not \"%.80s\"",
				 s);
	if (asprintf(&full, "%s%s", behind != NULL ? "" : "0000:", s) < 0)
		return error_set(err, ENOMEM, "out of memory");
	for (char *p = full; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	free(*value);
	*value = full;
	return 0;
}

bool syntax_is_parent_name(const char *text)
{
	static const char others[] = "0123456789_-.";

	for (const char *c = text; *c != '\0'; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');

		if (!letter && (c == text || strchr(others, *c) == NULL))
			return false;
	}
	return text[0] != '\0' && strlen(text) < PARENT_NAME_SIZE;
}

int syntax_gpu_id(char **value, struct error *err)
{
	return syntax_is_parent_name(*value) ? 0 : syntax_pci_address(value, err);
}

static int one_of_capital(char **value, const char *const *names, size_t n, const char *list,
			  struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(*value, names[i]) != 0)
			continue;
		memcpy(*value, names[i], strlen(names[i]));
		return 0;
	}
	return error_set(err, EINVAL, "must be %s, not \"%.80s\"", list, *value);
}

int syntax_gpu_vendor(char **value, struct error *err)
{
	static const char *const names[] = { "AMD", "NVIDIA", "INTEL" };

	return one_of_capital(value, names, ARRAY_SIZE(names), "\"AMD\", \"NVIDIA\" or \"INTEL\"",
			      err);
}

int syntax_guest_os(char **value, struct error *err)
{
	static const char *const names[] = { "UBUNTU", "CENTOS" };

	return one_of_capital(value, names, ARRAY_SIZE(names), "\"UBUNTU\" or \"CENTOS\"", err);
}

int syntax_word(char **value, struct error *err)
{
	if (**value == '\0' || strlen(*value) > 64 || !only(*value, "._:+-"))
		return error_set(
			err, EINVAL,
			"must be 1 to 64 letters, digits or ._:+- characters, not \"%.80s\"",
			*value);
	return 0;
}

int syntax_glob(char **value, struct error *err)
{
	int r = syntax_text(value, err);

	if (r < 0)
		return r;
	if (**value == '/' || **value == '~')
		return error_set(err, EINVAL, "must be relative to the workdir, not \"%.80s\"",
				 *value);
	for (const char *p = *value; *p != '\0'; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return error_set(err, EINVAL, "must not contain \"..\" as a folder");
		p += n;
	}
	return 0;
}

int syntax_url(char **value, struct error *err)
{
	const char *s = *value;
	size_t scheme = 0;

	if (strncmp(s, "http://", 7) == 0)
		scheme = 7;
	else if (strncmp(s, "https://", 8) == 0)
		scheme = 8;
	if (scheme == 0 || s[scheme] == '\0' || strpbrk(s, " \t\r\n\"'\\") != NULL)
		return error_set(err, EINVAL,
				 "must be an http:// or https:// address, not \"%.80s\"", s);
	return syntax_text(value, err);
}

bool syntax_is_env_name(const char *name, unsigned long len)
{
	if (len == 0 || (name[0] >= '0' && name[0] <= '9'))
		return false;
	for (unsigned long i = 0; i < len; i++) {
		if (name[i] != '_' && (name[i] == '\0' || strchr(letters_digits, name[i]) == NULL))
			return false;
	}
	return true;
}

bool syntax_is_vm_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n >= 1 && n <= SYNTAX_VM_NAME_MAX && name[n] == '\0' && name[0] != '-' &&
	       name[n - 1] != '-';
}
