/* SPDX-License-Identifier: MIT */
/*
 * Every recorded argument list of tests/data/argv is started by real QEMU with -S: what the pure
 * builder is believed to say, QEMU must accept. Descriptors, files and folders are made to fit;
 * accelerator and CPU become those of software emulation, passed-through devices random number
 * generators in the same place. Then lists with passed-through devices are started as they are:
 * that the host has no such device must be all there is to complain of.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "host/host.h"
#include "host/tap.h"
#include "tests/qemu/helper_guest.h"
#include "vm/virtiofsd.h"

#define ARGV_DIR TEST_DATA "/argv"

/* One list on its way to QEMU. */
struct stage {
	char dir[64];
	struct qemu_caps caps;
	struct strv in, out;
	struct vm_fds fds;
	int qmp;
	struct virtiofsd server;
	bool keep_devices; /* passed-through ones stay what they are */
	const char *skip;  /* why this host cannot start it */
};

static void split_lines(char *text, struct strv *ret)
{
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save))
		strv_add(ret, l);
}

/* QEMU's descriptor @number shall be @fd, which is kept open until the process ends. */
static void give(struct stage *s, int number, int fd)
{
	cr_assert_geq(fd, 0, "descriptor %d: %s", number, strerror(errno));
	s->fds.v[s->fds.n++] = (struct spawn_fd){ .parent = fd, .child = number };
}

static char *in_dir(const struct stage *s, const char *name)
{
	char *path = path_join(s->dir, name);

	cr_assert_not_null(path);
	return path;
}

/* A sound image of the format the list says the file node @name has, opened as it says. */
static void give_image(struct stage *s, int number, const char *name, const char *format,
		       bool readonly)
{
	AUTO_FREE char *path = in_dir(s, name);
	char qemu_img[] = "qemu-img", create[] = "create", q[] = "-q", f[] = "-f", size[] = "1M";
	AUTO_FREE char *fmt = strdup(format);
	char *argv[] = { qemu_img, create, q, f, fmt, path, size, NULL };
	struct error err = ERROR_INIT;

	cr_assert_eq(process_check(argv, deadline_in_s(30), &err), 0, "%s", err.msg);
	give(s, number, open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC));
}

/* The block node that lies on file node @name, and the file node itself. */
static void find_nodes(const struct stage *s, const char *name, bool *readonly, char *format)
{
	strcpy(format, "raw");
	for (size_t i = 0; i + 1 < s->in.n; i++) {
		AUTO_JSON struct json_object *o = NULL;

		if (strcmp(s->in.v[i], "-blockdev") != 0)
			continue;
		cr_assert_eq(json_parse(s->in.v[i + 1], strlen(s->in.v[i + 1]), &o, NULL), 0);
		if (strcmp(json_str_or(o, "node-name", ""), name) == 0)
			*readonly = json_bool_or(o, "read-only", false);
		if (strcmp(json_str_or(o, "file", ""), name) == 0)
			(void)snprintf(format, 16, "%s", json_str_or(o, "driver", "raw"));
	}
}

static void on_add_fd(struct stage *s, const char *value)
{
	char name[64], format[16];
	bool readonly = false;
	int number = 0;

	cr_assert_eq(sscanf(value, "fd=%d,set=%*d,opaque=%63s", &number, name), 2, "%s", value);
	find_nodes(s, name, &readonly, format);
	give_image(s, number, name, format, readonly);
	strv_add(&s->out, value);
}

static void give_virtiofs(struct stage *s, int number)
{
	struct virtiofsd_program program = { .path = NULL };
	AUTO_CLOSE int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;

	if (geteuid() != 0 || virtiofsd_find(&program, NULL) < 0) {
		s->skip = "needs root and virtiofsd";
		return;
	}
	cr_assert_eq(virtiofsd_spawn(&s->server, &program, dir, true, dir, &err), 0, "%s", err.msg);
	cr_assert_eq(virtiofsd_release(&s->server, &err), 0, "%s", err.msg);
	give(s, number, TAKE_FD(s->server.client_fd));
	virtiofsd_program_done(&program);
}

static void on_chardev(struct stage *s, const char *value)
{
	char id[32];
	int number = 0, pair[2];

	cr_assert_eq(sscanf(value, "socket,id=%31[^,],fd=%d", id, &number), 2, "%s", value);
	strv_add(&s->out, value);
	if (strncmp(id, "mount", 5) == 0) {
		give_virtiofs(s, number);
		return;
	}
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	give(s, number, pair[1]);
	if (strcmp(id, "qmp") == 0)
		s->qmp = pair[0];
}

/* vvfat's folder moves below ours, with its odd name. */
static void on_blockdev(struct stage *s, const char *value)
{
	AUTO_JSON struct json_object *o = NULL;
	AUTO_FREE char *moved = NULL;

	cr_assert_eq(json_parse(value, strlen(value), &o, NULL), 0, "%s", value);
	if (strcmp(json_str_or(o, "driver", ""), "vvfat") == 0) {
		cr_assert(asprintf(&moved, "%s%s", s->dir, json_str_or(o, "dir", "")) > 0);
		cr_assert_eq(file_mkdirs(moved, 0755, NULL), 0);
		json_add_str(o, "dir", moved);
		strv_add(&s->out, json_compact(o));
		return;
	}
	strv_add(&s->out, value);
}

static uint64_t free_huge_bytes(void)
{
	AUTO_FREE char *text = NULL;
	const char *pages, *size;

	cr_assert_eq(file_read_at(AT_FDCWD, "/proc/meminfo", 65536, &text, NULL, NULL), 0);
	pages = strstr(text, "HugePages_Free:");
	size = strstr(text, "Hugepagesize:");
	if (pages == NULL || size == NULL)
		return 0;
	return strtoull(pages + 15, NULL, 10) * strtoull(size + 13, NULL, 10) * 1024;
}

/* Without free huge pages the rest of the object is still worth a test. */
static void on_object(struct stage *s, const char *value)
{
	AUTO_JSON struct json_object *o = NULL;

	cr_assert_eq(json_parse(value, strlen(value), &o, NULL), 0, "%s", value);
	if (strcmp(json_str_or(o, "qom-type", ""), "iommufd") == 0 && !s->caps.iommufd)
		s->skip = "this QEMU has no iommufd";
	if (json_bool_or(o, "hugetlb", false) && free_huge_bytes() < json_u64_or(o, "size", 0)) {
		json_object_object_del(o, "hugetlb");
		json_object_object_del(o, "hugetlbsize");
	}
	strv_add(&s->out, json_compact(o));
}

/* path=... moves below our folder, commas still doubled. */
static void on_fsdev(struct stage *s, const char *value)
{
	const char *path = strstr(value, "path=") + 5;
	AUTO_FREE char *plain = strdup(path);
	AUTO_FREE char *moved = NULL;
	char *to = plain;

	for (const char *p = path; *p != '\0' && !(p[0] == ',' && p[1] != ','); p++) {
		*to++ = *p;
		p += p[0] == ',';
	}
	*to = '\0';
	cr_assert(asprintf(&moved, "%s%s", s->dir, plain) > 0);
	cr_assert_eq(file_mkdirs(moved, 0755, NULL), 0);
	strv_addf(&s->out, "%.*s%s%s", (int)(path - value), value, s->dir, path);
}

/* A device of the host that need not be there; where it sits and how is what is to be tested. */
static void on_device(struct stage *s, const char *value)
{
	AUTO_JSON struct json_object *o = NULL;

	if (value[0] != '{') {
		strv_add(&s->out, value);
		return;
	}
	cr_assert_eq(json_parse(value, strlen(value), &o, NULL), 0, "%s", value);
	if (!s->keep_devices && strcmp(json_str_or(o, "driver", ""), "vfio-pci") == 0) {
		json_add_str(o, "driver", "virtio-rng-pci");
		json_object_object_del(o, "host");
		json_object_object_del(o, "sysfsdev");
		json_object_object_del(o, "iommufd");
	}
	strv_add(&s->out, json_compact(o));
}

/* A tap interface in a network of its own, which is there as long as the descriptor. */
static int make_tap(void)
{
	AUTO_CLOSE int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct host host = HOST_INIT;
	int fd;

	host.dev_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	fd = tap_make(&host, "bmvm-test", NULL);
	cr_assert_eq(setns(ours, CLONE_NEWNET), 0);
	host_done(&host);
	return fd;
}

/* vhost is left out where this host has none. */
static void on_netdev(struct stage *s, const char *value)
{
	AUTO_JSON struct json_object *o = NULL;
	const char *vhost;
	int fd;

	cr_assert_eq(json_parse(value, strlen(value), &o, NULL), 0, "%s", value);
	if (strcmp(json_str_or(o, "type", ""), "tap") == 0) {
		fd = make_tap();
		if (fd < 0) {
			s->skip = "needs root and /dev/net/tun";
			return;
		}
		give(s, atoi(json_str_or(o, "fd", "")), fd);
		vhost = json_str_or(o, "vhostfd", NULL);
		fd = vhost == NULL ? -1 : open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			give(s, atoi(vhost), fd);
		if (fd < 0) {
			json_object_object_del(o, "vhost");
			json_object_object_del(o, "vhostfd");
		}
	}
	strv_add(&s->out, json_compact(o));
}

static void on_kernel(struct stage *s, const char *value)
{
	int number = 0;

	cr_assert_eq(sscanf(value, "/proc/self/fd/%d", &number), 1, "%s", value);
	give(s, number, guest_kernel());
	strv_add(&s->out, value);
}

static void on_accel(struct stage *s, const char *value)
{
	(void)value;
	strv_add(&s->out, "tcg");
}

static void on_cpu(struct stage *s, const char *value)
{
	(void)value;
	strv_add(&s->out, "max");
}

static const struct {
	const char *flag;
	void (*adapt)(struct stage *s, const char *value);
} adapters[] = {
	{ "-add-fd", on_add_fd }, { "-chardev", on_chardev }, { "-blockdev", on_blockdev },
	{ "-object", on_object }, { "-fsdev", on_fsdev },     { "-kernel", on_kernel },
	{ "-initrd", on_kernel }, { "-accel", on_accel },     { "-cpu", on_cpu },
	{ "-device", on_device }, { "-netdev", on_netdev },
};

static void adapt(struct stage *s)
{
	strv_add(&s->out, s->caps.binary);
	for (size_t i = 1; i < s->in.n; i++) {
		size_t a = 0;

		strv_add(&s->out, s->in.v[i]);
		while (a < ARRAY_SIZE(adapters) && strcmp(adapters[a].flag, s->in.v[i]) != 0)
			a++;
		if (a < ARRAY_SIZE(adapters))
			adapters[a].adapt(s, s->in.v[++i]);
	}
	strv_add(&s->out, "-S");
	cr_assert_eq(strv_error(&s->out), 0);
}

static void start(struct stage *s, const char *name)
{
	AUTO_JSON struct json_object *status = NULL;
	AUTO_FREE char *output = NULL;
	struct qemu q = QEMU_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(qemu_spawn(&q, &s->out, &s->fds, NULL, &err), 0, "%s: %s", name, err.msg);
	cr_assert_eq(qemu_release(&q, &err), 0, "%s: %s", name, err.msg);
	cr_assert_eq(qemu_connect(&q, TAKE_FD(s->qmp), deadline_in_s(60), &err), 0, "%s: %s", name,
		     err.msg);
	cr_assert_eq(qemu_execute(&q, "query-status", NULL, deadline_in_s(30), &status, &err), 0,
		     "%s: %s", name, err.msg);
	cr_expect_str_eq(json_str_or(status, "status", ""), "prelaunch", "%s", name);
	cr_expect_eq(qemu_stop(&q, 0, deadline_in_s(30), NULL, &err), 0, "%s: %s", name, err.msg);
	output = tail_text(&q.output, 0);
	if (strcmp(name, "extra.args") != 0) /* there a property of KVM goes unused */
		cr_expect_str_empty(output, "%s: QEMU complains: %s", name, output);
	qemu_done(&q);
}

/* QEMU's words for a PCI function, or a mediated device, that is not there. */
static bool is_missing_device(const char *output)
{
	return strstr(output, "no such host device") != NULL ||
	       strstr(output, "no iommu_group found") != NULL ||
	       strstr(output, "/dev/vfio/") != NULL; /* there, but not on vfio-pci */
}

static void miss_device(struct stage *s, const char *name)
{
	AUTO_FREE char *output = NULL;
	struct qemu q = QEMU_INIT;
	struct error err = ERROR_INIT;

	cr_assert_eq(qemu_spawn(&q, &s->out, &s->fds, NULL, &err), 0, "%s: %s", name, err.msg);
	cr_assert_eq(qemu_release(&q, &err), 0, "%s: %s", name, err.msg);
	cr_expect_lt(qemu_connect(&q, TAKE_FD(s->qmp), deadline_in_s(60), &err), 0, "%s", name);
	output = tail_text(&q.output, 0);
	cr_expect(is_missing_device(output), "%s: %s; QEMU says: %s", name, err.msg, output);
	qemu_done(&q);
}

static char *read_list(const char *name)
{
	AUTO_FREE char *path = NULL;
	char *text = NULL;

	cr_assert(asprintf(&path, ARGV_DIR "/%s", name) > 0);
	cr_assert_eq(file_read_at(AT_FDCWD, path, 1 << 20, &text, NULL, NULL), 0);
	return text;
}

static void try_list(const char *name, bool keep_devices)
{
	AUTO_FREE char *text = read_list(name);
	struct stage s = { .dir = "/tmp/bmvm-test-XXXXXX",
			   .qmp = -1,
			   .server = VIRTIOFSD_INIT,
			   .keep_devices = keep_devices };

	guest_caps(&s.caps);
	cr_assert_not_null(mkdtemp(s.dir));
	split_lines(text, &s.in);
	adapt(&s);
	if (s.skip != NULL)
		printf("%s: skipped: %s\n", name, s.skip);
	else if (keep_devices)
		miss_device(&s, name);
	else
		start(&s, name);
	for (size_t i = 0; i < s.fds.n; i++)
		close(s.fds.v[i].parent);
	close_fd(&s.qmp);
	virtiofsd_done(&s.server);
	strv_done(&s.in);
	strv_done(&s.out);
	qemu_caps_done(&s.caps);
	cr_assert_eq(file_remove_tree_at(AT_FDCWD, s.dir, NULL), 0);
}

static int is_list(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot != NULL && strcmp(dot, ".args") == 0;
}

Test(golden, every_recorded_list_is_accepted_by_qemu, .timeout = 280)
{
	struct dirent **names = NULL;
	int n = scandir(ARGV_DIR, &names, is_list, alphasort);

	cr_assert_geq(n, 32);
	for (int i = 0; i < n; i++) {
		try_list(names[i]->d_name, false);
		free(names[i]);
	}
	free(names);
}

/* What is still to be made has a stand-in, which is no address. */
static bool passes_devices(const char *name)
{
	AUTO_FREE char *text = read_list(name);

	return strstr(text, "\"vfio-pci\"") != NULL && strstr(text, "\"<") == NULL;
}

Test(golden, of_recorded_devices_only_the_host_is_missing, .timeout = 280)
{
	struct dirent **names = NULL;
	int n = scandir(ARGV_DIR, &names, is_list, alphasort), tried = 0;

	for (int i = 0; i < n; i++) {
		if (passes_devices(names[i]->d_name)) {
			try_list(names[i]->d_name, true);
			tried++;
		}
		free(names[i]);
	}
	free(names);
	cr_expect_geq(tried, 13, "only %d", tried);
}
