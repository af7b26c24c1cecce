/* SPDX-License-Identifier: MIT */
/* image/ with the real qemu-img: overlays, chains, imports, commits, and what is refused. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "config/config.h"
#include "host/host.h"
#include "image/draft.h"
#include "image/image.h"
#include "image/import.h"
#include "image/overlay.h"
#include "image/probe.h"
#include "image/seed.h"
#include "image/store.h"
#include "image/tool.h"

#define MIB (UINT64_C(1) << 20)

static char folder[] = "/tmp/bmvm-test-image-qemu-XXXXXX";
static struct host host = HOST_INIT;

static void setup(void)
{
	AUTO_FREE char *qemu_img = process_find_program("qemu-img", NULL);

	if (qemu_img == NULL)
		cr_skip("no qemu-img");
	cr_assert(mkdtemp(folder) != NULL);
	host.is_root = true;
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

TestSuite(image_qemu, .init = setup, .fini = teardown, .timeout = 120);

/* A path in the test's folder; leaks, as a test may. */
static char *in(const char *name)
{
	return path_join(folder, name);
}

/* Runs a program with its arguments. */
static void run_(const struct strv *argv)
{
	struct error err = ERROR_INIT;

	cr_assert(process_check(argv->v, deadline_in_s(60), &err) == 0, "%s", err.msg);
}

#define RUN(...)                                                                                   \
	do {                                                                                       \
		AUTO_STRV struct strv argv_ = STRV_INIT;                                           \
		tool_args(&argv_, __VA_ARGS__, NULL);                                              \
		run_(&argv_);                                                                      \
	} while (0)
#define QEMU_IMG(...) RUN("qemu-img", __VA_ARGS__)

static void put(const char *name, const char *text)
{
	cr_assert(file_write_atomic_at(host.data_fd, name, text, strlen(text), 0644, NULL) == 0);
}

/* Bytes at an offset of a disk, read through qemu-img. */
static bool disk_has(const char *disk, const char *format, const char *text)
{
	AUTO_FREE char *raw = in("as-raw");
	AUTO_FREE char *got = NULL;
	size_t len = 0;

	QEMU_IMG("convert", "-f", format, "-O", "raw", disk, raw);
	cr_assert(file_read_at(AT_FDCWD, raw, 64 * MIB, &got, &len, NULL) == 0);
	return len >= strlen(text) && memcmp(got, text, strlen(text)) == 0;
}

/* A qcow2 disk of 8 MiB that begins with a text. */
static char *make_disk(const char *name, const char *text)
{
	char *path = in(name);

	put("raw", text);
	cr_assert(truncate(in("raw"), 8 * (off_t)MIB) == 0);
	QEMU_IMG("convert", "-f", "raw", "-O", "qcow2", in("raw"), path);
	return path;
}

static size_t count_drafts(void)
{
	AUTO_CLOSEDIR DIR *dir = opendir(host.images_dir);
	const struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(dir)) != NULL)
		n += strncmp(entry->d_name, ".tmp-", 5) == 0;
	return n;
}

Test(image_qemu, overlay_stands_on_the_base_and_leaves_it_alone)
{
	char *disk = make_disk("base.qcow2", "hello");
	char *path = in("overlay.qcow2");
	AUTO_IMAGE struct image base = { .name = NULL };
	AUTO_PROBE struct probe probe = { .chain = NULL };
	struct error err = ERROR_INIT;
	struct stat st;

	cr_assert(image_load(&host, disk, &base, &err) == 0, "%s", err.msg);
	cr_expect(eq(u64, base.virtual_size, 8 * MIB));
	cr_expect(eq(int, base.seed, IMAGE_SEED_UNKNOWN));
	cr_assert(overlay_create(&base, path, 20 * MIB + 1, deadline_in_s(30), &err) == 0, "%s",
		  err.msg);
	cr_assert(probe_disk(path, &probe, &err) == 0, "%s", err.msg);
	cr_expect(eq(u64, probe.virtual_size, 20 * MIB + 512));
	cr_assert(eq(sz, probe.n_chain, 2));
	cr_expect(eq(str, probe.chain[1].path, base.chain[0].path));
	cr_expect(eq(str, probe.chain[1].format, (char *)"qcow2"));
	cr_assert(stat(path, &st) == 0);
	cr_expect(eq(u32, st.st_mode & 07777, 0600));
	cr_expect(eq(int, image_check_unchanged(&base, &err), 0), "%s", err.msg);
	cr_expect(eq(int, overlay_create(&base, path, 20 * MIB, deadline_in_s(30), &err), -EEXIST));
}

Test(image_qemu, a_failed_overlay_leaves_no_file)
{
	AUTO_IMAGE struct image base = { .name = NULL };
	struct error err = ERROR_INIT;
	char *disk = make_disk("base.qcow2", "hello");
	char *path = in("overlay.qcow2");

	cr_assert(image_load(&host, disk, &base, &err) == 0, "%s", err.msg);
	cr_assert(unlink(disk) == 0);
	cr_expect(eq(int, overlay_create(&base, path, 20 * MIB, deadline_in_s(30), &err), -EIO));
	cr_expect(access(path, F_OK) < 0);
	cr_expect(eq(int, image_check_unchanged(&base, &err), -ENOENT));
}

Test(image_qemu, disk_size_follows_what_was_asked)
{
	struct image base = { .name = (char *)"b", .virtual_size = 4096 * MIB };
	AUTO_CONFIG struct config cfg = { 0 };
	struct error err = ERROR_INIT;
	uint64_t size = 0;

	config_init(&cfg);
	cfg.disk_size = 1024 * MIB;
	cr_assert(overlay_size(&base, &cfg, &size, &err) == 0, "%s", err.msg);
	cr_expect(eq(u64, size, 4096 * MIB), "a default gives way");
	strv_add(&cfg.explicit_keys, "disk_size");
	cr_expect(eq(int, overlay_size(&base, &cfg, &size, &err), -EINVAL));
	cr_expect(strstr(err.msg, "disk_size") != NULL, "%s", err.msg);
	cr_expect(strstr(err.hint, "\"4G\"") != NULL, "%s", err.hint);
	cfg.disk_size = 8192 * MIB;
	cr_assert(overlay_size(&base, &cfg, &size, &err) == 0, "%s", err.msg);
	cr_expect(eq(u64, size, 8192 * MIB));
}

/*
 * As older qemu-img made it when no format was given: without the header extension that holds it.
 * Its number is changed to one that nobody knows, which readers skip.
 */
static void forget_backing_format(const char *path)
{
	static const unsigned char magic[] = { 0xe2, 0x79, 0x2a, 0xca };
	AUTO_CLOSE int fd = open(path, O_RDWR);
	char head[1024];
	char *at;

	cr_assert(pread(fd, head, sizeof(head), 0) == sizeof(head));
	at = memmem(head, sizeof(head), magic, sizeof(magic));
	cr_assert(at != NULL);
	cr_assert(pwrite(fd, "\x01\x02\x03\x04", 4, at - head) == 4);
}

Test(image_qemu, a_chain_is_followed_also_by_relative_names_and_links)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image image = { .name = NULL };

	(void)make_disk("base.qcow2", "hello");
	QEMU_IMG("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2",
		 in("middle.qcow2"));
	QEMU_IMG("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "middle.qcow2",
		 in("top.qcow2"), "16M");
	forget_backing_format(in("top.qcow2"));
	cr_assert(mkdir(in("elsewhere"), 0755) == 0);
	cr_assert(rename(in("base.qcow2"), in("elsewhere/real.qcow2")) == 0);
	cr_assert(symlink("elsewhere/real.qcow2", in("base.qcow2")) == 0);
	cr_assert(image_load(&host, in("top.qcow2"), &image, &err) == 0, "%s", err.msg);
	cr_assert(eq(sz, image.n_chain, 3));
	cr_expect(eq(u64, image.virtual_size, 16 * MIB));
	cr_expect(strstr(image.chain[1].path, "/middle.qcow2") != NULL);
	cr_expect(eq(str, image.chain[1].format, (char *)"qcow2"));
	cr_expect(strstr(image.chain[2].path, "/elsewhere/real.qcow2") != NULL);
}

Test(image_qemu, a_loop_of_backing_files_ends)
{
	struct error err = ERROR_INIT;
	struct image image;

	QEMU_IMG("create", "-q", "-f", "qcow2", in("a.qcow2"), "1M");
	QEMU_IMG("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "a.qcow2", in("a.qcow2"));
	cr_expect(eq(int, image_load(&host, in("a.qcow2"), &image, &err), -ELOOP));
}

struct refusal {
	const char *what;
	const char *word; /* in the message */
	int r;
};

static void make_refused(size_t i)
{
	char *disk = in("disk");
	char data_file[256];

	(void)snprintf(data_file, sizeof(data_file), "data_file=%s/data.raw", folder);
	switch (i) {
	case 0:
		QEMU_IMG("create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
			 "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", disk,
			 "1M");
		break;
	case 1:
		QEMU_IMG("create", "-q", "-f", "vmdk", disk, "1M");
		break;
	case 2:
		QEMU_IMG("create", "-q", "-f", "qcow2", "-o", data_file, disk, "1M");
		break;
	case 3:
		QEMU_IMG("create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b",
			 "nbd://127.0.0.1:9/x", disk, "1M");
		break;
	case 4:
		QEMU_IMG("create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b",
			 "json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}", disk, "1M");
		break;
	case 5:
		QEMU_IMG("create", "-q", "-f", "qcow2", "-u", "-F", "qcow2", "-b", "gone.qcow2",
			 disk, "1M");
		break;
	case 6:
		cr_assert(mkfifo(disk, 0600) == 0);
		break;
	default:
		put("disk", "");
		cr_assert(truncate(disk, 0) == 0);
		cr_assert(rename(disk, in("elsewhere")) == 0);
	}
}

static const struct refusal refusals[] = {
	{ "encrypted", "encrypted", -ENOTSUP },
	{ "exotic format", "vmdk", -ENOTSUP },
	{ "external data file", "data file", -ENOTSUP },
	{ "network backing file", "nbd://", -ENOTSUP },
	{ "json backing file", "json:", -ENOTSUP },
	{ "missing backing file", "gone.qcow2", -ENOENT },
	{ "no regular file", "regular file", -EINVAL },
	{ "not there", "No such file", -ENOENT },
};

Test(image_qemu, what_cannot_be_used_is_refused_by_resolve_and_import)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct error err = ERROR_INIT;
		struct image_import what = { .file = in("disk"), .name = "x" };
		struct image image;

		(void)unlink(in("disk"));
		make_refused(i);
		cr_expect(eq(int, image_load(&host, in("disk"), &image, &err), refusals[i].r),
			  "%s: %s", refusals[i].what, err.msg);
		cr_expect(strstr(err.msg, refusals[i].word) != NULL, "%s: %s", refusals[i].what,
			  err.msg);
		err = (struct error)ERROR_INIT;
		cr_expect(eq(int, image_import(&host, &what, &err), refusals[i].r), "%s: %s",
			  refusals[i].what, err.msg);
		cr_expect(access(in("images/x"), F_OK) < 0, "%s", refusals[i].what);
	}
	cr_expect(eq(sz, count_drafts(), 0));
}

Test(image_qemu, import_copies_and_flattens)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image image = { .name = NULL };
	char *base = make_disk("base.qcow2", "hello");
	struct image_import what = {
		.file = in("my-disk.qcow2"),
		.kernel = in("k"),
		.initrd = in("i"),
		.append = "root=/dev/vda",
		.seed = IMAGE_SEED_NOCLOUD,
		.uefi = true,
	};

	put("k", "kernel");
	put("i", "initrd");
	QEMU_IMG("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, in("my-disk.qcow2"));
	cr_assert(image_import(&host, &what, &err) == 0, "%s", err.msg);
	cr_assert(unlink(base) == 0);
	cr_assert(image_load(&host, "my-disk", &image, &err) == 0, "%s", err.msg);
	cr_expect(eq(sz, image.n_chain, 1));
	cr_expect(image.uefi);
	cr_expect(eq(int, image.seed, IMAGE_SEED_NOCLOUD));
	cr_expect(eq(str, image.append, (char *)"root=/dev/vda"));
	cr_expect(disk_has(image.chain[0].path, "qcow2", "hello"));
	cr_expect(eq(int, store_verify(&host, "my-disk", NULL, NULL, &err), 0), "%s", err.msg);
	what.name = "my-disk";
	what.file = image.chain[0].path;
	cr_expect(eq(int, image_import(&host, &what, &err), -EEXIST));
}

static void put_boot_signature(const char *name)
{
	AUTO_CLOSE int fd = open(in(name), O_WRONLY);

	cr_assert(pwrite(fd, "\x55\xaa", 2, 510) == 2);
}

Test(image_qemu, import_of_a_raw_disk)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image image = { .name = NULL };
	struct image_import what = { .file = in("plain.img"), .name = "plain" };

	put("plain.img", "raw bytes");
	cr_assert(truncate(in("plain.img"), 4 * (off_t)MIB) == 0);
	cr_expect(eq(int, image_import(&host, &what, &err), -EINVAL));
	cr_expect(strstr(err.msg, "partition table") != NULL, "%s", err.msg);
	put_boot_signature("plain.img");
	cr_assert(image_import(&host, &what, &err) == 0, "%s", err.msg);
	cr_assert(image_load(&host, "plain", &image, &err) == 0, "%s", err.msg);
	cr_expect(eq(u64, image.virtual_size, 4 * MIB));
	cr_expect(image.kernel.path == NULL);
	cr_expect(disk_has(image.chain[0].path, "qcow2", "raw bytes"));
}

Test(image_qemu, a_kernel_line_without_a_kernel_is_refused)
{
	struct error err = ERROR_INIT;
	struct image_import what = { .file = in("x"), .append = "quiet" };
	AUTO_IMAGE struct image image = { .name = NULL };
	AUTO_CONFIG struct config cfg = { 0 };

	cr_expect(eq(int, image_import(&host, &what, &err), -EINVAL));
	config_init(&cfg);
	free(cfg.base_image);
	cfg.base_image = make_disk("d.qcow2", "x");
	cfg.append = strdup("quiet");
	cr_expect(eq(int, image_resolve(&host, &cfg, &image, &err), -EINVAL));
}

Test(image_qemu, commit_makes_an_image_of_an_overlay)
{
	struct error err = ERROR_INIT;
	AUTO_IMAGE struct image base = { .name = NULL }, made = { .name = NULL };
	struct image_import import = { .file = make_disk("d.qcow2", "old"), .name = "base" };
	AUTO_STRV struct strv packages = STRV_INIT;
	char *overlay = in("overlay.qcow2");
	struct image_commit commit = { .overlay = overlay, .name = "new", .packages = &packages };
	AUTO_MANIFEST struct manifest m = { .created = NULL };

	strv_add(&packages, "hello");
	import.kernel = in("k");
	put("k", "kernel");
	import.append = "quiet";
	import.seed = IMAGE_SEED_BMVM;
	cr_assert(image_import(&host, &import, &err) == 0, "%s", err.msg);
	cr_assert(image_load(&host, "base", &base, &err) == 0, "%s", err.msg);
	cr_assert(overlay_create(&base, overlay, base.virtual_size, deadline_in_s(30), &err) == 0);
	RUN("qemu-io", "-f", "qcow2", "-c", "write -P 0x41 0 512", overlay);
	commit.from = &base;
	cr_assert(image_commit(&host, &commit, &err) == 0, "%s", err.msg);
	cr_assert(image_load(&host, "new", &made, &err) == 0, "%s", err.msg);
	cr_expect(eq(sz, made.n_chain, 1));
	cr_expect(eq(int, made.seed, IMAGE_SEED_BMVM));
	cr_expect(eq(str, made.append, (char *)"quiet"));
	cr_expect(disk_has(made.chain[0].path, "qcow2", "AAAAAAAA"));
	cr_expect(disk_has(base.chain[0].path, "qcow2", "old"));
	cr_assert(manifest_load(made.dir, &m, &err) == 0);
	cr_expect(eq(str, m.origin, (char *)"from base"));
	cr_expect(strv_contains(&m.packages, "hello"));
	cr_expect(eq(int, image_check_unchanged(&base, &err), 0), "%s", err.msg);
	/* the image it was made from may give way to it */
	commit.name = "base";
	commit.replace = true;
	cr_expect(eq(int, image_commit(&host, &commit, &err), 0), "%s", err.msg);
}

/* The import of a large disk in a child that is killed at some moment. */
static void import_and_die(const char *disk, unsigned int after_ms)
{
	struct image_import what = { .file = disk, .name = "big" };
	pid_t pid = fork();

	if (pid == 0) {
		(void)image_import(&host, &what, NULL);
		_exit(0);
	}
	clock_sleep_ms(after_ms);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

Test(image_qemu, an_import_killed_at_any_moment_leaves_all_or_nothing)
{
	char *disk = in("big.raw");
	AUTO_CLOSE int fd = open(disk, O_WRONLY | O_CREAT, 0644);
	static char piece[MIB];
	struct error err = ERROR_INIT;

	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 64; i++)
		cr_assert(fd_write_all(fd, piece, sizeof(piece)) == 0);
	put_boot_signature("big.raw");
	for (unsigned int ms = 1; ms < 400; ms = ms * 2 + 3) {
		import_and_die(disk, ms);
		/* qemu-img dies with its parent, but not in the same instant */
		for (int i = 0; i < 100 && count_drafts() > 0; i++) {
			cr_expect(draft_sweep(&host, &err) >= 0, "%s", err.msg);
			clock_sleep_ms(20);
		}
		cr_expect(eq(sz, count_drafts(), 0), "after %u ms", ms);
		if (access(in("images/big"), F_OK) < 0)
			continue;
		cr_expect(eq(int, store_verify(&host, "big", NULL, NULL, &err), 0), "%s", err.msg);
		cr_expect(eq(int, store_remove(&host, "big", &err), 0), "%s", err.msg);
	}
}

static int stop(void *data, struct error *err)
{
	char byte;

	if (read(*(int *)data, &byte, 1) != 1)
		return -EIO;
	return error_set(err, EINTR, "interrupted");
}

Test(image_qemu, an_interrupted_import_cleans_up_itself)
{
	int pipe_fds[2];
	struct watch watch = { .ready = stop, .data = &pipe_fds[0] };
	struct watchset set = { .v = &watch, .n = 1 };
	struct error err = ERROR_INIT;
	struct image_import what = { .file = make_disk("d.qcow2", "x"), .watch = &set };

	cr_assert(pipe(pipe_fds) == 0 && write(pipe_fds[1], "x", 1) == 1);
	watch.fd = pipe_fds[0];
	cr_expect(eq(int, image_import(&host, &what, &err), -EINTR));
	cr_expect(eq(sz, count_drafts(), 0));
	cr_expect(access(in("images/d"), F_OK) < 0);
}

Test(image_qemu, the_seed_as_an_iso_file)
{
	AUTO_FREE char *program = seed_iso_program();
	struct error err = ERROR_INIT;
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	cr_assert(mkdir(in("seed"), 0755) == 0);
	put("seed/user-data", "#cloud-config\n");
	if (program == NULL) {
		cr_expect(eq(int, seed_make_iso(in("seed"), in("s.iso"), deadline_in_s(30), &err),
			     -ENOENT));
		return;
	}
	cr_assert(seed_make_iso(in("seed"), in("s.iso"), deadline_in_s(30), &err) == 0, "%s",
		  err.msg);
	cr_assert(file_read_at(AT_FDCWD, in("s.iso"), 64 * MIB, &text, &len, NULL) == 0);
	cr_assert(len > 0x8050);
	cr_expect(memcmp(text + 0x8001, "CD001", 5) == 0);
	cr_expect(memcmp(text + 0x8028, "CIDATA ", 7) == 0);
}

Test(image_qemu, without_an_iso_program_the_error_names_the_package)
{
	struct error err = ERROR_INIT;
	AUTO_FREE char *program = NULL;
	int r;

	cr_assert(setenv("PATH", folder, 1) == 0);
	program = seed_iso_program();
	if (program != NULL)
		cr_skip("%s is found without PATH", program);
	r = seed_make_iso(in("seed"), in("s.iso"), deadline_in_s(30), &err);
	cr_expect(eq(int, r, -ENOENT));
	cr_expect(strstr(err.hint, "apt-get install genisoimage") != NULL, "%s", err.hint);
}
