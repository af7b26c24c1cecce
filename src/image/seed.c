/* SPDX-License-Identifier: MIT */
#include "image/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/strv.h"
#include "config/syntax.h"
#include "image/tool.h"

#define LOWER         "abcdefghijklmnopqrstuvwxyz"
#define UPPER         "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS        "0123456789"
#define ALNUM         LOWER UPPER DIGITS
#define HEX           DIGITS "abcdef"
#define BASE64        ALNUM "+/="

#define KEY_BEGIN     "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define KEY_END       "-----END OPENSSH PRIVATE KEY-----\n"

#define HOST_KEY_FILE "ssh_host_ed25519_key"
#define FAST_DIR      "bmvm-seed"

/* ---- checks: what is not clearly sound is refused, not escaped ---- */

static bool is_made_of(const char *s, const char *allowed, size_t min, size_t max)
{
	size_t n = strlen(s);

	return n >= min && n <= max && strspn(s, allowed) == n;
}

static bool is_user(const char *s)
{
	return is_made_of(s, ALNUM "_.-", 1, 32) && strchr(LOWER UPPER "_", s[0]) != NULL;
}

static bool is_machine_id(const char *s)
{
	return is_made_of(s, HEX, 32, 32) && strspn(s, "0") != 32;
}

static bool is_mac(const char *s)
{
	for (size_t i = 0; i < 17; i++) {
		if (strchr(i % 3 == 2 ? ":" : HEX, s[i]) == NULL || s[i] == '\0')
			return false;
	}
	return s[17] == '\0';
}

/* Return: length of "TYPE BASE64" at the start of @line; 0 when it is no such line. */
static size_t key_length(const char *line)
{
	size_t type = strspn(line, LOWER DIGITS "-@.");
	size_t data = line[type] == ' ' ? strspn(line + type + 1, BASE64) : 0;
	size_t n = type + 1 + data;

	if (type == 0 || data < 16 || (line[n] != '\0' && line[n] != ' ' && line[n] != '\n'))
		return 0;
	for (const char *c = line + n; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' && strcmp(c, "\n") != 0)
			return 0;
	}
	return n;
}

static bool is_private_key(const char *s)
{
	size_t n = strlen(s), end = strlen(KEY_END), begin = strlen(KEY_BEGIN);

	return n > begin + end && strncmp(s, KEY_BEGIN, begin) == 0 &&
	       strcmp(s + n - end, KEY_END) == 0 &&
	       strspn(s + begin, BASE64 "\n") == n - begin - end;
}

static int bad(struct error *err, const char *field, const char *rule)
{
	return error_set(err, EINVAL, "seed: %s %s", field, rule);
}

static int check(const struct seed *seed, struct error *err)
{
	if (!syntax_is_vm_name(seed->hostname))
		return bad(err, "hostname", "must be 1 to 63 small letters, digits and inner '-'");
	if (!is_made_of(seed->instance_id, ALNUM "-_.", 1, 128))
		return bad(err, "instance_id", "must be letters, digits, '-', '_' and '.'");
	if (!is_machine_id(seed->machine_id))
		return bad(err, "machine_id", "must be 32 lower-case hex digits, not all 0");
	if (!is_user(seed->ssh_user))
		return bad(err, "ssh_user",
			   "must begin with a letter or '_' and go on with these, digits, "
			   "'.' and '-', at most 32 in all");
	if (seed->authorized_key != NULL && key_length(seed->authorized_key) == 0)
		return bad(err, "authorized_key", "must be one line \"TYPE BASE64 [COMMENT]\"");
	if (!is_private_key(seed->host_key_private))
		return bad(err, "host_key_private", "must be a key in OpenSSH's own format");
	if (key_length(seed->host_key_public) == 0 ||
	    strncmp(seed->host_key_public, "ssh-ed25519 ", 12) != 0)
		return bad(err, "host_key_public", "must be one line \"ssh-ed25519 BASE64\"");
	for (size_t i = 0; i < seed->n_macs; i++) {
		if (!is_mac(seed->macs[i]))
			return bad(err, "macs", "must look like 52:54:00:ab:cd:ef");
	}
	return 0;
}

/* ---- writing ---- */

static int write_file(int dir_fd, const char *name, const char *text, size_t len, struct error *err)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	AUTO_CLOSE int fd = openat(dir_fd, name, flags, 0600);
	int r;

	if (fd < 0)
		return error_errno(err, "seed: create %s", name);
	r = fd_write_all(fd, text, len);
	if (r == 0 && fchmod(fd, 0444) < 0)
		r = -errno;
	return r < 0 ? error_set(err, -r, "seed: write %s: %s", name, strerror(-r)) : 0;
}

static int write_line(int dir_fd, const char *name, const char *text, size_t len, struct error *err)
{
	AUTO_FREE char *line = NULL;
	int n = asprintf(&line, "%.*s\n", (int)len, text);

	if (n < 0) {
		line = NULL;
		return error_set(err, ENOMEM, "seed: out of memory");
	}
	return write_file(dir_fd, name, line, (size_t)n, err);
}

static int write_json(int dir_fd, const char *name, const char *head, struct json_object *o,
		      struct error *err)
{
	int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE;
	AUTO_FREE char *text = NULL;
	int n = asprintf(&text, "%s%s\n", head, json_object_to_json_string_ext(o, flags));

	if (n < 0) {
		text = NULL;
		return error_set(err, ENOMEM, "seed: out of memory");
	}
	return write_file(dir_fd, name, text, (size_t)n, err);
}

static int write_fast(int dir_fd, const struct seed *seed, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (mkdirat(dir_fd, FAST_DIR, 0755) < 0)
		return error_errno(err, "seed: make " FAST_DIR);
	fd = openat(dir_fd, FAST_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return error_errno(err, "seed: open " FAST_DIR);
	r = write_line(fd, "hostname", seed->hostname, strlen(seed->hostname), err);
	if (r == 0)
		r = write_line(fd, "machine-id", seed->machine_id, strlen(seed->machine_id), err);
	if (r == 0)
		r = write_line(fd, "user", seed->ssh_user, strlen(seed->ssh_user), err);
	if (r == 0 && seed->authorized_key != NULL)
		r = write_line(fd, "authorized_keys", seed->authorized_key,
			       key_length(seed->authorized_key), err);
	if (r == 0)
		r = write_file(fd, HOST_KEY_FILE, seed->host_key_private,
			       strlen(seed->host_key_private), err);
	if (r == 0)
		r = write_line(fd, HOST_KEY_FILE ".pub", seed->host_key_public,
			       key_length(seed->host_key_public), err);
	return r;
}

/* ---- cloud-init ---- */

static struct json_object *new_list(const char *const *words, size_t n)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < n; i++)
		(void)json_object_array_add(list, json_object_new_string(words[i]));
	return list;
}

static void add_key(struct json_object *o, const char *name, const char *line)
{
	json_add(o, name, json_object_new_string_len(line, (int)key_length(line)));
}

static struct json_object *new_user(const struct seed *seed)
{
	struct json_object *user = json_new_object();
	struct json_object *keys = json_new_array();

	json_add_str(user, "name", seed->ssh_user);
	json_add_bool(user, "lock_passwd", false);
	if (strcmp(seed->ssh_user, "root") != 0) {
		json_add_str(user, "shell", "/bin/bash");
		json_add_str(user, "sudo", "ALL=(ALL) NOPASSWD:ALL");
	}
	if (seed->authorized_key != NULL)
		(void)json_object_array_add(
			keys, json_object_new_string_len(seed->authorized_key,
							 (int)key_length(seed->authorized_key)));
	json_add(user, "ssh_authorized_keys", keys);
	return user;
}

static struct json_object *new_host_keys(const struct seed *seed)
{
	struct json_object *keys = json_new_object();

	json_add_str(keys, "ed25519_private", seed->host_key_private);
	add_key(keys, "ed25519_public", seed->host_key_public);
	return keys;
}

/*
 * cloud-init leaves a machine-id that an image brings along as it is. The script gets the new one
 * as an argument; D-Bus keeps a copy in some distributions.
 */
static struct json_object *new_bootcmd(const struct seed *seed)
{
	static const char script[] =
		"read -r old < /etc/machine-id; [ \"$old\" != \"$1\" ] || exit 0; "
		"while mountpoint -q /etc/machine-id; do umount /etc/machine-id || break; done; "
		"printf '%s\\n' \"$1\" > /etc/machine-id; "
		"[ ! -f /var/lib/dbus/machine-id ] || [ -L /var/lib/dbus/machine-id ] || "
		"printf '%s\\n' \"$1\" > /var/lib/dbus/machine-id";
	const char *words[] = { "sh", "-c", script, "machine-id", seed->machine_id };
	struct json_object *list = json_new_array();

	(void)json_object_array_add(list, new_list(words, ARRAY_SIZE(words)));
	return list;
}

static struct json_object *new_growpart(void)
{
	static const char *const devices[] = { "/" };
	struct json_object *o = json_new_object();

	json_add_str(o, "mode", "auto");
	json_add(o, "devices", new_list(devices, ARRAY_SIZE(devices)));
	json_add_bool(o, "ignore_growroot_disabled", false);
	return o;
}

static struct json_object *new_user_data(const struct seed *seed)
{
	struct json_object *o = json_new_object();
	struct json_object *users = json_new_array();
	static const char *const key_types[] = { "ed25519" };

	(void)json_object_array_add(users, new_user(seed));
	json_add_str(o, "hostname", seed->hostname);
	json_add_bool(o, "preserve_hostname", false);
	json_add_str(o, "manage_etc_hosts", "localhost");
	json_add(o, "bootcmd", new_bootcmd(seed));
	json_add(o, "users", users);
	json_add_bool(o, "disable_root", false);
	json_add_bool(o, "ssh_deletekeys", true);
	json_add(o, "ssh_genkeytypes", new_list(key_types, ARRAY_SIZE(key_types)));
	json_add(o, "ssh_keys", new_host_keys(seed));
	json_add_bool(o, "no_ssh_fingerprints", true);
	json_add(o, "growpart", new_growpart());
	json_add_bool(o, "resize_rootfs", true);
	json_add_bool(o, "package_update", false);
	json_add_bool(o, "package_upgrade", false);
	return o;
}

static struct json_object *new_meta_data(const struct seed *seed)
{
	struct json_object *o = json_new_object();

	json_add_str(o, "instance-id", seed->instance_id);
	json_add_str(o, "local-hostname", seed->hostname);
	return o;
}

/* @optional: no boot waits for it. */
static struct json_object *new_nic(const char *key, const char *value, bool optional)
{
	struct json_object *nic = json_new_object();
	struct json_object *match = json_new_object();

	json_add_str(match, key, value);
	json_add(nic, "match", match);
	json_add_bool(nic, "dhcp4", true);
	if (optional)
		json_add_bool(nic, "optional", true);
	return nic;
}

static struct json_object *new_network_config(const struct seed *seed)
{
	struct json_object *o = json_new_object();
	struct json_object *nics = json_new_object();

	for (size_t i = 0; i < seed->n_macs; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "bmvm%zu", i);
		json_add(nics, name, new_nic("macaddress", seed->macs[i], i > 0));
	}
	if (seed->n_macs == 0)
		json_add(nics, "bmvm", new_nic("driver", "virtio_net", false));
	json_add_i64(o, "version", 2);
	json_add(o, "ethernets", nics);
	return o;
}

static int write_nocloud(int dir_fd, const struct seed *seed, struct error *err)
{
	AUTO_JSON struct json_object *user = new_user_data(seed);
	AUTO_JSON struct json_object *meta = new_meta_data(seed);
	AUTO_JSON struct json_object *network = new_network_config(seed);
	int r = write_json(dir_fd, "user-data", "#cloud-config\n", user, err);

	if (r == 0)
		r = write_json(dir_fd, "meta-data", "", meta, err);
	if (r == 0)
		r = write_json(dir_fd, "network-config", "", network, err);
	return r;
}

int seed_write(int dir_fd, const struct seed *seed, struct error *err)
{
	int r = check(seed, err);

	if (r == 0 && !seed->bmvm_only)
		r = write_nocloud(dir_fd, seed, err);
	if (r == 0)
		r = write_fast(dir_fd, seed, err);
	return r;
}

/* ---- ISO ---- */

static const char *const iso_programs[] = { "genisoimage", "mkisofs", "xorrisofs", "xorriso" };

char *seed_iso_program(void)
{
	char *path = NULL;

	for (size_t i = 0; path == NULL && i < ARRAY_SIZE(iso_programs); i++)
		path = process_find_program(iso_programs[i], NULL);
	return path;
}

int seed_make_iso(const char *dir, const char *iso, uint64_t deadline_ns, struct error *err)
{
	AUTO_FREE char *program = seed_iso_program();
	AUTO_STRV struct strv argv = STRV_INIT;
	int r;

	if (program == NULL) {
		r = error_set(err, ENOENT,
			      "seed: this QEMU has no vvfat, and no program to make an ISO file "
			      "was found");
		return error_hint(err, r, "apt-get install genisoimage");
	}
	strv_add(&argv, program);
	if (strcmp(strrchr(program, '/'), "/xorriso") == 0)
		tool_args(&argv, "-as", "mkisofs", NULL);
	tool_args(&argv, "-quiet", "-J", "-r", "-V", "CIDATA", "-o", iso, dir, NULL);
	r = strv_error(&argv);
	if (r < 0)
		return error_set(err, -r, "seed: out of memory");
	r = process_check(argv.v, deadline_ns, err);
	if (r == 0 && chmod(iso, 0444) < 0)
		r = error_errno(err, "chmod %s", iso);
	if (r < 0)
		(void)unlink(iso);
	return r < 0 ? error_prefix(err, r, "seed") : 0;
}
