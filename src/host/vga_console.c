/* SPDX-License-Identifier: MIT */
#include "host/vga_console.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/host.h"

/* A framebuffer of the firmware is a platform device; it shows on the boot VGA device. */
static bool has_framebuffer(const struct host *host, const char *address, char *ret, size_t size)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(host->sys_fd, "class/graphics", 0);
	const struct dirent *e;

	if (dir == NULL)
		return false;
	while ((e = readdir(dir)) != NULL) {
		char target[512];
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);

		if (n <= 0 || strncmp(e->d_name, "fb", 2) != 0)
			continue;
		target[n] = '\0';
		if (strstr(target, address) == NULL && strstr(target, "/platform/") == NULL)
			continue;
		(void)snprintf(ret, size, "the framebuffer /dev/%.32s", e->d_name);
		return true;
	}
	return false;
}

/* The kernel's text console on VGA hardware, which needs no framebuffer. */
static bool has_text_console(const struct host *host, char *ret, size_t size)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(host->sys_fd, "class/vtconsole", 0);
	const struct dirent *e;

	if (dir == NULL)
		return false;
	while ((e = readdir(dir)) != NULL) {
		AUTO_FREE char *name = NULL, *bound = NULL;
		char path[300];

		(void)snprintf(path, sizeof(path), "%.255s/name", e->d_name);
		if (file_read_at(dirfd(dir), path, 64, &name, NULL, NULL) < 0 ||
		    strstr(name, "VGA") == NULL)
			continue;
		(void)snprintf(path, sizeof(path), "%.255s/bind", e->d_name);
		if (file_read_at(dirfd(dir), path, 16, &bound, NULL, NULL) < 0 || bound[0] != '1')
			continue;
		(void)snprintf(ret, size, "the VGA text console (%.32s)", e->d_name);
		return true;
	}
	return false;
}

static bool connector_is_on(int drm_fd, const char *card, const char *connector)
{
	AUTO_FREE char *status = NULL, *enabled = NULL;
	char path[600];

	(void)snprintf(path, sizeof(path), "%.255s/%.255s/status", card, connector);
	if (file_read_at(drm_fd, path, 64, &status, NULL, NULL) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%.255s/%.255s/enabled", card, connector);
	return file_read_at(drm_fd, path, 64, &enabled, NULL, NULL) == 0 &&
	       strncmp(status, "connected", 9) == 0 && strncmp(enabled, "enabled", 7) == 0;
}

static bool card_is_on(int drm_fd, const char *card, char *ret, size_t size)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(drm_fd, card, O_NOFOLLOW);
	const struct dirent *e;

	if (dir == NULL)
		return false;
	while ((e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, "card", 4) != 0 || !connector_is_on(drm_fd, card, e->d_name))
			continue;
		(void)snprintf(ret, size, "a monitor on %.40s", e->d_name);
		return true;
	}
	return false;
}

static bool has_monitor(const struct host *host, const char *address, char *ret, size_t size)
{
	char path[96];
	AUTO_CLOSEDIR DIR *dir = NULL;
	const struct dirent *e;

	(void)snprintf(path, sizeof(path), "bus/pci/devices/%.32s/drm", address);
	dir = file_opendir_at(host->sys_fd, path, 0);
	if (dir == NULL)
		return false;
	while ((e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, "card", 4) == 0 &&
		    card_is_on(dirfd(dir), e->d_name, ret, size))
			return true;
	}
	return false;
}

bool vga_console_find(const struct host *host, const char *address, char *ret, size_t size)
{
	return has_framebuffer(host, address, ret, size) || has_monitor(host, address, ret, size) ||
	       has_text_console(host, ret, size);
}
