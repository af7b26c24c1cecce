/* SPDX-License-Identifier: MIT */
/* image/: manifest, store, resolve, identity and digests, on files that are no real disks. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "config/config.h"
#include "host/host.h"
#include "image/draft.h"
#include "image/image.h"
#include "image/manifest.h"
#include "image/store.h"
#include "image/userns.h"

#define ABC_DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char folder[] = "/tmp/bmvm-test-image-XXXXXX";
static struct host host = HOST_INIT;

static void setup(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	host.is_root = true; /* only our own folder is searched */
	host.data_dir = strdup(folder);
	host.images_dir = path_join(folder, "images");
	cr_assert(mkdir(host.images_dir, 0755) == 0);
	host.data_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(host.data_fd >= 0);
}

static void teardown(void)
{
	host_done(&host);
	(void)file_remove_tree_at(AT_FDCWD, folder, NULL);
}

TestSuite(image, .init = setup, .fini = teardown);

static void put(int dir_fd, const char *name, const char *text)
{
	cr_assert(file_write_atomic_at(dir_fd, name, text, strlen(text), 0644, NULL) == 0);
}

static char *set(const char *text)
{
	return strdup(text);
}

/* Publishes an image whose "disk" is the three bytes abc. */
static int publish(const char *name, bool replace, const char *disk, struct error *err)
{
	AUTO_DRAFT struct draft draft = DRAFT_INIT;
	AUTO_MANIFEST struct manifest m = { .virtual_size = 1 << 30, .seed = IMAGE_SEED_BMVM };
	struct draft_publish how = { .name = name, .replace = replace, .manifest = &m };

	cr_assert(draft_begin(&host, &draft, err) == 0);
	put(draft.fd, "disk.qcow2", disk);
	put(draft.fd, "vmlinuz", "kernel");
	put(draft.fd, "initrd.img", "initrd");
	m.format = set("qcow2");
	m.suite = set("bookworm");
	m.append = set("root=/dev/vda1 quiet");
	m.disk.file = set("disk.qcow2");
	m.kernel.file = set("vmlinuz");
	m.initrd.file = set("initrd.img");
	strv_add(&m.packages, "hello");
	return draft_publish(&host, &draft, &how, err);
}

static size_t count_entries(const char *path)
{
	AUTO_CLOSEDIR DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t n = 0;

	cr_assert(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	return n;
}

Test(image, a_published_image_is_sealed_and_resolves)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image image = { .name = NULL };
	AUTO_MANIFEST struct manifest m = { .created = NULL };
	AUTO_CONFIG struct config cfg = { 0 };
	struct stat st;

	cr_assert(publish("one", false, "abc", &err) == 0, "%s", err.msg);
	config_init(&cfg);
	free(cfg.base_image);
	cfg.base_image = set("one");
	cr_assert(image_resolve(&host, &cfg, &image, &err) == 0, "%s", err.msg);
	cr_expect(eq(sz, image.n_chain, 1));
	cr_expect(eq(u64, image.virtual_size, 1 << 30));
	cr_expect(eq(int, image.seed, IMAGE_SEED_BMVM));
	cr_expect(eq(str, image.chain[0].format, (char *)"qcow2"));
	cr_expect(eq(str, image.append, (char *)"root=/dev/vda1 quiet"));
	cr_expect(eq(str, image.suite, (char *)"bookworm"));
	cr_expect(image.kernel.path != NULL && image.initrd.path != NULL);
	cr_assert(stat(image.chain[0].path, &st) == 0);
	cr_expect(eq(u32, st.st_mode & 07777, 0444));
	cr_assert(stat(image.dir, &st) == 0);
	cr_expect(eq(u32, st.st_mode & 07777, 0755));
	cr_assert(manifest_load(image.dir, &m, &err) == 0, "%s", err.msg);
	cr_expect(eq(str, m.disk.sha256, (char *)ABC_DIGEST));
	cr_expect(eq(sz, m.packages.n, 1));
	cr_expect(eq(sz, count_entries(host.images_dir), 1));
}

Test(image, a_disk_of_a_stored_image_named_by_path_is_that_image)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image image = { .name = NULL };
	char path[256];

	cr_assert(publish("one", false, "abc", &err) == 0, "%s", err.msg);
	(void)snprintf(path, sizeof(path), "%s/one/disk.qcow2", host.images_dir);
	cr_assert(image_load(&host, path, &image, &err) == 0, "%s", err.msg);
	cr_expect(image.kernel.path != NULL);
}

Test(image, configuration_overrides_how_it_boots)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image image = { .name = NULL };
	AUTO_CONFIG struct config cfg = { 0 };

	cr_assert(publish("one", false, "abc", &err) == 0, "%s", err.msg);
	put(host.data_fd, "my-kernel", "k");
	config_init(&cfg);
	free(cfg.base_image);
	cfg.base_image = set("one");
	cfg.kernel = path_join(folder, "my-kernel");
	cfg.append = set("console=ttyS0");
	cr_assert(image_resolve(&host, &cfg, &image, &err) == 0, "%s", err.msg);
	cr_expect(eq(str, image.kernel.path, cfg.kernel));
	cr_expect(image.initrd.path == NULL, "the image's initrd belongs to the image's kernel");
	cr_expect(eq(str, image.append, (char *)"console=ttyS0"));
}

Test(image, a_missing_image_names_those_that_exist_and_the_command)
{
	struct error err = ERROR_INIT;
	struct image image;

	cr_expect(eq(int, image_load(&host, "default", &image, &err), -ENOENT));
	cr_expect(strstr(err.msg, "none yet") != NULL, "%s", err.msg);
	cr_expect(strstr(err.hint, "bmvm image build") != NULL, "%s", err.hint);
	cr_assert(publish("two", false, "abc", &err) == 0, "%s", err.msg);
	cr_assert(publish("one", false, "abc", &err) == 0, "%s", err.msg);
	cr_expect(eq(int, image_load(&host, "three", &image, &err), -ENOENT));
	cr_expect(strstr(err.msg, "one, two") != NULL, "%s", err.msg);
	cr_expect(strstr(err.hint, "--name three") != NULL, "%s", err.hint);
	cr_expect(eq(int, image_load(&host, "./three", &image, &err), -ENOENT));
	cr_expect(eq(int, image_load(&host, "..", &image, &err), -EINVAL));
	cr_expect(eq(int, image_load(&host, "", &image, &err), -EINVAL));
}

Test(image, a_truncated_disk_is_noticed_at_once)
{
	struct error err = ERROR_INIT;
	struct image image;
	char path[256];

	cr_assert(publish("one", false, "abc", &err) == 0, "%s", err.msg);
	(void)snprintf(path, sizeof(path), "%s/one/disk.qcow2", host.images_dir);
	cr_assert(truncate(path, 2) == 0);
	cr_expect(eq(int, image_load(&host, "one", &image, &err), -EBADMSG));
}

Test(image, verify_hashes_again)
{
	struct error err = ERROR_INIT;
	AUTO_JSON struct json_object *o = NULL;
	char path[256];

	cr_assert(publish("one", false, "abc", &err) == 0, "%s", err.msg);
	cr_expect(eq(int, store_verify(&host, "one", NULL, NULL, &err), 0), "%s", err.msg);
	(void)snprintf(path, sizeof(path), "%s/one", host.images_dir);
	{
		AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY);

		put(fd, "vmlinuz", "kernal");
	}
	cr_expect(eq(int, store_verify(&host, "one", NULL, &o, &err), -EBADMSG));
	cr_expect(strstr(err.msg, "vmlinuz") != NULL, "%s", err.msg);
	cr_expect(o != NULL);
	cr_expect(eq(int, store_verify(&host, "two", NULL, NULL, &err), -ENOENT));
}

Test(image, removing_is_refused_while_somebody_holds_the_disk)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image image = { .name = NULL };
	AUTO_CLOSE int fd = -1;
	AUTO_STORE_LIST struct store_list list = { .v = NULL };

	cr_assert(publish("one", false, "abc", &err) == 0, "%s", err.msg);
	cr_assert(image_load(&host, "one", &image, &err) == 0, "%s", err.msg);
	cr_assert(image_file_open_shared(&image.chain[0], &fd, &err) == 0, "%s", err.msg);
	cr_expect(eq(int, store_remove(&host, "one", &err), -EBUSY));
	cr_expect(eq(int, publish("one", true, "xyz", &err), -EBUSY));
	cr_expect(eq(int, image_check_unchanged(&image, &err), 0), "%s", err.msg);
	cr_assert(store_list(&host, &list, &err) == 0);
	cr_assert(eq(sz, list.n, 1));
	cr_expect(list.v[0].in_use);
	close_fd(&fd);
	cr_expect(eq(int, store_remove(&host, "one", &err), 0), "%s", err.msg);
	cr_expect(eq(sz, count_entries(host.images_dir), 0));
	cr_expect(eq(int, image_file_open_shared(&image.chain[0], &fd, &err), -ENOENT));
}

Test(image, replacing_is_asked_for)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image image = { .name = NULL };
	AUTO_CLOSE int fd = -1;

	cr_assert(publish("one", false, "abc", &err) == 0, "%s", err.msg);
	cr_assert(image_load(&host, "one", &image, &err) == 0, "%s", err.msg);
	cr_expect(eq(int, publish("one", false, "xyz", &err), -EEXIST));
	cr_expect(eq(int, publish("one", true, "xyz", &err), 0), "%s", err.msg);
	cr_expect(eq(sz, count_entries(host.images_dir), 1));
	cr_expect(eq(int, image_check_unchanged(&image, &err), -ESTALE));
	cr_expect(eq(int, image_file_open_shared(&image.chain[0], &fd, &err), -ESTALE));
}

Test(image, a_change_of_the_base_is_noticed_and_said)
{
	struct error err = ERROR_INIT;
	AUTO_FREE char *path = path_join(folder, "x");
	struct image_file file;

	put(host.data_fd, "x", "abc");
	cr_assert(image_file_init(&file, path, "raw", &err) == 0, "%s", err.msg);
	cr_expect(eq(int, image_file_check(&file, &err), 0));
	cr_assert(truncate(path, 10) == 0);
	cr_expect(eq(int, image_file_check(&file, &err), -ESTALE));
	cr_expect(strstr(err.msg, "from 3 to 10 bytes") != NULL, "%s", err.msg);
	put(host.data_fd, "x", "abc");
	cr_expect(eq(int, image_file_check(&file, &err), -ESTALE));
	cr_expect(strstr(err.msg, "another file") != NULL, "%s", err.msg);
	cr_assert(unlink(path) == 0);
	cr_expect(eq(int, image_file_check(&file, &err), -ENOENT));
	image_file_done(&file);
}

Test(image, a_digest_is_remembered_by_identity)
{
	struct error err = ERROR_INIT;
	AUTO_FREE char *path = path_join(folder, "x");
	char digest[IMAGE_DIGEST_SIZE];
	struct image_file file;

	put(host.data_fd, "x", "abc");
	cr_assert(image_file_init(&file, path, NULL, &err) == 0, "%s", err.msg);
	cr_assert(image_file_digest(&host, &file, NULL, digest, &err) == 0, "%s", err.msg);
	cr_expect(eq(str, digest, (char *)ABC_DIGEST));
	/* a marker in the cache shows that it is read, and not with another identity */
	memset(digest, 'f', sizeof(digest) - 1);
	image_digest_remember(&host, &file.id, digest);
	memset(digest, 0, sizeof(digest));
	cr_assert(image_file_digest(&host, &file, NULL, digest, &err) == 0, "%s", err.msg);
	cr_expect(eq(int, digest[0], 'f'));
	file.id.ctime_ns -= 1;
	cr_expect(eq(int, image_file_digest(&host, &file, NULL, digest, &err), -ESTALE));
	image_file_done(&file);
}

static int stop(void *data, struct error *err)
{
	char byte;

	if (read(*(int *)data, &byte, 1) != 1)
		return -EIO;
	return error_set(err, EINTR, "interrupted");
}

Test(image, hashing_can_be_interrupted)
{
	struct error err = ERROR_INIT;
	AUTO_CLOSE int fd = open("/dev/zero", O_RDONLY); /* has no end */
	char digest[IMAGE_DIGEST_SIZE];
	int pipe_fds[2];
	struct watch watch = { .ready = stop, .data = &pipe_fds[0] };
	struct watchset set_of_one = { .v = &watch, .n = 1 };

	cr_assert(pipe(pipe_fds) == 0 && write(pipe_fds[1], "x", 1) == 1);
	watch.fd = pipe_fds[0];
	cr_expect(eq(int, image_digest_fd(fd, &set_of_one, digest, &err), -EINTR));
}

Test(image, sweep_removes_dead_drafts_only)
{
	struct error err = ERROR_INIT;
	AUTO_DRAFT struct draft alive = DRAFT_INIT;
	struct draft dead = DRAFT_INIT;
	AUTO_FREE char *scratch = NULL, *alive_scratch = NULL;

	cr_assert(setenv("TMPDIR", folder, 1) == 0);
	cr_assert(draft_begin(&host, &alive, &err) == 0, "%s", err.msg);
	cr_assert(draft_add_scratch(&alive, &alive_scratch, &err) == 0, "%s", err.msg);
	cr_assert(draft_begin(&host, &dead, &err) == 0, "%s", err.msg);
	cr_assert(draft_add_scratch(&dead, &scratch, &err) == 0, "%s", err.msg);
	put(dead.fd, "disk.qcow2", "half");
	close_fd(&dead.fd); /* its maker is gone */
	cr_expect(eq(int, draft_sweep(&host, &err), 1), "%s", err.msg);
	cr_expect(access(dead.path, F_OK) < 0);
	cr_expect(access(scratch, F_OK) < 0);
	cr_expect(access(alive.path, F_OK) == 0);
	cr_expect(access(alive_scratch, F_OK) == 0);
	cr_expect(eq(int, draft_sweep(&host, &err), 0));
	free(dead.path);
}

Test(image, sweep_follows_no_planted_scratch_path)
{
	struct error err = ERROR_INIT;
	struct draft dead = DRAFT_INIT;
	AUTO_FREE char *victim = path_join(folder, "victim");

	cr_assert(mkdir(victim, 0755) == 0);
	cr_assert(draft_begin(&host, &dead, &err) == 0, "%s", err.msg);
	put(dead.fd, "scratch", victim);
	close_fd(&dead.fd);
	cr_expect(eq(int, draft_sweep(&host, &err), 1), "%s", err.msg);
	cr_expect(access(victim, F_OK) == 0);
	free(dead.path);
}

struct range_case {
	const char *text;
	bool found;
	unsigned long free_from;
};

static const struct range_case range_cases[] = {
	{ "", false, 100000 },
	{ "me:100000:65536\n", true, 165536 },
	{ "me:100000:65536", true, 165536 },
	{ "you:100000:65536\n1000:300000:65536\n", true, 365536 },
	{ "you:100000:65536\nmeme:165536:65536\n", false, 231072 },
	{ "me:100000:1000\n", false, 101000 },
	{ "me::65536\nme:-1:65536\nme:1\n:::\nme", false, 100000 },
	{ "# me:100000:65536x\nme:200000:65536\n", true, 265536 },
};

Test(image, ranges_of_ids_are_found)
{
	for (size_t i = 0; i < ARRAY_SIZE(range_cases); i++) {
		const struct range_case *c = &range_cases[i];
		unsigned long free_from = 100000;

		cr_expect(eq(int, userns_has_range(c->text, "me", 1000, &free_from), c->found),
			  "case %zu", i);
		cr_expect(eq(ulong, free_from, c->free_from), "case %zu", i);
	}
}

Test(image, names_that_are_no_names)
{
	static const char *const bad[] = { "",    ".",   "..",  ".hidden", "-x",
					   "a/b", "a b", "a\n", "\xc3\xa9" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect(eq(int, store_name_check(bad[i], NULL), -EINVAL), "case %zu", i);
	cr_expect(eq(int, store_name_check("ubuntu-22.04_rocm", NULL), 0));
}

#define SHA  "\"sha256\":\"" ABC_DIGEST "\""
#define DISK "\"disk\":{\"file\":\"disk.qcow2\",\"size\":3," SHA "}"
#define HEAD "\"manifest_version\":1,\"virtual_size\":1,\"format\":\"qcow2\","

struct bad_manifest {
	const char *text;
	const char *word; /* must be in the message */
	int r;
};

static const struct bad_manifest bad_manifests[] = {
	{ "", "manifest.json", -EINVAL },
	{ "{", "manifest.json", -EINVAL },
	{ "{}", "manifest_version", -ENOENT },
	{ "{\"manifest_version\":2}", "newer", -EPROTONOSUPPORT },
	{ "{" HEAD "\"seed\":\"bmvm\"}", "disk", -EINVAL },
	{ "{\"manifest_version\":1,\"virtual_size\":1,\"format\":\"vmdk\"," DISK "}", "format",
	  -EINVAL },
	{ "{" HEAD "\"seed\":\"what\"," DISK "}", "what", -EINVAL },
	{ "{" HEAD "\"disk\":{\"file\":\"../x\",\"size\":3," SHA "}}", "disk.file", -EINVAL },
	{ "{" HEAD "\"disk\":{\"file\":\"/etc/passwd\",\"size\":3," SHA "}}", "disk.file",
	  -EINVAL },
	{ "{" HEAD "\"disk\":{\"file\":\"d\",\"size\":3,\"sha256\":\"12\"}}", "sha256", -EINVAL },
	{ "{" HEAD "\"disk\":{\"file\":\"d\",\"size\":\"3\"," SHA "}}", "size", -EINVAL },
	{ "{" HEAD "\"packages\":[1]," DISK "}", "packages[0]", -EINVAL },
	{ "{" HEAD "\"append\":1," DISK "}", "append", -EINVAL },
};

Test(image, bad_manifests_are_refused_with_the_member)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_manifests); i++) {
		struct error err = ERROR_INIT;
		struct manifest m;

		put(host.data_fd, MANIFEST_FILE, bad_manifests[i].text);
		cr_expect(eq(int, manifest_load(folder, &m, &err), bad_manifests[i].r),
			  "case %zu: %s", i, err.msg);
		cr_expect(strstr(err.msg, bad_manifests[i].word) != NULL, "case %zu: %s", i,
			  err.msg);
	}
}

Test(image, a_manifest_that_is_a_fifo_is_refused, .timeout = 30)
{
	struct error err = ERROR_INIT;
	struct manifest m;

	(void)unlinkat(host.data_fd, MANIFEST_FILE, 0);
	cr_assert(mkfifoat(host.data_fd, MANIFEST_FILE, 0600) == 0);
	cr_expect(eq(int, manifest_load(folder, &m, &err), -EINVAL), "%s", err.msg);
	cr_expect(strstr(err.msg, "not a regular file") != NULL, "%s", err.msg);
}

Test(image, a_broken_image_is_listed_with_its_problem)
{
	struct error err = ERROR_INIT;
	AUTO_FREE char *path = path_join(host.images_dir, "broken");
	AUTO_FREE char *no_folder = path_join(host.images_dir, "fifo");
	AUTO_STORE_LIST struct store_list list = { .v = NULL };

	cr_assert(mkdir(path, 0755) == 0);
	cr_assert(mkfifo(no_folder, 0600) == 0);
	cr_assert(publish("fine", false, "abc", &err) == 0, "%s", err.msg);
	cr_assert(store_list(&host, &list, &err) == 0, "%s", err.msg);
	cr_assert(eq(sz, list.n, 2));
	cr_expect(list.v[0].problem != NULL);
	cr_expect(list.v[1].problem == NULL);
	cr_expect(eq(int, store_remove(&host, "broken", &err), 0), "%s", err.msg);
	cr_expect(access(path, F_OK) < 0);
}
