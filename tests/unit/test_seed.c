/* SPDX-License-Identifier: MIT */
/* image/seed: both layouts, and that nothing hostile gets into them. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "image/seed.h"

#define KEY_DATA "AAAAC3NzaC1lZDI1NTE5AAAAIJmVxCPkRkZBPWGQPgkxSSKP1MAq8wHmT4lBFoDOaGHM"
#define PRIVATE                                                                                    \
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"                                                    \
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"                 \
	"QyNTUxOQ==\n"                                                                             \
	"-----END OPENSSH PRIVATE KEY-----\n"

static char folder[] = "/tmp/bmvm-test-seed-XXXXXX";

static void setup(void)
{
	cr_assert(mkdtemp(folder) != NULL);
}

static void teardown(void)
{
	(void)file_remove_tree_at(AT_FDCWD, folder, NULL);
}

TestSuite(seed, .init = setup, .fini = teardown);

static struct seed good(void)
{
	return (struct seed){
		.hostname = "vm-1",
		.instance_id = "i-0123",
		.machine_id = "0123456789abcdef0123456789abcdef",
		.ssh_user = "root",
		.authorized_key = "ssh-ed25519 " KEY_DATA " me@here\n",
		.host_key_private = PRIVATE,
		.host_key_public = "ssh-ed25519 " KEY_DATA,
	};
}

static int write_seed(const struct seed *seed, struct error *err)
{
	AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY);

	cr_assert(fd >= 0);
	return seed_write(fd, seed, err);
}

static char *content(const char *name)
{
	AUTO_FREE char *path = path_join(folder, name);
	char *text = NULL;

	cr_assert(file_read_at(AT_FDCWD, path, 65536, &text, NULL, NULL) == 0, "%s", name);
	return text;
}

static void expect_content(const char *name, const char *expected)
{
	AUTO_FREE char *text = content(name);

	cr_expect(eq(str, text, (char *)expected), "%s", name);
}

/* user-data is a header line and JSON. */
static struct json_object *load(const char *name)
{
	AUTO_FREE char *text = content(name);
	const char *json = text[0] == '#' ? strchr(text, '\n') : text;
	struct json_object *o = NULL;
	struct error err = ERROR_INIT;

	cr_assert(json_parse(json, strlen(json), &o, &err) == 0, "%s: %s", name, err.msg);
	return o;
}

Test(seed, the_fast_layout_has_one_plain_file_per_fact)
{
	struct seed seed = good();
	struct error err = ERROR_INIT;

	cr_assert(write_seed(&seed, &err) == 0, "%s", err.msg);
	expect_content("bmvm-seed/hostname", "vm-1\n");
	expect_content("bmvm-seed/machine-id", "0123456789abcdef0123456789abcdef\n");
	expect_content("bmvm-seed/user", "root\n");
	expect_content("bmvm-seed/authorized_keys", "ssh-ed25519 " KEY_DATA "\n");
	expect_content("bmvm-seed/ssh_host_ed25519_key", PRIVATE);
	expect_content("bmvm-seed/ssh_host_ed25519_key.pub", "ssh-ed25519 " KEY_DATA "\n");
}

Test(seed, cloud_init_pins_the_host_key_and_lets_root_in)
{
	struct seed seed = good();
	struct error err = ERROR_INIT;
	AUTO_JSON struct json_object *o = NULL;
	struct json_object *keys = NULL, *users = NULL, *user;
	AUTO_FREE char *text = NULL;

	cr_assert(write_seed(&seed, &err) == 0, "%s", err.msg);
	text = content("user-data");
	cr_expect(strncmp(text, "#cloud-config\n", 14) == 0);
	cr_expect(strstr(text, "\\/") == NULL, "an escape that YAML 1.1 does not know");
	o = load("user-data");
	cr_expect(eq(str, (char *)json_str_or(o, "hostname", ""), (char *)"vm-1"));
	cr_expect(json_bool_or(o, "ssh_deletekeys", false));
	cr_expect(not(json_bool_or(o, "disable_root", true)));
	cr_assert(json_get_object(o, "ssh_keys", &keys, &err) == 0, "%s", err.msg);
	cr_expect(eq(str, (char *)json_str_or(keys, "ed25519_private", ""), (char *)PRIVATE));
	cr_assert(json_get_array(o, "users", &users, &err) == 0, "%s", err.msg);
	user = json_object_array_get_idx(users, 0);
	cr_expect(eq(str, (char *)json_str_or(user, "name", ""), (char *)"root"));
	cr_expect(json_str_or(user, "sudo", NULL) == NULL, "root needs no sudo rule");
}

Test(seed, meta_data_and_network)
{
	static const char *const macs[] = { "52:54:00:00:00:01", "52:54:00:00:00:02" };
	struct seed seed = good();
	struct error err = ERROR_INIT;
	AUTO_JSON struct json_object *meta = NULL, *network = NULL;
	struct json_object *nics = NULL, *nic = NULL, *match = NULL;

	seed.macs = macs;
	seed.n_macs = 2;
	cr_assert(write_seed(&seed, &err) == 0, "%s", err.msg);
	meta = load("meta-data");
	network = load("network-config");
	cr_expect(eq(str, (char *)json_str_or(meta, "instance-id", ""), (char *)"i-0123"));
	cr_expect(eq(u64, json_u64_or(network, "version", 0), 2));
	cr_assert(json_get_object(network, "ethernets", &nics, NULL) == 0);
	cr_expect(eq(int, json_object_object_length(nics), 2));
	cr_assert(json_get_object(nics, "bmvm1", &nic, NULL) == 0);
	cr_expect(json_bool_or(nic, "dhcp4", false));
	cr_assert(json_get_object(nic, "match", &match, NULL) == 0);
	cr_expect(eq(str, (char *)json_str_or(match, "macaddress", ""), (char *)macs[1]));
	cr_expect(json_bool_or(nic, "optional", false), "nobody may answer there");
}

Test(seed, another_user_gets_sudo_and_no_key_is_no_file)
{
	struct seed seed = good();
	struct error err = ERROR_INIT;
	AUTO_JSON struct json_object *o = NULL;
	AUTO_FREE char *path = path_join(folder, "bmvm-seed/authorized_keys");
	struct json_object *users = NULL;

	seed.ssh_user = "Max.Power-9";
	seed.authorized_key = NULL;
	cr_assert(write_seed(&seed, &err) == 0, "%s", err.msg);
	expect_content("bmvm-seed/user", "Max.Power-9\n");
	cr_expect(access(path, F_OK) < 0);
	o = load("user-data");
	cr_assert(json_get_array(o, "users", &users, NULL) == 0);
	cr_expect(json_str_or(json_object_array_get_idx(users, 0), "sudo", NULL) != NULL);
}

Test(seed, the_nocloud_files_can_be_left_out)
{
	struct seed seed = good();
	struct error err = ERROR_INIT;
	AUTO_FREE char *path = path_join(folder, "meta-data");

	seed.bmvm_only = true;
	cr_assert(write_seed(&seed, &err) == 0, "%s", err.msg);
	cr_expect(access(path, F_OK) < 0);
	expect_content("bmvm-seed/hostname", "vm-1\n");
}

Test(seed, files_are_readable_for_qemu_whatever_the_umask)
{
	static const char *const names[] = { "user-data", "bmvm-seed/ssh_host_ed25519_key" };
	struct seed seed = good();
	struct error err = ERROR_INIT;

	(void)umask(0077);
	cr_assert(write_seed(&seed, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *path = path_join(folder, names[i]);
		struct stat st;

		cr_assert(stat(path, &st) == 0);
		cr_expect(eq(u32, st.st_mode & 07777, 0444), "%s", names[i]);
	}
}

Test(seed, a_comment_of_a_key_is_not_passed_on)
{
	struct seed seed = good();
	struct error err = ERROR_INIT;
	AUTO_FREE char *text = NULL;

	seed.authorized_key = "ssh-ed25519 " KEY_DATA " \"}, {\\u0041: '*& \xc3\xa9 #!";
	cr_assert(write_seed(&seed, &err) == 0, "%s", err.msg);
	text = content("user-data");
	cr_expect(strstr(text, "u0041") == NULL);
	expect_content("bmvm-seed/authorized_keys", "ssh-ed25519 " KEY_DATA "\n");
}

struct hostile {
	const char *field;
	size_t offset;
	const char *value;
};

#define AT(f) #f, offsetof(struct seed, f)

static const struct hostile hostile[] = {
	{ AT(hostname), "" },
	{ AT(hostname), "-vm" },
	{ AT(hostname), "vm-" },
	{ AT(hostname), "VM" },
	{ AT(hostname), "a.b" },
	{ AT(hostname), "vm\nusers: []" },
	{ AT(hostname), "vm: {" },
	{ AT(hostname), "0123456789012345678901234567890123456789012345678901234567890123" },
	{ AT(instance_id), "i\"" },
	{ AT(instance_id), "" },
	{ AT(machine_id), "0123456789ABCDEF0123456789ABCDEF" },
	{ AT(machine_id), "00000000000000000000000000000000" },
	{ AT(machine_id), "0123456789abcdef0123456789abcde" },
	{ AT(machine_id), "$(reboot)abcdef0123456789abcdef" },
	{ AT(ssh_user), "" },
	{ AT(ssh_user), "-r" },
	{ AT(ssh_user), "9lives" },
	{ AT(ssh_user), "a b" },
	{ AT(ssh_user), "a:b" },
	{ AT(ssh_user), "../root" },
	{ AT(ssh_user), "root\nevil" },
	{ AT(ssh_user), "yes!" },
	{ AT(authorized_key), "" },
	{ AT(authorized_key), "ssh-ed25519" },
	{ AT(authorized_key), "command=\"x\" ssh-ed25519 " KEY_DATA },
	{ AT(authorized_key), "ssh-ed25519 " KEY_DATA "\nssh-ed25519 " KEY_DATA },
	{ AT(authorized_key), "ssh-ed25519 " KEY_DATA " me\x1b[2J" },
	{ AT(host_key_private), "" },
	{ AT(host_key_private), "-----BEGIN OPENSSH PRIVATE KEY-----\n" },
	{ AT(host_key_private), PRIVATE "x" },
	{ AT(host_key_private), "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n" },
	{ AT(host_key_public), "ssh-rsa " KEY_DATA },
	{ AT(host_key_public), "" },
};

Test(seed, hostile_values_are_refused_by_name_and_nothing_is_written)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct seed seed = good();
		struct error err = ERROR_INIT;
		AUTO_FREE char *path = path_join(folder, "user-data");

		*(const char **)((char *)&seed + hostile[i].offset) = hostile[i].value;
		cr_expect(eq(int, write_seed(&seed, &err), -EINVAL), "case %zu", i);
		cr_expect(strstr(err.msg, hostile[i].field) != NULL, "case %zu: %s", i, err.msg);
		cr_expect(access(path, F_OK) < 0, "case %zu", i);
	}
}

Test(seed, a_bad_mac_is_refused)
{
	static const char *const bad[] = { "52:54:00:00:00", "52-54-00-00-00-01",
					   "52:54:00:00:00:0G", "52:54:00:00:00:01x", "" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct seed seed = good();

		seed.macs = &bad[i];
		seed.n_macs = 1;
		cr_expect(eq(int, write_seed(&seed, NULL), -EINVAL), "case %zu", i);
	}
}

Test(seed, an_existing_file_is_not_written_over)
{
	struct seed seed = good();
	struct error err = ERROR_INIT;

	cr_assert(write_seed(&seed, &err) == 0, "%s", err.msg);
	cr_expect(eq(int, write_seed(&seed, &err), -EEXIST));
}
