/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a running QEMU: the port of the SSH forward, the threads of the vCPUs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "host/cpus.h"
#include "vm/qemu.h"

/*
 * A row of "info usernet":
 *   TCP[HOST_FORWARD]  11  127.0.0.1 40217  10.0.2.15  22  0  0
 * Return: the host's port if the row leads to the guest's SSH, else 0.
 */
static int forward_port(char *row)
{
	enum { KIND, FD, SOURCE, SOURCE_PORT, DEST, DEST_PORT, N_COLUMNS };
	const char *column[N_COLUMNS];
	char *save = NULL;
	char *word = strtok_r(row, " ", &save);
	long port;

	for (int i = 0; i < N_COLUMNS; i++, word = strtok_r(NULL, " ", &save)) {
		if (word == NULL)
			return 0;
		column[i] = word;
	}
	port = strtol(column[SOURCE_PORT], NULL, 10);
	if (strcmp(column[KIND], "TCP[HOST_FORWARD]") != 0 || strcmp(column[DEST_PORT], "22") != 0)
		return 0;
	return port > 0 && port < 65536 ? (int)port : 0;
}

int qemu_ssh_port(struct qemu *q, uint64_t deadline_ns, struct error *err)
{
	AUTO_JSON struct json_object *args = json_new_object();
	AUTO_JSON struct json_object *reply = NULL;
	AUTO_FREE char *table = NULL;
	char *save = NULL;
	int r;

	json_add_str(args, "command-line", "info usernet");
	r = qemu_execute(q, "human-monitor-command", args, deadline_ns, &reply, err);
	if (r < 0)
		return r;
	table = strdup(json_object_is_type(reply, json_type_string) ? json_object_get_string(reply)
								    : "");
	if (table == NULL)
		return error_set(err, ENOMEM, "out of memory");
	for (char *row = strtok_r(table, "\r\n", &save); row != NULL;
	     row = strtok_r(NULL, "\r\n", &save)) {
		int port = forward_port(row);

		if (port > 0)
			return port;
	}
	return error_set(err, ENOENT, "QEMU forwards no port to the guest's SSH");
}

/* Where a vCPU may run: @pin[its index], one of @n, or where @pin is NULL the whole of @set. */
struct placement {
	const unsigned int *pin;
	size_t n;
	const struct cpu_mask *set;
};

static int place(struct json_object *vcpu, const struct placement *where, struct error *err)
{
	uint64_t index = 0, thread = 0;
	struct cpu_mask set = { { 0 } };
	char text[64];

	if (json_get_u64(vcpu, "cpu-index", &index, err) < 0 ||
	    json_get_u64(vcpu, "thread-id", &thread, err) < 0)
		return -EPROTO;
	if (where->pin != NULL && index >= where->n)
		return error_set(err, EINVAL, "vCPU %u has no host CPU to be pinned to",
				 (unsigned int)index);
	if (where->pin != NULL && where->pin[index] >= HOST_CPUS_MAX)
		return error_set(err, EINVAL, "there is no host CPU %u", where->pin[index]);
	if (where->pin != NULL)
		cpu_mask_add(&set, where->pin[index]);
	else
		set = *where->set;
	/* glibc's cpu_set_t ends at CPU 1023; the kernel takes any length of the same layout */
	if (syscall(SYS_sched_setaffinity, (pid_t)thread, sizeof(set.bits), set.bits) < 0)
		return error_errno(err, "pin vCPU %u to host CPU %s", (unsigned int)index,
				   cpu_mask_text(&set, text, sizeof(text)));
	return 0;
}

static int place_all(struct qemu *q, const struct placement *where, uint64_t deadline_ns,
		     struct error *err)
{
	AUTO_JSON struct json_object *reply = NULL;
	int r = qemu_execute(q, "query-cpus-fast", NULL, deadline_ns, &reply, err);

	if (r < 0)
		return r;
	if (!json_object_is_type(reply, json_type_array))
		return error_set(err, EPROTO, "query-cpus-fast: not a list");
	for (size_t i = 0; r == 0 && i < json_object_array_length(reply); i++)
		r = place(json_object_array_get_idx(reply, i), where, err);
	return r;
}

int qemu_pin_vcpus(struct qemu *q, const unsigned int *cpus, size_t n, uint64_t deadline_ns,
		   struct error *err)
{
	const struct placement where = { .pin = cpus, .n = n };

	return place_all(q, &where, deadline_ns, err);
}

int qemu_keep_vcpus(struct qemu *q, const struct cpu_mask *cpus, uint64_t deadline_ns,
		    struct error *err)
{
	const struct placement where = { .set = cpus };

	return place_all(q, &where, deadline_ns, err);
}
