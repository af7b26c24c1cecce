/* SPDX-License-Identifier: MIT */
#include "run/machine_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "run/device_backend.h"
#include "run/firmware.h"

/* Where QEMU looks for mediated devices. */
#define MDEV_FOLDER "/sys/bus/mdev/devices"

/* Give QEMU a descriptor; @fd is taken, and closed on our side once QEMU runs. */
static int give(struct machine_plan *mp, int fd, int *ret_number, struct error *err)
{
	int number;

	if (mp->n_theirs >= MACHINE_FDS_MAX) {
		(void)close(fd);
		return error_set(err, EMFILE, "too many files for one VM");
	}
	mp->theirs[mp->n_theirs++] = fd;
	number = vm_fds_add(&mp->plan.fds, fd);
	if (number < 0)
		return error_set(err, -number, "too many files for one VM");
	*ret_number = number;
	return 0;
}

/* Keep a descriptor of ours until the VM is gone. */
static int hold(struct machine *m, int fd, struct error *err)
{
	if (m->n_held >= MACHINE_FDS_MAX) {
		(void)close(fd);
		return error_set(err, EMFILE, "too many files for one VM");
	}
	m->held[m->n_held++] = fd;
	return 0;
}

static int give_socketpair(struct machine_plan *mp, int *ret_ours, int *ret_number,
			   struct error *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, "socketpair");
	*ret_ours = fds[0];
	return give(mp, fds[1], ret_number, err);
}

enum vm_format machine_plan_format(const struct image_file *f)
{
	return strcmp(f->format, "raw") == 0 ? VM_FORMAT_RAW : VM_FORMAT_QCOW2;
}

static int plan_disks(struct machine *m, struct machine_plan *mp, struct error *err)
{
	const struct image *image = m->spec->image;
	int fd = openat(m->data_fd, MACHINE_OVERLAY, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return error_errno(err, "open the overlay");
	r = give(mp, fd, &mp->plan.disk.fd, err);
	for (size_t i = 0; i < image->n_chain && r == 0; i++) {
		struct vm_node *node = &mp->plan.backing[mp->plan.n_backing++];

		r = image_file_open_shared(&image->chain[i], &fd, err);
		if (r < 0)
			return r;
		node->format = machine_plan_format(&image->chain[i]);
		r = give(mp, fd, &node->fd, err);
		/* a copy of ours keeps the image locked should QEMU die before the VM is undone */
		if (r == 0)
			r = hold(m, fcntl(fd, F_DUPFD_CLOEXEC, 3), err);
	}
	return r;
}

static int give_readable(struct machine *m, struct machine_plan *mp, const char *path, char *ret,
			 struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	int copy = -1, number = -1, r;

	if (fd < 0)
		return error_errno(err, "open %s", path);
	r = jail_readable_copy(fd, m->uid != 0 ? m->uid : geteuid(), &copy, err);
	if (r == 0)
		r = give(mp, copy, &number, err);
	if (r == 0)
		(void)snprintf(ret, 40, "/proc/self/fd/%d", number);
	return r;
}

/* cloud-init stays off where our own seed service does the same in a tenth of the time. */
int machine_plan_append(const struct image *image, struct machine_plan *mp, struct error *err)
{
	/* an emulated CPU on a busy host misses the kernel's test of the timer interrupt */
	bool slow = mp->plan.accel == VM_ACCEL_TCG;
	bool fast_seed = image->seed == IMAGE_SEED_BMVM;

	if (asprintf(&mp->append, "%s%s%s", image->append != NULL ? image->append : "console=ttyS0",
		     fast_seed ? " cloud-init=disabled" : "", slow ? " no_timer_check" : "") < 0) {
		mp->append = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	mp->plan.append = mp->append;
	return 0;
}

static int plan_boot(struct machine *m, struct machine_plan *mp, struct error *err)
{
	const struct config *cfg = m->spec->cfg;
	const struct image *image = m->spec->image;
	int r = 0;

	if (cfg->firmware != FIRMWARE_BIOS)
		r = firmware_open(cfg, m->data_fd, mp->theirs, &mp->n_theirs, err);
	if (r == 0 && cfg->firmware != FIRMWARE_BIOS) {
		mp->plan.firmware_code_fd = vm_fds_add(&mp->plan.fds, mp->theirs[mp->n_theirs - 2]);
		mp->plan.firmware_vars_fd = vm_fds_add(&mp->plan.fds, mp->theirs[mp->n_theirs - 1]);
	}
	if (r < 0 || !machine_boots_kernel(m->spec))
		return r;
	r = give_readable(m, mp, image->kernel.path, mp->kernel, err);
	mp->plan.kernel = mp->kernel;
	if (r == 0 && image->initrd.path != NULL) {
		r = give_readable(m, mp, image->initrd.path, mp->initrd, err);
		mp->plan.initrd = mp->initrd;
	}
	return r < 0 ? r : machine_plan_append(image, mp, err);
}

static int plan_seed_iso(struct machine *m, struct machine_plan *mp, const char *dir,
			 struct error *err)
{
	AUTO_FREE char *iso = path_join(m->spec->vd->data_path, "seed.iso");
	int fd, r;

	if (iso == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = seed_make_iso(dir, iso, deadline_in_s(60), err);
	if (r < 0)
		return r;
	fd = open(iso, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "open %s", iso);
	mp->plan.seed = VM_SEED_ISO;
	return give(mp, fd, &mp->plan.seed_fd, err);
}

static int plan_seed(struct machine *m, struct machine_plan *mp, struct error *err)
{
	int fd;

	if (m->spec->image->seed == IMAGE_SEED_NONE)
		return 0;
	mp->seed_dir = path_join(m->spec->vd->data_path, MACHINE_SEED);
	if (mp->seed_dir == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (!m->spec->caps->vvfat)
		return plan_seed_iso(m, mp, mp->seed_dir, err);
	mp->plan.seed = VM_SEED_VVFAT;
	mp->plan.seed_dir = mp->seed_dir;
	if (!mp->jail.isolate)
		return 0;
	fd = open(mp->seed_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "open the seed's folder");
	mp->theirs[mp->n_theirs++] = fd;
	mp->jail.seed_fd = fd;
	mp->plan.seed_dir = JAIL_SEED;
	return 0;
}

static int plan_virtiofs(struct machine *m, struct machine_plan *mp, size_t i, int folder_fd,
			 const struct virtiofsd_program *program, struct error *err)
{
	struct virtiofsd *server = &m->servers[m->n_servers];
	int r = virtiofsd_spawn(server, program, folder_fd, m->spec->cfg->mounts[i].readonly,
				m->spec->vd->run_fd, err);

	if (r < 0)
		return r;
	m->n_servers++;
	m->mounts[i].kind = VM_MOUNT_VIRTIOFS;
	return give(mp, TAKE_FD(server->client_fd), &m->mounts[i].fd, err);
}

static void plan_9p(struct machine *m, struct machine_plan *mp, size_t i, int folder_fd)
{
	struct vm_mount *mount = &m->mounts[i];

	mount->kind = VM_MOUNT_9P;
	mount->path = m->spec->cfg->mounts[i].host;
	if (!mp->jail.isolate)
		return;
	(void)snprintf(m->paths[i], sizeof(m->paths[i]), JAIL_SHARE, mp->jail.n_shares);
	mp->jail.shares[mp->jail.n_shares++] =
		(struct jail_share){ .fd = folder_fd, .readonly = mount->readonly };
	mount->path = m->paths[i];
}

static int plan_mount(struct machine *m, struct machine_plan *mp, size_t i,
		      const struct virtiofsd_program *program, struct error *err)
{
	const struct config_mount *cm = &m->spec->cfg->mounts[i];
	int fd = open(cm->host, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "mounts[%zu].host %s", i, cm->host);
	mp->theirs[mp->n_theirs++] = fd;
	(void)snprintf(m->tags[i], sizeof(m->tags[i]), "share%zu", i);
	m->mounts[i] = (struct vm_mount){ .tag = m->tags[i], .fd = -1, .readonly = cm->readonly };
	if (program->path != NULL)
		return plan_virtiofs(m, mp, i, fd, program, err);
	plan_9p(m, mp, i, fd);
	return 0;
}

static int plan_mounts(struct machine *m, struct machine_plan *mp, struct error *err)
{
	const struct config *cfg = m->spec->cfg;
	struct virtiofsd_program program = { .path = NULL };
	int r = 0;

	if (cfg->n_mounts == 0)
		return 0;
	if (cfg->n_mounts > VM_MOUNTS_MAX)
		return error_set(err, EINVAL, "mounts: at most %d", VM_MOUNTS_MAX);
	if (m->spec->host->is_root && m->spec->caps->vhost_user_fs && m->spec->caps->memfd)
		(void)virtiofsd_find(&program, NULL);
	for (size_t i = 0; i < cfg->n_mounts && r == 0; i++) {
		r = plan_mount(m, mp, i, &program, err);
		if (r == 0)
			mp->plan.mounts[mp->plan.n_mounts++] = m->mounts[i];
	}
	if (r == 0 && m->n_servers > 0 && mp->plan.memory_kind == VM_MEMORY_PLAIN)
		mp->plan.memory_kind = VM_MEMORY_SHARED;
	virtiofsd_program_done(&program);
	return r;
}

void machine_plan_basics(const struct machine_spec *s, struct machine_plan *mp)
{
	struct vm_plan *p = &mp->plan;

	p->uuid = s->uuid;
	p->accel = s->accel;
	p->vcpus = s->cfg->vcpus;
	p->memory = s->cfg->memory;
	p->memory_kind = s->cfg->hugepages > 0 ? VM_MEMORY_HUGE : VM_MEMORY_PLAIN;
	p->huge_page = s->cfg->hugepages;
	p->numa_node = s->numa_node;
	p->network = true;
	p->isolated = s->cfg->network.isolated || s->cfg->network.mode != NETWORK_USER;
	vm_mac(s->uuid, 0, mp->mac);
	p->mac = mp->mac;
	p->lan_mac = lan_mac(s->uuid, mp->lan_mac);
	p->extra = s->cfg->qemu_args.v;
	p->disk.format = VM_FORMAT_QCOW2;
	p->disk_flush = s->keep_disk;
}

bool machine_boots_kernel(const struct machine_spec *s)
{
	/* with UEFI the disk boots by itself, unless a kernel was asked for */
	return s->image->kernel.path != NULL &&
	       (s->cfg->firmware == FIRMWARE_BIOS || s->cfg->kernel != NULL);
}

static int plan_identity(struct machine *m, struct machine_plan *mp, struct error *err)
{
	int lock = -1, r;

	mp->jail.kvm = m->spec->accel == VM_ACCEL_KVM;
	if (!m->spec->host->is_root)
		return 0;
	r = jail_uid_lease(m->spec->host->proc_fd, m->spec->host->run_fd, &m->uid, &lock, err);
	if (r < 0)
		return r;
	mp->jail.uid = m->uid;
	mp->jail.isolate = true;
	return hold(m, lock, err);
}

static int plan_device(const struct machine *m, const struct assigned *a, struct vm_device *d,
		       struct error *err)
{
	char node[32];
	struct stat st;

	*d = (struct vm_device){
		.slot = a->slot, .function = a->function, .group = a->group, .cdev = -1
	};
	(void)snprintf(d->host, sizeof(d->host), "%s", a->address);
	if (a->uuid[0] != '\0')
		(void)snprintf(d->sysfsdev, sizeof(d->sysfsdev), "%s/%s", MDEV_FOLDER, a->uuid);
	(void)snprintf(node, sizeof(node), "vfio/%d", a->group);
	if (fstatat(m->spec->host->dev_fd, node, &st, 0) < 0)
		return error_errno(err, "/dev/%s of %s", node,
				   a->address[0] != '\0' ? a->address : a->uuid);
	d->group_rdev = st.st_rdev;
	if (!m->spec->devices->iommufd)
		return 0;
	return device_backend_node(m->spec->host, a->address, a->uuid, &d->cdev, &d->cdev_rdev,
				   err);
}

static int plan_devices(const struct machine *m, struct machine_plan *mp, struct error *err)
{
	const struct assignment *a = &m->assignment;
	struct vm_plan *p = &mp->plan;
	int r = 0;

	p->phys_bits = m->spec->phys_bits;
	p->iommufd = a->n > 0 && m->spec->devices->iommufd;
	if (p->iommufd)
		r = device_backend_iommu(m->spec->host, &p->iommu_rdev, err);
	for (size_t i = 0; i < a->n && r == 0; i++) {
		r = plan_device(m, &a->v[i], &p->devices[p->n_devices++], err);
		for (size_t k = 0; k < PCI_N_BARS; k++)
			p->mmio64 = vm_mmio64_add(p->mmio64, a->v[i].bars64[k]);
	}
	return r < 0 ? r : jail_add_devices(&mp->jail, p, err);
}

/* The kernel's back end is for KVM: emulation gains nothing by it. */
static int plan_lan(struct machine *m, struct machine_plan *mp, struct error *err)
{
	const struct lan_task task = {
		.host = m->spec->host,
		.cfg = m->spec->cfg,
		.vm = m->spec->vd->name,
		.uuid = m->spec->uuid,
		.journal = &m->journal,
	};
	int fd, r;

	if (m->spec->cfg->network.mode == NETWORK_USER)
		return 0;
	fd = lan_open(&m->lan, &task, err);
	if (fd < 0)
		return fd;
	r = give(mp, fd, &mp->plan.lan_fd, err);
	mp->plan.lan_mtu = m->lan.mtu;
	fd = r == 0 && m->spec->accel == VM_ACCEL_KVM ? lan_open_vhost(&task) : -1;
	return fd < 0 ? r : give(mp, fd, &mp->plan.lan_vhost_fd, err);
}

int machine_plan_fill(struct machine *m, struct machine_plan *mp, struct error *err)
{
	int r = plan_identity(m, mp, err);

	machine_plan_basics(m->spec, mp);
	mp->plan.name = m->spec->vd->name;
	if (r == 0)
		r = give_socketpair(mp, &mp->qmp_fd, &mp->plan.qmp_fd, err);
	if (r == 0)
		r = give_socketpair(mp, &mp->serial_fd, &mp->plan.serial_fd, err);
	if (r == 0)
		r = plan_disks(m, mp, err);
	if (r == 0)
		r = plan_boot(m, mp, err);
	if (r == 0)
		r = plan_seed(m, mp, err);
	if (r == 0)
		r = plan_mounts(m, mp, err);
	if (r == 0)
		r = plan_lan(m, mp, err);
	if (r == 0)
		r = plan_devices(m, mp, err);
	return r;
}

void machine_plan_close_theirs(struct machine_plan *mp)
{
	for (size_t i = 0; i < mp->n_theirs; i++)
		close_fd(&mp->theirs[i]);
	mp->n_theirs = 0;
}

void machine_plan_done(struct machine_plan *mp)
{
	machine_plan_close_theirs(mp);
	close_fd(&mp->qmp_fd);
	close_fd(&mp->serial_fd);
	free(mp->append);
	free(mp->seed_dir);
}
