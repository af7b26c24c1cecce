/* SPDX-License-Identifier: MIT */
#include "run/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "run/module_share.h"
#include "vm/jail.h"

#define PROC_FILE_CAP ((size_t)16 << 20)

static void differs(struct json_object *list, const char *what, const char *expected,
		    const char *found)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "what", what);
	json_add_str(o, "expected", expected);
	json_add_str(o, "found", found);
	(void)json_object_array_add(list, o);
}

/* What cannot be looked at is not proved. */
static void cannot_look(struct json_object *list, const char *what, int r)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "it could not be looked at: %s", strerror(-r));
	differs(list, what, "checked", text);
}

static void check_qemu(const struct machine *m, struct json_object *list)
{
	uint64_t start = 0;
	char text[64];
	int r = m->qemu_pid <= 0 ? -ESRCH
				 : process_start_time(m->spec->host->proc_fd, m->qemu_pid, &start);

	if (r < 0 && r != -ESRCH)
		cannot_look(list, "QEMU", r);
	if (r < 0 || start != m->qemu_start)
		return;
	(void)snprintf(text, sizeof(text), "process %d still runs", (int)m->qemu_pid);
	differs(list, "QEMU", "ended", text);
}

static bool is_in_another_pid_namespace(int proc_fd, pid_t pid)
{
	char path[48], ours[64] = "", its[64] = "";

	(void)snprintf(path, sizeof(path), "%d/ns/pid", (int)pid);
	return readlinkat(proc_fd, "self/ns/pid", ours, sizeof(ours) - 1) > 0 &&
	       readlinkat(proc_fd, path, its, sizeof(its) - 1) > 0 && strcmp(ours, its) != 0;
}

/*
 * Only with a uid of its own can a stray child of QEMU be told from other processes. One in another
 * PID namespace may be such a child, too: it is a difference, whatever else it may be.
 */
static void check_uid(const struct machine *m, struct json_object *list)
{
	int proc_fd = m->spec->host->proc_fd;
	pid_t pid = m->uid == 0 ? 0 : jail_uid_user(proc_fd, m->uid, NULL);
	char text[128];

	if (pid < 0)
		cannot_look(list, "uid of the VM", pid);
	if (pid <= 0)
		return;
	(void)snprintf(text, sizeof(text), "process %d runs under it%s", (int)pid,
		       is_in_another_pid_namespace(proc_fd, pid)
			       ? ", in another PID namespace: of a container's bmvm, or escaped"
			       : "");
	differs(list, "uid of the VM", "no process", text);
}

static void check_folder(const struct machine *m, struct json_object *list)
{
	struct stat st;

	if (lstat(m->spec->vd->data_path, &st) == 0)
		differs(list, m->spec->vd->data_path, "absent", "present");
	else if (errno != ENOENT)
		cannot_look(list, m->spec->vd->data_path, -errno);
}

#define FIELDS_MAX 12

/* Splits a line of a /proc table in place; missing fields are "". */
static void split(char *line, char *fields[FIELDS_MAX])
{
	static char none[] = "";
	char *save = NULL;

	for (size_t i = 0; i < FIELDS_MAX; i++) {
		fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
		if (fields[i] == NULL)
			fields[i] = none;
	}
}

/* The number behind the last colon: "0100007F:1F90" is 0x1f90, "fe:00:1234" is 1234. */
static unsigned long long after_colon(const char *field, int base)
{
	const char *colon = strrchr(field, ':');

	return colon == NULL ? 0 : strtoull(colon + 1, NULL, base);
}

/* "sl local_address rem_address st tx:rx tr:when retrnsmt uid ..."; st 0A is LISTEN. */
static void check_port_line(const struct machine *m, char *line, struct json_object *list)
{
	uid_t uid = m->uid != 0 ? m->uid : m->spec->host->uid;
	char *fields[FIELDS_MAX];
	char found[64];

	split(line, fields);
	if (strcmp(fields[3], "0A") != 0 || after_colon(fields[1], 16) != m->port ||
	    strtoul(fields[7], NULL, 10) != uid)
		return;
	(void)snprintf(found, sizeof(found), "port %u is listened on by uid %u", m->port, uid);
	differs(list, "SSH port", "closed", found);
}

/*
 * "1: FLOCK ADVISORY READ 4711 fe:00:1234 0 EOF". Only the shared lock that keeps an image from
 * being removed can be told to be ours; QEMU's own end with its process.
 */
static void check_lock_line(const struct machine *m, char *line, struct json_object *list)
{
	const struct image_file *disk = &m->spec->image->chain[0];
	char *fields[FIELDS_MAX];

	split(line, fields);
	if (strcmp(fields[1], "FLOCK") == 0 && strtol(fields[4], NULL, 10) == getpid() &&
	    after_colon(fields[5], 10) == disk->id.ino)
		differs(list, disk->path, "no lock of this VM", "still locked");
}

static void check_lines(const struct machine *m, const char *file, struct json_object *list,
			void (*check)(const struct machine *m, char *line,
				      struct json_object *list))
{
	AUTO_FREE char *text = NULL;
	char *save = NULL;
	int r = file_read_at(m->spec->host->proc_fd, file, PROC_FILE_CAP, &text, NULL, NULL);

	if (r < 0) {
		cannot_look(list, file, r);
		return;
	}
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		check(m, line, list);
}

static void check_port(const struct machine *m, struct json_object *list)
{
	if (m->port != 0)
		check_lines(m, "net/tcp", list, check_port_line);
}

static void check_locks(const struct machine *m, struct json_object *list)
{
	check_lines(m, "locks", list, check_lock_line);
}

static void check_mounts(const struct machine *m, struct json_object *list)
{
	AUTO_FREE char *text = NULL;
	int r = file_read_at(m->spec->host->proc_fd, "self/mountinfo", PROC_FILE_CAP, &text, NULL,
			     NULL);

	if (r < 0)
		cannot_look(list, "mounts", r);
	else if (strstr(text, m->spec->vd->data_path) != NULL)
		differs(list, "mounts", "none below the VM's folder", m->spec->vd->data_path);
}

static void check_image(const struct machine *m, struct json_object *list)
{
	struct error err = ERROR_INIT;

	if (m->spec->replaces_image)
		err = m->stopped_image; /* by now there is another one */
	else
		(void)image_check_unchanged(m->spec->image, &err);
	if (err.code != 0)
		differs(list, "base image", "unchanged", err.msg);
}

static void check_devices(const struct machine *m, struct json_object *list)
{
	struct error err = ERROR_INIT; /* a failure to compare is in the list, too */

	(void)assignment_compare(&m->assignment, m->spec->host, m->spec->vd->name, list, &err);
}

static void check_modules(const struct machine *m, struct json_object *list)
{
	int r = modules_compare(m->spec->host, m->spec->vd->name, &m->journal, list, NULL);

	if (r < 0)
		cannot_look(list, "kernel modules", r);
}

static void check_lan(const struct machine *m, struct json_object *list)
{
	lan_compare(&m->lan, list);
}

struct json_object *verify_machine(const struct machine *m)
{
	static void (*const checks[])(const struct machine *, struct json_object *) = {
		check_qemu,   check_uid,   check_folder,  check_port, check_locks,
		check_mounts, check_image, check_devices, check_lan,  check_modules,
	};
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](m, list);
	return list;
}
