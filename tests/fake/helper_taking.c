/* SPDX-License-Identifier: MIT */
#include "helper_taking.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "host/ledger.h"
#include "host/quarantine.h"
#include "run/undo.h"

static int folder(const struct taking_host *t, const char *name)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", t->home, name);
	cr_assert(mkdirat(AT_FDCWD, path, 0700) == 0 || errno == EEXIST);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	return fd;
}

static char *path_of(const struct taking_host *t, const char *name)
{
	char *path = NULL;

	cr_assert(asprintf(&path, "%s/%s", t->home, name) > 0);
	return path;
}

static struct snapshot taking_snapshot(const struct taking_host *t)
{
	static const char *const names[] = {
		TAKING_GPU, TAKING_AUDIO,  TAKING_GPU2, TAKING_NIC,
		TAKING_PF,  TAKING_NVIDIA, TAKING_VF,   "0000:40:01.1"
	};
	static const char *const parents[] = { "mtty" };
	struct pci_address functions[ARRAY_SIZE(names)];
	const struct snapshot_scope scope = { .functions = functions,
					      .n_functions = ARRAY_SIZE(names),
					      .parents = parents,
					      .n_parents = 1 };
	struct sysfs sys = t->k.sys;
	struct sysfs_error err = { 0 };
	struct snapshot s;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		cr_assert_eq(pci_address_parse(names[i], &functions[i], NULL), 0);
	cr_assert_eq(snapshot_take(&sys, &scope, &s, &err), 0, "%s", err.text);
	return s;
}

void taking_start(struct taking_host *t)
{
	*t = (struct taking_host){ .host = HOST_INIT };
	(void)strcpy(t->home, "/tmp/bmvm-test-XXXXXX");
	cr_assert_not_null(mkdtemp(t->home));
	fake_start(&t->k);
	fake_host(&t->k);
	fake_text(&t->k, "module/vfio_pci/refcnt", "0\n");
	fake_link(&t->k, "module/vfio_pci/drivers/pci:vfio-pci", "bus/pci/drivers/vfio-pci");
	fake_text(&t->k, "module/vfio_iommu_type1/refcnt", "0\n");
	fake_proc_text(&t->k, "driver/nvidia/gpus/" TAKING_NVIDIA "/unbindLock", "0\n");
	t->host.sys_fd = t->k.sys.sys_fd;
	t->host.dev_fd = t->k.sys.dev_fd;
	t->host.proc_fd = t->k.sys.proc_fd;
	t->host.kernel = &t->k.sys.kernel;
	t->host.run_fd = folder(t, "run");
	close(folder(t, "run/vms"));
	t->host.data_fd = folder(t, "data");
	close(folder(t, "data/vms"));
	t->host.run_dir = path_of(t, "run");
	t->host.data_dir = path_of(t, "data");
	t->host.is_root = true;
	(void)strcpy(t->host.boot_id, "11111111-2222-3333-4444-555555555555");
	t->before = taking_snapshot(t);
	cr_assert_gt(t->before.n, 80);
}

void taking_stop(struct taking_host *t)
{
	snapshot_done(&t->before);
	/* these are the fake kernel's */
	t->host.sys_fd = t->host.dev_fd = t->host.proc_fd = -1;
	host_done(&t->host);
	fake_stop(&t->k);
	(void)file_remove_tree_at(AT_FDCWD, t->home, NULL);
}

void taking_vm(struct taking_vm *v, struct taking_host *t, const char *name)
{
	*v = (struct taking_vm){ .t = t, .vd = VMDIR_INIT, .journal = JOURNAL_INIT };
	cr_assert_eq(vmdir_create(&t->host, name, &v->vd, &v->err), 0, "%s", v->err.msg);
	cr_assert_eq(journal_open(v->vd.run_fd, t->host.boot_id, &v->journal, &v->err), 0);
}

struct device_request *taking_want(struct taking_vm *v, enum device_way way, const char *address,
				   unsigned int count, const char *type)
{
	struct device_request *q = reallocarray(v->choice.v, v->choice.n + 1, sizeof(*v->choice.v));

	cr_assert_not_null(q);
	v->choice.v = q;
	q += v->choice.n++;
	*q = (struct device_request){ .way = way, .count = count, .create = count };
	(void)snprintf(q->address, sizeof(q->address), "%s", address);
	(void)snprintf(q->type, sizeof(q->type), "%s", type);
	if (way == DEVICE_WHOLE)
		strv_add(&q->members, address);
	return q;
}

int taking_make(struct taking_vm *v)
{
	const struct assignment_task task = {
		.host = &v->t->host, .vm = v->vd.name, .journal = &v->journal, .choice = &v->choice
	};

	v->err = (struct error)ERROR_INIT;
	return assignment_make(&v->a, &task, &v->err);
}

int taking_undo(struct taking_vm *v, bool has_leases, struct strv *reports)
{
	const struct undo_how how = { .has_leases = has_leases, .reports = reports };
	int r;

	v->err = (struct error)ERROR_INIT;
	r = undo_all(&v->t->host, &v->vd, &how, &v->err);
	v->a.given_back = r == 0;
	return r;
}

const char *taking_differences(struct taking_vm *v)
{
	static char text[4096];
	AUTO_JSON struct json_object *list = json_new_array();

	(void)assignment_compare(&v->a, &v->t->host, v->vd.name, list, &v->err);
	(void)snprintf(text, sizeof(text), "%s", json_compact(list));
	return text;
}

void taking_undo_cleanly(struct taking_vm *v)
{
	AUTO_STRV struct strv reports = STRV_INIT;

	cr_expect_eq(taking_undo(v, true, &reports), 0, "%s", v->err.msg);
	cr_expect_eq(reports.n, 0, "%s", reports.n > 0 ? reports.v[0] : "");
	cr_expect_str_eq(taking_differences(v), "[]");
}

void taking_end(struct taking_vm *v)
{
	for (size_t i = 0; i < v->choice.n; i++)
		strv_done(&v->choice.v[i].members);
	free(v->choice.v);
	assignment_done(&v->a);
	journal_close(&v->journal);
	(void)vmdir_remove(&v->t->host, &v->vd, NULL);
	vmdir_done(&v->vd);
}

/* ---- modes ---- */

static void want_gpu(struct taking_vm *v)
{
	strv_add(&taking_want(v, DEVICE_WHOLE, TAKING_GPU, 1, "")->members, TAKING_AUDIO);
}

static void want_vfio(struct taking_vm *v)
{
	want_gpu(v);
	(void)taking_want(v, DEVICE_WHOLE, TAKING_GPU2, 1, "");
	(void)taking_want(v, DEVICE_WHOLE, TAKING_NIC, 1, "");
	(void)taking_want(v, DEVICE_WHOLE, TAKING_NVIDIA, 1, "");
}

static void want_sriov(struct taking_vm *v)
{
	(void)taking_want(v, DEVICE_VFS, TAKING_PF, 2, "");
}

static void want_mdev(struct taking_vm *v)
{
	(void)taking_want(v, DEVICE_MDEV, "mtty", 1, "nvidia-559");
	(void)taking_want(v, DEVICE_MDEV, "mtty", 2, "nvidia-558");
}

static void want_vendor(struct taking_vm *v)
{
	strv_add(&taking_want(v, DEVICE_VENDOR_VGPU, TAKING_VGPU, 1, "558")->members, TAKING_VF);
}

static void want_all(struct taking_vm *v)
{
	want_gpu(v);
	want_sriov(v);
	(void)taking_want(v, DEVICE_MDEV, "mtty", 1, "nvidia-558");
	want_vendor(v);
}

const struct taking_mode taking_modes[TAKING_MODES] = {
	{ "vfio", want_vfio, 4 + 4 + 3 + 4 + 5 },
	{ "sriov", want_sriov, 2 + 3 + 3 },
	{ "mdev", want_mdev, 3 },
	{ "vendor vGPU", want_vendor, 1 },
	{ "mixed", want_all, 4 + 4 + 2 + 3 + 3 + 1 + 1 },
};

static void count_key(void *data, const char *rest)
{
	(void)rest;
	++*(unsigned int *)data;
}

void taking_expect_as_before(struct taking_host *t, const struct taking_mode *mode,
			     const char *fault, unsigned int n)
{
	AUTO_SNAPSHOT struct snapshot after = taking_snapshot(t);
	AUTO_STRV struct strv quarantined = STRV_INIT;
	struct snapshot_difference *d = NULL;
	ssize_t differences = snapshot_compare(&t->before, &after, NULL, NULL, &d);
	unsigned int shared = 0;

	cr_assert_eq(differences, 0, "%s, %s %u: %s %s was %s and is %s", mode->name, fault, n,
		     d[0].object, d[0].field, d[0].before, d[0].after);
	free(d);
	cr_assert_eq(quarantine_list(&t->host, &quarantined, NULL), 0);
	cr_assert_eq(quarantined.n, 0, "%s, %s %u: %s", mode->name, fault, n, quarantined.v[0]);
	cr_assert_eq(ledger_each(&t->host, "", count_key, &shared, NULL), 0);
	cr_assert_eq(shared, 0, "%s, %s %u", mode->name, fault, n);
}
