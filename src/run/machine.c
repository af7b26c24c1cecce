/* SPDX-License-Identifier: MIT */
#include "run/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "host/ledger.h"
#include "image/overlay.h"
#include "run/machine_plan.h"
#include "run/undo.h"
#include "vm/args.h"

#define QEMU_IMG_SECONDS   60
#define THROW_AWAY_SECONDS 5

int machine_init(struct machine *m, const struct machine_spec *spec, struct error *err)
{
	*m = (struct machine){
		.spec = spec,
		.journal = JOURNAL_INIT,
		.data_fd = -1,
		.qemu = QEMU_INIT,
		.serial = SERIAL_INIT,
		.assignment = ASSIGNMENT_INIT,
		.lan = LAN_INIT,
		.times = json_new_object(),
		.info = json_new_object(),
	};
	for (size_t i = 0; i < ARRAY_SIZE(m->servers); i++)
		m->servers[i] = (struct virtiofsd)VIRTIOFSD_INIT;
	return journal_open(spec->vd->run_fd, spec->host->boot_id, &m->journal, err);
}

static void note_time(struct machine *m, const char *name, uint64_t start_ns)
{
	json_add_seconds(m->times, name, clock_seconds_since(start_ns));
}

/* ---- create ---- */

static int hold_share(struct machine *m, const char *key, uint64_t amount, struct error *err)
{
	const struct machine_spec *s = m->spec;
	struct json_object *what = json_new_object();
	int64_t r;

	json_add_str(what, "key", key);
	r = journal_intend(&m->journal, OP_LEDGER, what, err);
	return r < 0 ? (int)r : ledger_hold(s->host, key, s->vd->name, amount, err);
}

/* What other VMs have to know of: how much memory is promised, which CPUs are pinned to. */
static int hold_shares(struct machine *m, struct error *err)
{
	const struct machine_spec *s = m->spec;
	int r = hold_share(m, LEDGER_MEMORY, s->cfg->memory, err);

	for (unsigned int i = 0; s->pin != NULL && i < s->cfg->vcpus && r == 0; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), LEDGER_CPU "%u", s->pin[i]);
		r = hold_share(m, key, 1, err);
	}
	if (r == 0 && s->numa_node >= 0) {
		char key[32];

		(void)snprintf(key, sizeof(key), LEDGER_NODE "%d", s->numa_node);
		r = hold_share(m, key, s->cfg->memory, err);
	}
	return r;
}

static int make_data_folder(struct machine *m, struct error *err)
{
	const struct machine_spec *s = m->spec;
	int64_t r = journal_intend(&m->journal, OP_DATA, json_new_object(), err);
	int made;

	if (r < 0)
		return (int)r;
	made = vmdir_make_data(s->host, s->vd, err);
	if (made < 0)
		return made;
	m->data_fd = vmdir_open_data(s->host, s->vd, err);
	return m->data_fd < 0 ? m->data_fd : 0;
}

static void describe(struct machine *m)
{
	const struct machine_spec *s = m->spec;
	char now[CLOCK_ISO_SIZE];
	uint64_t start = 0;

	clock_iso(now);
	(void)process_start_time(s->host->proc_fd, getpid(), &start);
	json_add_str(m->info, "name", s->vd->name);
	json_add_str(m->info, "created", now);
	json_add_str(m->info, "boot", s->host->boot_id);
	json_add_u64(m->info, "guardian_pid", (uint64_t)getpid());
	json_add_u64(m->info, "guardian_start", start);
	json_add_str(m->info, "uuid", s->uuid);
	json_add_str(m->info, "image", s->image->name);
	json_add_u64(m->info, "memory", s->cfg->memory);
	json_add_u64(m->info, "vcpus", s->cfg->vcpus);
	json_add_str(m->info, "hypervisor", s->accel == VM_ACCEL_KVM ? "kvm" : "tcg");
	json_add_str(m->info, "ssh_user", s->cfg->ssh_user);
	json_add_str(m->info, "ssh_key", s->client_key != NULL ? NULL : s->cfg->ssh_key);
}

int machine_save_info(struct machine *m, const char *state, struct error *err)
{
	json_add_str(m->info, "state", state);
	return vmdir_save_info(m->spec->host, m->spec->vd, m->info, err);
}

static int write_identity(struct machine *m, struct error *err)
{
	const struct machine_spec *s = m->spec;
	AUTO_CLOSE int seed_fd = -1;
	char mac[VM_MAC_SIZE], lan[VM_MAC_SIZE];
	const char *macs[] = { mac, lan_mac(s->uuid, lan) };
	struct seed seed = s->seed;
	int r = 0;

	if (s->client_key != NULL)
		r = file_write_atomic_at(m->data_fd, MACHINE_KEY, s->client_key,
					 strlen(s->client_key), 0600, err);
	if (r == 0 && s->pin_host_key)
		r = file_write_atomic_at(m->data_fd, MACHINE_HOST_KEY, seed.host_key_public,
					 strlen(seed.host_key_public), 0600, err);
	if (r < 0 || s->image->seed == IMAGE_SEED_NONE)
		return r;
	vm_mac(s->uuid, 0, mac);
	seed.macs = macs;
	seed.n_macs = s->cfg->network.mode == NETWORK_USER ? 1 : ARRAY_SIZE(macs);
	if (mkdirat(m->data_fd, MACHINE_SEED, 0755) < 0)
		return error_errno(err, "make the seed's folder");
	seed_fd = openat(m->data_fd, MACHINE_SEED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* whatever the umask: QEMU reads it under another uid */
	if (seed_fd < 0 || fchmod(seed_fd, 0755) < 0)
		return error_errno(err, "open the seed's folder");
	return seed_write(seed_fd, &seed, err);
}

static int make_overlay(struct machine *m, struct error *err)
{
	AUTO_FREE char *path = path_join(m->spec->vd->data_path, MACHINE_OVERLAY);
	uint64_t start = clock_now_ns();
	int r;

	if (path == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = overlay_create(m->spec->image, path, m->spec->disk_size,
			   deadline_in_s(QEMU_IMG_SECONDS), err);
	note_time(m, "overlay", start);
	return r;
}

int machine_create(struct machine *m, struct error *err)
{
	int r = hold_shares(m, err);

	if (r == 0)
		r = make_data_folder(m, err);
	if (r == 0) {
		describe(m);
		r = machine_save_info(m, "creating", err);
	}
	if (r == 0)
		r = write_identity(m, err);
	if (r == 0)
		r = make_overlay(m, err);
	return r;
}

/* ---- start ---- */

static int journal_process(struct machine *m, pid_t pid, const char *name, uint64_t *ret_start,
			   struct error *err)
{
	struct json_object *what = json_new_object();
	uint64_t start = 0;
	int64_t r;

	(void)process_start_time(m->spec->host->proc_fd, pid, &start);
	json_add_u64(what, "pid", (uint64_t)pid);
	json_add_u64(what, "start", start);
	json_add_str(what, "what", name);
	r = journal_intend(&m->journal, OP_PROCESS, what, err);
	if (ret_start != NULL)
		*ret_start = start;
	return r < 0 ? (int)r : 0;
}

/* The servers are let go before QEMU, which waits for their answer when it starts. */
static int start_servers(struct machine *m, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < m->n_servers && r == 0; i++) {
		r = journal_process(m, m->servers[i].process.pid, "virtiofsd", NULL, err);
		if (r == 0)
			r = virtiofsd_release(&m->servers[i], err);
	}
	return r;
}

static int spawn_qemu(struct machine *m, struct machine_plan *mp, struct error *err)
{
	uint64_t start = clock_now_ns();
	int r = vm_args_build(&mp->plan, m->spec->caps, &m->arguments, err);

	if (r == 0)
		r = qemu_spawn(&m->qemu, &m->arguments, &mp->plan.fds, &mp->jail, err);
	if (r < 0)
		return r;
	m->qemu_pid = m->qemu.process.pid;
	r = journal_process(m, m->qemu_pid, "qemu", &m->qemu_start, err);
	if (r < 0)
		return r;
	m->started = true;
	r = qemu_release(&m->qemu, err);
	m->spawned_ns = clock_now_ns();
	note_time(m, "spawn", start);
	return r;
}

/* Huge pages are allocated and cleared before QEMU answers; a second for each 4 GiB is slow. */
static uint64_t greeting_deadline(const struct config *cfg)
{
	return deadline_in_s(30 + (cfg->hugepages > 0 ? cfg->memory >> 30 : 0));
}

static int place_vcpus(struct machine *m, struct error *err)
{
	const struct machine_spec *s = m->spec;

	if (s->pin != NULL)
		return qemu_pin_vcpus(&m->qemu, s->pin, s->cfg->vcpus, deadline_in_s(10), err);
	if (s->node_cpus != NULL)
		return qemu_keep_vcpus(&m->qemu, s->node_cpus, deadline_in_s(10), err);
	return 0;
}

static int connect_qemu(struct machine *m, struct machine_plan *mp, struct error *err)
{
	const struct machine_spec *s = m->spec;
	uint64_t start = clock_now_ns();
	int r = qemu_connect(&m->qemu, TAKE_FD(mp->qmp_fd), greeting_deadline(s->cfg), err);

	note_time(m, "qmp_greeting", start);
	if (r == 0)
		r = qemu_ssh_port(&m->qemu, deadline_in_s(10), err);
	if (r < 0)
		return r;
	m->port = (unsigned int)r;
	return place_vcpus(m, err);
}

int machine_start(struct machine *m, struct watchset watch, struct error *err)
{
	struct machine_plan mp = MACHINE_PLAN_INIT;
	int r = machine_plan_fill(m, &mp, err);

	if (r == 0)
		r = start_servers(m, err);
	if (r == 0)
		r = serial_open(&m->serial, m->data_fd, SERIAL_CAPACITY, TAKE_FD(mp.serial_fd),
				err);
	if (r == 0)
		r = spawn_qemu(m, &mp, err);
	if (r == 0) {
		qemu_set_watch(&m->qemu, watch);
		machine_plan_close_theirs(&mp);
		r = connect_qemu(m, &mp, err);
	}
	machine_plan_done(&mp);
	if (r < 0)
		return r;
	json_add_u64(m->info, "ssh_port", m->port);
	json_add_u64(m->info, "qemu_pid", (uint64_t)m->qemu_pid);
	json_add_u64(m->info, "qemu_start", m->qemu_start);
	return machine_save_info(m, "running", err);
}

void machine_note_output(struct machine *m)
{
	if (m->first_output_ns != 0 || m->spawned_ns == 0 || serial_seen(&m->serial) == 0)
		return;
	m->first_output_ns = clock_now_ns();
	note_time(m, "kernel", m->spawned_ns);
}

/* ---- the end ---- */

static void keep_qemu_log(struct machine *m)
{
	AUTO_FREE char *text = tail_text(&m->qemu.output, 0);

	if (text != NULL && text[0] != '\0' && m->data_fd >= 0)
		(void)file_write_atomic_at(m->data_fd, MACHINE_QEMU_LOG, text, strlen(text), 0600,
					   NULL);
}

static void let_go(struct machine *m)
{
	serial_done(&m->serial);
	for (size_t i = 0; i < m->n_held; i++)
		close_fd(&m->held[i]);
	m->n_held = 0;
}

/* Whether what the guest still has in its memory would be missed: its disk, or a writable mount. */
static bool outlives_guest(const struct machine_spec *s)
{
	for (size_t i = 0; i < s->cfg->n_mounts; i++) {
		if (!s->cfg->mounts[i].readonly)
			return true;
	}
	return s->keep_disk;
}

/*
 * A guest that is thrown away gains little by an orderly shutdown: its connections end properly. It
 * gets the time a guest under KVM needs for that, or what was asked for.
 */
static unsigned int powerdown_ms(const struct machine_spec *s)
{
	unsigned int seconds = s->cfg->timeouts.shutdown;

	if (!outlives_guest(s) && !config_explicit(s->cfg, "timeouts.shutdown") &&
	    seconds > THROW_AWAY_SECONDS)
		seconds = THROW_AWAY_SECONDS;
	return seconds * 1000;
}

int machine_stop(struct machine *m, bool powerdown, struct error *err)
{
	const struct config *cfg = m->spec->cfg;
	uint64_t deadline = deadline_in_s(cfg->cleanup.timeout);
	enum qemu_ending ending = QEMU_ENDED_BEFORE;
	uint64_t start = clock_now_ns();
	int r = 0;

	if (m->started && m->qemu.process.pid > 0)
		r = qemu_stop(&m->qemu, powerdown ? powerdown_ms(m->spec) : 0, deadline, &ending,
			      err);
	if (m->started) {
		note_time(m, "stop", start);
		json_add_str(m->times, "stopped", qemu_ending_text(ending));
		while (qemu_next_event(&m->qemu, NULL) != VM_EVENT_NONE)
			;
		keep_qemu_log(m);
	}
	for (size_t i = 0; i < m->n_servers; i++) {
		if (virtiofsd_stop(&m->servers[i], deadline_in_s(10)) < 0 && r == 0)
			r = error_set(err, ETIMEDOUT, "virtiofsd does not end");
	}
	if (r < 0)
		return r;
	if (m->spec->replaces_image)
		(void)image_check_unchanged(m->spec->image, &m->stopped_image);
	let_go(m); /* `image build --from` may now replace the image this VM stood on */
	return 0;
}

int machine_reset(struct machine *m, struct error *err)
{
	int r = machine_stop(m, false, err);

	if (r < 0)
		return r;
	qemu_done(&m->qemu);
	m->qemu = (struct qemu)QEMU_INIT;
	for (size_t i = 0; i < m->n_servers; i++) {
		virtiofsd_done(&m->servers[i]);
		m->servers[i] = (struct virtiofsd)VIRTIOFSD_INIT;
	}
	m->n_servers = 0;
	let_go(m);
	strv_done(&m->arguments);
	m->uid = 0;
	m->started = false;
	m->first_output_ns = 0;
	return 0;
}

void machine_close(struct machine *m)
{
	let_go(m);
	close_fd(&m->data_fd);
}

void machine_done(struct machine *m)
{
	qemu_done(&m->qemu);
	for (size_t i = 0; i < m->n_servers; i++)
		virtiofsd_done(&m->servers[i]);
	machine_close(m);
	journal_close(&m->journal);
	strv_done(&m->arguments);
	assignment_done(&m->assignment);
	lan_done(&m->lan);
	(void)json_object_put(m->times);
	(void)json_object_put(m->info);
}
