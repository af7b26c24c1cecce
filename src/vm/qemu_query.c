/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a running QEMU: the port of the SSH forward, the threads of the vCPUs.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
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

static int pin(struct json_object *vcpu, const unsigned int *cpus, size_t n, struct error *err)
{
	uint64_t index = 0, thread = 0;
	cpu_set_t set;

	if (json_get_u64(vcpu, "cpu-index", &index, err) < 0 ||
	    json_get_u64(vcpu, "thread-id", &thread, err) < 0)
		return -EPROTO;
	if (index >= n)
		return error_set(err, EINVAL, "vCPU %u has no host CPU to be pinned to",
				 (unsigned int)index);
	if (cpus[index] >= CPU_SETSIZE)
		return error_set(err, EINVAL, "there is no host CPU %u", cpus[index]);
	CPU_ZERO(&set);
	CPU_SET(cpus[index], &set);
	if (sched_setaffinity((pid_t)thread, sizeof(set), &set) < 0)
		return error_errno(err, "pin vCPU %u to host CPU %u", (unsigned int)index,
				   cpus[index]);
	return 0;
}

int qemu_pin_vcpus(struct qemu *q, const unsigned int *cpus, size_t n, uint64_t deadline_ns,
		   struct error *err)
{
	AUTO_JSON struct json_object *reply = NULL;
	int r = qemu_execute(q, "query-cpus-fast", NULL, deadline_ns, &reply, err);

	if (r < 0)
		return r;
	if (!json_object_is_type(reply, json_type_array))
		return error_set(err, EPROTO, "query-cpus-fast: not a list");
	for (size_t i = 0; r == 0 && i < json_object_array_length(reply); i++)
		r = pin(json_object_array_get_idx(reply, i), cpus, n, err);
	return r;
}
