/* SPDX-License-Identifier: MIT */
#include "host/owners.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "host/host.h"

#define TEXT_CAP  ((size_t)4 << 20)
#define PATH_SIZE 400

struct search {
	const struct host *host;
	const char *address;
	struct owners *found;
};

static bool is_alive(const struct search *s, unsigned long pid)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%lu", pid);
	return pid > 0 && faccessat(s->host->proc_fd, name, F_OK, 0) == 0;
}

/* Call @fn for each entry of a folder below @root_fd, -1: there is none. */
static void each_entry(struct search *s, int root_fd, const char *path,
		       void (*fn)(struct search *s, int dir_fd, const char *name))
{
	AUTO_CLOSEDIR DIR *dir = root_fd < 0 ? NULL : file_opendir_at(root_fd, path, 0);
	const struct dirent *e;

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			fn(s, dirfd(dir), e->d_name);
	}
}

/* ---- libvirt ---- */

/* The value of attribute NAME='VALUE' of the element at @element. NULL: it has none. */
static const char *attribute(const char *element, const char *name)
{
	size_t len = strcspn(element, ">"), name_len = strlen(name);

	for (const char *at = element; at + name_len + 2 < element + len; at++) {
		if (at[0] == ' ' && strncmp(at + 1, name, name_len) == 0 &&
		    at[name_len + 1] == '=' &&
		    (at[name_len + 2] == '\'' || at[name_len + 2] == '"'))
			return at + name_len + 3;
	}
	return NULL;
}

static unsigned long number(const char *element, const char *name)
{
	const char *value = attribute(element, name);

	return value == NULL ? 0 : strtoul(value, NULL, 0);
}

/* <address domain='0x0000' bus='0x41' slot='0x00' function='0x0'/> */
static bool is_address(const char *element, const char *address)
{
	char text[48];

	if (attribute(element, "bus") == NULL || attribute(element, "slot") == NULL)
		return false;
	(void)snprintf(text, sizeof(text), "%04lx:%02lx:%02lx.%lx", number(element, "domain"),
		       number(element, "bus"), number(element, "slot"),
		       number(element, "function"));
	return strcmp(text, address) == 0;
}

/* Devices of the host stand in <source>; other addresses are the guest's. */
static bool has_source(const char *xml, const char *address)
{
	for (const char *at = strstr(xml, "<source"); at != NULL; at = strstr(at + 1, "<source")) {
		const char *end = strstr(at, "</source>");
		const char *element = strstr(at, "<address");

		if (end == NULL)
			return false;
		for (; element != NULL && element < end; element = strstr(element + 1, "<address"))
			if (is_address(element, address))
				return true;
	}
	return false;
}

/* The state of a live domain: <domstatus state='running' pid='4711'> ... */
static void check_domain(struct search *s, int dir_fd, const char *name)
{
	AUTO_FREE char *xml = NULL;
	const char *dot = strrchr(name, '.');
	const char *status;
	unsigned long pid;

	if (dot == NULL || strcmp(dot, ".xml") != 0 ||
	    file_read_at(dir_fd, name, TEXT_CAP, &xml, NULL, NULL) < 0)
		return;
	status = strstr(xml, "<domstatus");
	pid = status == NULL ? 0 : number(status, "pid");
	if (is_alive(s, pid) && has_source(xml, s->address))
		strv_addf(&s->found->live, "libvirt's VM %.*s has it (process %lu)",
			  (int)(dot - name), name, pid);
}

/* IFNAME_vfN: what libvirt has to set again on VF N of the network card when its VM has ended. */
static void check_network_state(struct search *s, int dir_fd, const char *name)
{
	const char *vf = strstr(name, "_vf");
	char path[PATH_SIZE], target[PATH_SIZE];
	const char *last;
	ssize_t n;

	(void)dir_fd;
	if (vf == NULL || vf == name)
		return;
	(void)snprintf(path, sizeof(path), "class/net/%.*s/device/virtfn%.16s", (int)(vf - name),
		       name, vf + strlen("_vf"));
	n = readlinkat(s->host->sys_fd, path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	last = strrchr(target, '/');
	if (strcmp(last == NULL ? target : last + 1, s->address) == 0)
		strv_addf(&s->found->noted, "libvirt keeps the network settings of it (%s)", name);
}

/* ---- Proxmox VE ---- */

/* "0000:41:00.0", or all functions of "0000:41:00". */
static bool is_reserved(const char *line, const char *address)
{
	size_t len = strcspn(line, " \t\n");

	return len > 0 && strncmp(line, address, len) == 0 &&
	       (address[len] == '\0' || address[len] == '.');
}

/* "ADDRESS VMID pid:N", or "time:T" while the VM is being started. */
static void check_reservation(struct search *s, const char *line)
{
	const char *vm = line + strcspn(line, " \t\n");
	const char *pid = strstr(line, " pid:"), *until = strstr(line, " time:");
	const char *end = line + strcspn(line, "\n");
	bool live = false;

	if (!is_reserved(line, s->address))
		return;
	if (pid != NULL && pid < end)
		live = is_alive(s, strtoul(pid + strlen(" pid:"), NULL, 10));
	else if (until != NULL && until < end)
		live = (time_t)strtoll(until + strlen(" time:"), NULL, 10) > time(NULL);
	if (live)
		strv_addf(&s->found->live, "Proxmox VE's VM %lu has reserved it",
			  strtoul(vm, NULL, 10));
}

static void check_reservations(struct search *s)
{
	AUTO_FREE char *text = NULL;

	if (s->host->system_run_fd < 0 ||
	    file_read_at(s->host->system_run_fd, "qemu-server/pci-id-reservations", TEXT_CAP, &text,
			 NULL, NULL) < 0)
		return;
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n")) {
		line += *line == '\n';
		check_reservation(s, line);
	}
}

/* ---- what is set up for good ---- */

static void check_driverctl(struct search *s)
{
	AUTO_FREE char *driver = NULL;
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "driverctl.d/pci-%.100s", s->address);
	if (s->host->etc_fd < 0 ||
	    file_read_at(s->host->etc_fd, path, 4096, &driver, NULL, NULL) < 0)
		return;
	driver[strcspn(driver, " \t\n")] = '\0';
	strv_addf(&s->found->noted, "driverctl keeps it on %s at each boot",
		  strcmp(driver, "none") == 0 ? "no driver" : driver);
}

static void check_mdevctl(struct search *s, int dir_fd, const char *name)
{
	(void)dir_fd;
	strv_addf(&s->found->noted, "mdevctl has the mediated device %.64s for it", name);
}

int owners_find(const struct host *host, const char *address, struct owners *ret, struct error *err)
{
	struct search s = { .host = host, .address = address, .found = ret };
	char path[PATH_SIZE];

	each_entry(&s, host->system_run_fd, "libvirt/qemu", check_domain);
	check_reservations(&s);
	each_entry(&s, host->system_run_fd, "libvirt/hostdevmgr", check_network_state);
	check_driverctl(&s);
	(void)snprintf(path, sizeof(path), "mdevctl.d/%.100s", address);
	each_entry(&s, host->etc_fd, path, check_mdevctl);
	return strv_error(&ret->live) < 0 || strv_error(&ret->noted) < 0
		       ? error_set(err, ENOMEM, "out of memory")
		       : 0;
}

void owners_done(struct owners *owners)
{
	strv_done(&owners->live);
	strv_done(&owners->noted);
}
