/* SPDX-License-Identifier: MIT */
#include "run/devices.h"
#include "run/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "guest/copy.h"
#include "run/undo.h"

#define CREATE_SECONDS 120
#define UNDO_SECONDS   900
#define FINISH_SECONDS 300

int run_init(struct run *r, struct run_options *o, struct error *err)
{
	*r = (struct run){ .o = o, .host = HOST_INIT, .vd = VMDIR_INIT, .numa_node = -1 };
	r->wait_ns = deadline_in_s(o->wait_s);
	progress_init(&r->progress, 1, o->quiet);
	return front_init(&r->front, &r->progress, err);
}

void run_done(struct run *r)
{
	guest_close(r->guest);
	(void)json_object_put(r->mounts);
	(void)json_object_put(r->assigned);
	device_choice_done(&r->devices);
	(void)json_object_put(r->spec.facts);
	keypair_done(&r->client);
	keypair_done(&r->guest_host);
	image_done(&r->image);
	qemu_caps_done(&r->caps);
	host_facts_done(&r->facts);
	vmdir_done(&r->vd);
	front_done(&r->front);
	host_done(&r->host);
}

/* ---- create ---- */

/*
 * The guest's host key is known beforehand when the guest reads the seed. Of an unknown disk that
 * is logged in to with the user's own key nobody knows: there the first contact counts.
 */
static bool pins_host_key(const struct run *r)
{
	switch (r->image.seed) {
	case IMAGE_SEED_BMVM:
	case IMAGE_SEED_NOCLOUD:
		return true;
	case IMAGE_SEED_NONE:
		return false;
	case IMAGE_SEED_UNKNOWN:
		break;
	}
	return r->o->cfg.ssh_key == NULL;
}

static struct json_object *command_of(const struct run *r)
{
	struct json_object *cmd = json_new_array();

	for (size_t i = 0; i < r->o->n_cmd; i++)
		(void)json_object_array_add(cmd, json_new_string(r->o->cmd[i]));
	return cmd;
}

/* What the receipt says that only the front knows. Values of --env may be secrets: names only. */
static struct json_object *receipt_facts(const struct run *r)
{
	struct json_object *o = json_new_object();
	char now[CLOCK_ISO_SIZE];

	clock_iso(now);
	json_add_str(o, "bmvm", BMVM_VERSION);
	json_add_str(o, "vm", r->vd.name);
	json_add_str(o, "started", now);
	json_add(o, "command", command_of(r));
	json_add_str(o, "image", r->image.name);
	if (r->image_sha256[0] != '\0')
		json_add_str(o, "image_sha256", r->image_sha256);
	json_add_str(o, "hypervisor", r->accel.accel == VM_ACCEL_KVM ? "kvm" : "tcg");
	json_add_str(o, "hypervisor_reason", r->accel.reason);
	json_add_str(o, "qemu", r->caps.binary);
	json_add_str(o, "qemu_version", r->caps.version);
	json_add_u64(o, "memory", r->o->cfg.memory);
	json_add_u64(o, "vcpus", r->o->cfg.vcpus);
	if (r->numa_node >= 0)
		json_add_i64(o, "numa_node", r->numa_node);
	json_add_bool(o, "host_key_pinned", pins_host_key(r));
	return o;
}

static void fill_spec(struct run *r)
{
	struct config *cfg = &r->o->cfg;

	r->spec.host = &r->host;
	r->spec.vd = &r->vd;
	r->spec.cfg = cfg;
	r->spec.image = &r->image;
	r->spec.caps = &r->caps;
	r->spec.accel = r->accel.accel;
	r->spec.uuid = r->uuid;
	r->spec.client_key = cfg->ssh_key == NULL ? r->client.private_pem : NULL;
	r->spec.pin = cfg->cpu_pinning != CPU_PINNING_NONE ? cfg->pin_cpus : NULL;
	r->spec.numa_node = r->numa_node;
	r->spec.node_cpus = r->numa_node >= 0 ? &r->node_cpus : NULL;
	r->spec.keep_disk = r->keep_disk || cfg->cleanup.mode != CLEANUP_DESTROY;
	r->spec.replaces_image = r->replaces_image;
	r->spec.devices = &r->devices;
	r->spec.phys_bits = r->facts.phys_bits;
	r->spec.pin_host_key = pins_host_key(r);
	r->spec.receipt = r->o->receipt;
	r->spec.facts = receipt_facts(r);
	r->spec.seed = (struct seed){
		.hostname = r->vd.name,
		.instance_id = r->uuid,
		.machine_id = r->machine_id,
		.ssh_user = cfg->ssh_user,
		.authorized_key = r->client.public_line,
		.host_key_private = r->guest_host.private_pem,
		.host_key_public = r->guest_host.public_line,
		.bmvm_only = r->image.seed == IMAGE_SEED_BMVM,
	};
}

int stage_create(struct run *r, struct error *err)
{
	int ret = vmdir_create(&r->host, r->o->name, &r->vd, err);

	if (ret < 0)
		return ret;
	r->has_dir = true;
	fill_spec(r);
	ret = front_start_guardian(&r->front, &r->spec, err);
	if (ret < 0)
		return ret;
	front_stage(&r->front, "validate", r->validate_s);
	return front_request(&r->front, "create", NULL, deadline_in_s(CREATE_SECONDS), NULL, err);
}

/* ---- start ---- */

/* First contact: from now on this key is the guest's, for `bmvm ssh` as well. */
static int pin_first_contact(struct run *r, struct error *err)
{
	AUTO_FREE char *path = path_join(r->vd.data_path, MACHINE_HOST_KEY);
	const char *key = guest_host_key(r->guest);

	if (path == NULL)
		return error_set(err, ENOMEM, "out of memory");
	return file_write_atomic_at(AT_FDCWD, path, key, strlen(key), 0600, err);
}

static int connect_guest(struct run *r, unsigned short port, struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	struct watchset ws = front_watchset(&r->front);
	struct guest_times times = { .banner_s = 0 };
	struct guest_login login = {
		.port = port,
		.user = cfg->ssh_user,
		.private_pem = r->client.private_pem,
		.host_key = r->spec.pin_host_key ? r->guest_host.public_line : NULL,
		.boot_deadline_ns = deadline_in_s(cfg->timeouts.boot),
		.ssh_s = cfg->timeouts.ssh,
		.unresponsive_s = cfg->timeouts.unresponsive,
	};
	int ret = guest_connect(&login, &ws, &times, &r->guest, err);
	struct json_object *o = json_new_object();

	json_add_seconds(o, "ssh_port", times.banner_s);
	json_add_seconds(o, "ssh_auth", times.auth_s);
	if (ret == 0) {
		json_add_str(o, "host_key", guest_host_key(r->guest));
		json_add_str(o, "cipher", guest_cipher(r->guest));
	}
	front_note(&r->front, "guest", o);
	return ret == 0 && !r->spec.pin_host_key ? pin_first_contact(r, err) : ret;
}

/* The name of what was made: whoever wants to do something with it on the host needs it. */
static void tell_network(const struct run *r, struct json_object *reply)
{
	struct json_object *network = NULL;
	const char *bridge;

	if (r->o->quiet || json_get_object(reply, "network", &network, NULL) < 0)
		return;
	bridge = json_str_or(network, "bridge", NULL);
	log_info("note: the guest's second network card is %s here%s%s",
		 json_str_or(network, "interface", "?"), bridge != NULL ? ", on bridge " : "",
		 bridge != NULL ? bridge : "");
}

static int start_qemu(struct run *r, size_t unused, struct error *err)
{
	AUTO_JSON struct json_object *reply = NULL;
	struct json_object *mounts = NULL;
	const struct config *cfg = &r->o->cfg;
	/* memory is allocated, and with huge pages cleared, before QEMU answers */
	uint64_t bound = deadline_in_s(cfg->timeouts.boot + (cfg->memory >> 30));
	int ret = front_request(&r->front, "start", NULL, bound, &reply, err);

	(void)unused;
	if (ret < 0) {
		(void)front_request(&r->front, "reset", NULL, bound, NULL, NULL);
		return ret;
	}
	if (json_get_array(reply, "mounts", &mounts, NULL) == 0)
		r->mounts = json_object_get(mounts);
	r->port = (unsigned short)json_u64_or(reply, "port", 0);
	tell_network(r, reply);
	return 0;
}

/* Worth another try: not a signal, the loss of VM or guardian, a wait that was long enough already,
 * or what is wrong for good. */
static bool may_pass(const struct run *r, int ret)
{
	return !r->front.lost && !r->front.vm_gone && !r->front.destroyed && r->front.caught == 0 &&
	       ret != -EINTR && ret != -ECONNRESET && ret != -ENOTSUP && ret != -EINVAL &&
	       ret != -ENOENT && ret != -EACCES && ret != -EPERM && ret != -ETIMEDOUT;
}

int pipeline_retry(struct run *r, int (*step)(struct run *r, size_t i, struct error *err), size_t i,
		   struct error *err)
{
	const struct config *cfg = &r->o->cfg;
	double pause_s = cfg->retry.delay;
	int ret = step(r, i, err);

	for (unsigned int n = 1; ret < 0 && n < cfg->retry.tries && may_pass(r, ret); n++) {
		log_warning("%s; trying again in %.1f s (%u of %u)", err->msg, pause_s, n + 1,
			    cfg->retry.tries);
		ret = front_pause(&r->front, deadline_in_ms((uint64_t)(pause_s * 1000)), err);
		if (ret < 0)
			return ret;
		pause_s *= cfg->retry.factor;
		if (pause_s > cfg->retry.max_delay)
			pause_s = cfg->retry.max_delay;
		ret = step(r, i, err);
	}
	return ret;
}

int stage_start(struct run *r, struct error *err)
{
	int ret = pipeline_retry(r, start_qemu, 0, err);

	if (ret == 0)
		ret = connect_guest(r, r->port, err);
	return ret < 0 ? ret : devices_check_guest(r, err);
}

/* ---- prepare: mounts and copies ---- */

bool stage_prepare_wanted(const struct run *r)
{
	return r->o->cfg.n_mounts > 0 || r->o->n_copy_in > 0;
}

static int mount_one(struct run *r, size_t i, struct error *err)
{
	static const char script[] =
		"set -e\n"
		"sudo=; [ \"$(id -u)\" = 0 ] || sudo='sudo -n'\n"
		"$sudo mkdir -p \"$2\"\n"
		"if [ \"$3\" = virtiofs ]; then exec $sudo mount -t virtiofs -o \"$4\" \"$1\" "
		"\"$2\"; fi\n"
		"exec $sudo mount -t 9p -o \"trans=virtio,version=9p2000.L,msize=262144,$4\" "
		"\"$1\" \"$2\"\n";
	const struct config_mount *cm = &r->o->cfg.mounts[i];
	struct json_object *o = json_object_array_get_idx(r->mounts, i);
	struct watchset ws = front_watchset(&r->front);
	AUTO_STRV struct strv argv = STRV_INIT;
	int ret;

	strv_add(&argv, json_str_or(o, "tag", ""));
	strv_add(&argv, cm->guest);
	strv_add(&argv, json_str_or(o, "kind", ""));
	strv_add(&argv, cm->readonly ? "ro" : "rw");
	if (strv_error(&argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	ret = guest_capture(r->guest, script, argv.v, deadline_in_s(60), NULL, &ws, err);
	return ret < 0 ? error_prefix(err, ret, "mounts[%zu]: %s on %s", i, cm->host, cm->guest)
		       : 0;
}

static int copy_one(struct run *r, size_t i, struct error *err)
{
	struct watchset ws = front_watchset(&r->front);
	const struct copy_in *c = &r->o->copy_in[i];
	int ret = guest_copy_in(r->guest, c->host, c->guest, DEADLINE_NEVER, &ws, err);

	return ret < 0 ? error_prefix(err, ret, "--copy-in %s:%s", c->host, c->guest) : 0;
}

int stage_prepare(struct run *r, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; i < r->o->cfg.n_mounts && ret == 0; i++)
		ret = pipeline_retry(r, mount_one, i, err);
	for (size_t i = 0; i < r->o->n_copy_in && ret == 0; i++)
		ret = pipeline_retry(r, copy_one, i, err);
	return ret;
}

/* ---- the end ---- */

/* The guardian died: do its work from the journal. QEMU died with it, or is killed by its record.
 */
static int undo_ourselves(struct run *r, struct error *err)
{
	AUTO_STRV struct strv reports = STRV_INIT;
	const struct undo_how how = { .reports = &reports };
	int ret;

	front_wait_guardian(&r->front, deadline_in_s(20));
	if (vmdir_was_removed(&r->vd) && r->front.destroyed)
		return 0; /* whoever asked for that was told how it went */
	if (vmdir_was_removed(&r->vd))
		return error_set(err, ECONNRESET,
				 "the VM's guardian process cleaned up and ended without saying "
				 "what it found; the receipt has it");
	log_warning("the VM's guardian process died; undoing from its journal");
	ret = undo_all(&r->host, &r->vd, &how, err);
	if (ret == 0)
		ret = vmdir_remove(&r->host, &r->vd, err);
	for (size_t i = 0; i < reports.n; i++)
		log_error("not as before: %s", reports.v[i]);
	r->unclean = reports.n > 0;
	if (ret < 0) {
		r->unclean = true;
		return error_hint(err, ret, "bmvm recover");
	}
	return error_set(err, ECONNRESET,
			 "the VM's guardian process died; everything it had made "
			 "was undone");
}

int stage_start_undo(struct run *r, struct error *err)
{
	uint64_t bound = deadline_in_s(r->o->cfg.cleanup.timeout + 60U);
	struct json_object *args;
	bool came_up = r->guest != NULL;

	guest_close(r->guest);
	r->guest = NULL;
	if (r->preserved || r->front.lost)
		return 0;
	args = json_new_object();
	json_add_bool(args, "powerdown", came_up);
	return front_request(&r->front, "stop", args, bound, NULL, err);
}

static void print_differences(struct json_object *list)
{
	size_t n = list == NULL ? 0 : json_object_array_length(list);

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		log_error("not as before: %s: expected %s, found %s", json_str_or(o, "what", "?"),
			  json_str_or(o, "expected", "?"), json_str_or(o, "found", "?"));
	}
}

static int finish(struct run *r, struct error *err)
{
	AUTO_JSON struct json_object *reply = NULL;
	struct json_object *differences = NULL;
	const char *receipt_error;
	int ret = front_request(&r->front, "finish", NULL, deadline_in_s(FINISH_SECONDS), &reply,
				err);

	front_wait_guardian(&r->front, deadline_in_s(10));
	if (ret < 0)
		return ret;
	receipt_error = json_str_or(reply, "receipt_error", NULL);
	if (json_bool_or(reply, "clean", false))
		return receipt_error == NULL ? 0 : error_set(err, EIO, "%s", receipt_error);
	if (receipt_error != NULL)
		log_error("%s", receipt_error);
	(void)json_get_array(reply, "differences", &differences, NULL);
	print_differences(differences);
	r->unclean = true;
	return error_set(err, EBUSY, "the host is not as it was before");
}

int stage_create_undo(struct run *r, struct error *err)
{
	int ret;

	if (r->preserved || !r->has_dir)
		return 0;
	if (r->front.fd >= 0) {
		/* its failure comes back in the differences of "finish" */
		(void)front_request(&r->front, "undo", NULL, deadline_in_s(UNDO_SECONDS), NULL,
				    NULL);
		if (!r->front.lost) {
			ret = finish(r, err);
			if (!r->front.lost || ret == 0)
				return ret;
		}
	}
	return undo_ourselves(r, err);
}

/* ---- running a table ---- */

static bool failed(const struct run *r, bool ok)
{
	return !ok || r->result.exit_code != 0 || r->result.timed_out;
}

static bool wants_preserve(const struct run *r, bool ok)
{
	enum cleanup_mode mode = r->o->cfg.cleanup.mode;

	if (r->front.lost || r->front.vm_gone || r->front.caught != 0 || r->front.destroyed ||
	    r->guest == NULL)
		return false;
	return mode == CLEANUP_PRESERVE || (mode == CLEANUP_PRESERVE_ON_FAILURE && failed(r, ok));
}

static const char *outcome_of(const struct run *r, bool ok)
{
	if (r->front.caught != 0)
		return "interrupted";
	if (!ok)
		return "infrastructure";
	if (r->result.timed_out)
		return "timeout";
	return r->result.exit_code == 0 ? "success" : "failure";
}

static void on_begin(struct run *r, const struct stage *stage, size_t index)
{
	(void)index;
	r->n_wanted++;
	progress_begin(&r->progress, r->n_wanted, stage->title);
}

static void on_end(struct run *r, const struct stage *stage, bool ok)
{
	double seconds = progress_end(&r->progress, ok);

	if (r->front.fd < 0)
		r->validate_s = seconds;
	else
		front_stage(&r->front, stage->name, seconds);
}

/* There is no guardian, and nothing to undo: only the copy that the user wants, with the reason. */
static void write_unbegun(const struct run *r, const struct error *why)
{
	AUTO_JSON struct json_object *o = json_new_object();
	struct json_object *stages = json_new_array(), *validate = json_new_object();
	struct error err = ERROR_INIT;
	char now[CLOCK_ISO_SIZE];

	if (r->o->receipt == NULL || why == NULL)
		return;
	clock_iso(now);
	json_add_str(o, "bmvm", BMVM_VERSION);
	json_add(o, "command", command_of(r));
	json_add_str(o, "outcome", outcome_of(r, false));
	json_add_str(o, "error", why->msg);
	json_add_str(o, "ended", now);
	json_add_str(validate, "name", "validate");
	json_add_seconds(validate, "seconds", r->validate_s);
	(void)json_object_array_add(stages, validate);
	json_add(o, "stages", stages);
	json_add_bool(o, "verified", false);
	if (json_save_for_user_at(AT_FDCWD, r->o->receipt, o, 0644, &err) < 0)
		log_failure(&err);
}

static void on_teardown(struct run *r, const struct error *why)
{
	struct error err = ERROR_INIT;
	bool ok = why == NULL;

	r->front.phase = FRONT_TEARDOWN;
	if (!r->has_dir) {
		write_unbegun(r, why);
		return; /* nothing was begun */
	}
	if (r->ending != NULL)
		r->ending(r, why);
	front_note(&r->front, "outcome", json_new_string(outcome_of(r, ok)));
	if (r->ran)
		front_note(&r->front, "exit_code", json_object_new_int(r->result.exit_code));
	if (r->front.caught != 0)
		front_note(&r->front, "signal", json_object_new_int(r->front.caught));
	if (wants_preserve(r, ok)) {
		if (front_request(&r->front, "preserve", NULL, deadline_in_s(30), NULL, &err) == 0)
			r->preserved = true;
		else
			log_warning("the VM could not be preserved: %s", err.msg);
	}
	r->n_wanted++;
	progress_begin(&r->progress, r->progress.total,
		       r->preserved ? "Leave the VM running" : "Clean up and verify");
}

static void on_failed(struct run *r, const struct stage *stage, const struct error *err)
{
	(void)r;
	(void)stage;
	log_warning("%s", err->msg);
}

int pipeline_run(struct run *r, const struct stage *stages, size_t n, struct error *err)
{
	static const struct stage_hooks hooks = { on_begin, on_end, on_teardown, on_failed };
	int ret;

	r->progress.total = 1;
	for (size_t i = 0; i < n; i++) {
		if (stages[i].setup != NULL && (stages[i].wanted == NULL || stages[i].wanted(r)))
			r->progress.total++;
	}
	ret = stages_run(stages, n, r, &hooks, err);
	if (r->has_dir)
		(void)progress_end(&r->progress, !r->unclean);
	return ret;
}

static void print_vm_end(const struct run *r)
{
	if (r->front.gone_serial == NULL || r->front.gone_serial[0] == '\0')
		return;
	log_error("last lines of the guest's console:");
	for (const char *p = r->front.gone_serial; *p != '\0';) {
		size_t n = strcspn(p, "\n");

		log_error("  | %.*s", (int)n, p);
		p += n + (p[n] == '\n' ? 1 : 0);
	}
}

int pipeline_exit_code(struct run *r, int failed_with, const struct error *err)
{
	if (failed_with < 0) {
		log_failure(err);
		if (r->front.vm_gone)
			print_vm_end(r);
	}
	if (r->preserved)
		log_info(
			"VM %s is kept: bmvm ssh %s, bmvm console %s, bmvm logs %s; end it with "
			"bmvm destroy %s",
			r->vd.name, r->vd.name, r->vd.name, r->vd.name, r->vd.name);
	if (r->unclean)
		return 125;
	if (r->front.caught != 0)
		return 128 + r->front.caught;
	if (failed_with < 0)
		return 125;
	return r->result.timed_out ? 124 : r->result.exit_code;
}
