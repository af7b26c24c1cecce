/* SPDX-License-Identifier: MIT */
/* qmp/commands against a scripted peer: what is sent, and replies of the wrong shape. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper_qmp_peer.h"
#include "qmp/commands.h"

TestSuite(qmp_commands, .timeout = 60);

#define LATE       in_ms(20000)

#define LONG_STATE "a-run-state-longer-than-any-that-qemu-has"

/* The peer answers the one command to come with @reply. */
static void open_with_reply(struct peer *peer, struct peer_move script[3], const char *command,
			    const char *reply)
{
	script[0] = (struct peer_move){ PEER_EXPECT, command };
	script[1] = (struct peer_move){ PEER_SEND, reply };
	script[2] = (struct peer_move){ PEER_END, NULL };
	peer_open_ready(peer, script);
}

Test(qmp_commands, status)
{
	struct peer_move script[3];
	struct peer peer;
	struct qmp_status status = { 0 };

	open_with_reply(&peer, script, "{\"execute\":\"query-status\",\"id\":2}",
			"{\"return\": {\"status\": \"running\", \"singlestep\": false,"
			" \"running\": true}, \"id\": @ID}\n");
	cr_expect(eq(int, qmp_query_status(peer.q, LATE, &status, NULL), 0));
	cr_expect(status.running);
	cr_expect(eq(str, status.status, (char *)"running"));
	peer_close(&peer);
}

Test(qmp_commands, status_of_the_wrong_shape)
{
	static const char *const replies[] = {
		"{\"return\": {}, \"id\": @ID}\n",
		"{\"return\": [], \"id\": @ID}\n",
		"{\"return\": null, \"id\": @ID}\n",
		"{\"return\": {\"status\": 1, \"running\": true}, \"id\": @ID}\n",
		"{\"return\": {\"status\": \"running\", \"running\": 1}, \"id\": @ID}\n",
		"{\"id\": @ID, \"return\": {\"running\": true, \"status\": \"" LONG_STATE "\"}}\n",
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		struct peer_move script[3];
		struct peer peer;
		struct qmp_status status = { .status = "untouched" };
		struct qmp_error err = { 0 };

		open_with_reply(&peer, script, "query-status", replies[i]);
		cr_expect(eq(int, qmp_query_status(peer.q, LATE, &status, &err), -EPROTO),
			  "case %zu", i);
		cr_expect(eq(str, status.status, (char *)"untouched"));
		cr_expect(eq(int, (int)qmp_state(peer.q), (int)QMP_STATE_READY));
		peer_close(&peer);
	}
}

Test(qmp_commands, cpus)
{
	struct peer_move script[3];
	struct peer peer;
	struct qmp_cpu *cpus = NULL;
	size_t n = 0;

	open_with_reply(
		&peer, script, "\"query-cpus-fast\"",
		"{\"return\": [{\"thread-id\": 41, \"cpu-index\": 0, \"target\": \"x86_64\"},"
		" {\"thread-id\": 42, \"cpu-index\": 1}], \"id\": @ID}\n");
	cr_assert(eq(int, qmp_query_cpus(peer.q, LATE, &cpus, &n, NULL), 0));
	cr_assert(eq(sz, n, 2));
	cr_expect(eq(uint, cpus[1].cpu_index, 1));
	cr_expect(eq(int, cpus[1].thread_id, 42));
	free(cpus);
	peer_close(&peer);
}

Test(qmp_commands, cpus_of_the_wrong_shape)
{
	static const char *const replies[] = {
		"{\"return\": {}, \"id\": @ID}\n",
		"{\"return\": [1], \"id\": @ID}\n",
		"{\"return\": [{\"thread-id\": 1}], \"id\": @ID}\n",
		"{\"return\": [{\"thread-id\": 0, \"cpu-index\": 0}], \"id\": @ID}\n",
		"{\"return\": [{\"thread-id\": -1, \"cpu-index\": 0}], \"id\": @ID}\n",
		"{\"return\": [{\"thread-id\": 4294967297, \"cpu-index\": 0}], \"id\": @ID}\n",
		"{\"return\": [{\"thread-id\": \"1\", \"cpu-index\": 0}], \"id\": @ID}\n",
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		struct peer_move script[3];
		struct peer peer;
		struct qmp_cpu *cpus = NULL;
		size_t n = 0;

		open_with_reply(&peer, script, "query-cpus-fast", replies[i]);
		cr_expect(eq(int, qmp_query_cpus(peer.q, LATE, &cpus, &n, NULL), -EPROTO),
			  "case %zu", i);
		cr_expect(cpus == NULL);
		peer_close(&peer);
	}
}

Test(qmp_commands, no_cpus_at_all)
{
	struct peer_move script[3];
	struct peer peer;
	struct qmp_cpu *cpus = NULL;
	size_t n = 7;

	open_with_reply(&peer, script, "query-cpus-fast", "{\"return\": [], \"id\": @ID}\n");
	cr_expect(eq(int, qmp_query_cpus(peer.q, LATE, &cpus, &n, NULL), 0));
	cr_expect(eq(sz, n, 0));
	peer_close(&peer);
}

Test(qmp_commands, plain_commands_are_sent_by_name)
{
	static const struct {
		const char *line;
		int (*call)(struct qmp *q, uint64_t deadline_ns, struct qmp_error *err);
	} cases[] = {
		{ "{\"execute\":\"system_powerdown\",\"id\":2}", qmp_system_powerdown },
		{ "{\"execute\":\"quit\",\"id\":2}", qmp_quit },
		{ "{\"execute\":\"stop\",\"id\":2}", qmp_stop },
		{ "{\"execute\":\"cont\",\"id\":2}", qmp_cont },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer_move script[3];
		struct peer peer;

		open_with_reply(&peer, script, cases[i].line, "{\"return\": {}, \"id\": @ID}\n");
		cr_expect(eq(int, cases[i].call(peer.q, LATE, NULL), 0), "%s", cases[i].line);
		peer_close(&peer);

		open_with_reply(&peer, script, cases[i].line,
				"{\"error\": {\"class\": \"GenericError\", \"desc\": \"d\"}, "
				"\"id\": @ID}\n");
		cr_expect(eq(int, cases[i].call(peer.q, LATE, NULL), -EIO), "%s", cases[i].line);
		peer_close(&peer);
	}
}

Test(qmp_commands, quit_is_content_with_a_lost_connection)
{
	static const struct peer_move script[] = { { PEER_EXPECT, "quit" },
						   { PEER_HANG_UP, NULL },
						   { PEER_END, NULL } };
	struct peer peer;

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_quit(peer.q, LATE, NULL), 0));
	cr_expect(eq(int, qmp_quit(peer.q, LATE, NULL), 0));
	cr_expect(eq(int, qmp_stop(peer.q, LATE, NULL), -ECONNRESET));
	peer_close(&peer);
}

#define DELETED(device) "{\"event\": \"DEVICE_DELETED\", \"data\": {" device "\"path\": \"/p\"}}\n"

Test(qmp_commands, device_del_waits_for_the_event_of_that_device)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT,
		  "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"gpu0\"},\"id\":2}" },
		{ PEER_SEND, "{\"return\": {}, \"id\": @ID}\n" },
		{ PEER_SEND, DELETED("") },
		{ PEER_SEND, DELETED("\"device\": \"gpu1\", ") },
		{ PEER_SEND, DELETED("\"device\": \"gpu0\", ") },
		{ PEER_END, NULL },
	};
	struct peer peer;
	struct qmp_error err = { 0 };

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_device_del(peer.q, "gpu0", LATE, &err), 0), "%s", err.desc);
	cr_expect(eq(sz, qmp_n_events(peer.q), 2));
	peer_close(&peer);
}

Test(qmp_commands, device_del_sees_an_event_that_precedes_the_reply)
{
	struct peer_move script[3];
	struct peer peer;

	open_with_reply(&peer, script, "device_del",
			DELETED("\"device\": \"gpu0\", ") "{\"return\": {}, \"id\": @ID}\n");
	cr_expect(eq(int, qmp_device_del(peer.q, "gpu0", LATE, NULL), 0));
	cr_expect(eq(sz, qmp_n_events(peer.q), 0));
	peer_close(&peer);
}

Test(qmp_commands, device_del_is_not_fooled_by_an_earlier_device_of_that_id)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "device_del" },
		{ PEER_SEND, "{\"return\": {}, \"id\": @ID}\n" },
		{ PEER_TIME_OUT, NULL },
		{ PEER_END, NULL },
	};
	struct peer peer;

	peer_open_ready(&peer, script);
	peer_say(&peer, DELETED("\"device\": \"gpu0\", "));
	cr_expect(eq(int, qmp_process(peer.q, NULL), 0));
	cr_expect(eq(int, qmp_device_del(peer.q, "gpu0", LATE, NULL), -ETIMEDOUT));
	cr_expect(eq(sz, qmp_n_events(peer.q), 1));
	cr_expect(eq(int, qmp_wait_device_deleted(peer.q, "gpu0", 0, NULL), 0));
	peer_close(&peer);
}

Test(qmp_commands, device_del_fails_early_when_the_guest_refuses)
{
	static const struct peer_move script[] = {
		{ PEER_EXPECT, "device_del" },
		{ PEER_SEND, "{\"return\": {}, \"id\": @ID}\n" },
		{ PEER_SEND,
		  "{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\","
		  " \"data\": {\"device\": \"gpu0\", \"path\": \"/p\"}}\n" },
		{ PEER_END, NULL },
	};
	struct peer peer;
	struct qmp_error err = { 0 };

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_device_del(peer.q, "gpu0", LATE, &err), -EBUSY));
	cr_expect(strstr(err.desc, "gpu0") != NULL);
	peer_close(&peer);
}

Test(qmp_commands, device_add_sends_the_given_object)
{
	struct peer_move script[3];
	struct peer peer;
	struct json_object *device =
		json_tokener_parse("{\"driver\": \"vfio-pci\", \"id\": \"g\"}");

	open_with_reply(&peer, script, "\"arguments\":{\"driver\":\"vfio-pci\",\"id\":\"g\"}",
			"{\"return\": {}, \"id\": @ID}\n");
	cr_expect(eq(int, qmp_device_add(peer.q, device, LATE, NULL), 0));
	json_object_put(device);
	peer_close(&peer);
}

Test(qmp_commands, names_that_are_not_utf8_are_refused)
{
	static const struct peer_move script[] = { { PEER_END, NULL } };
	struct peer peer;

	peer_open_ready(&peer, script);
	cr_expect(eq(int, qmp_device_del(peer.q, "\xff", LATE, NULL), -EINVAL));
	peer_close(&peer);
}

Test(qmp_commands, human_monitor_text)
{
	struct peer_move script[3];
	struct peer peer;
	char *text = NULL;

	open_with_reply(&peer, script, "{\"command-line\":\"info x\"}",
			"{\"return\": \"one\\r\\ntwo\\r\\n\", \"id\": @ID}\n");
	cr_assert(eq(int, qmp_human_monitor_command(peer.q, "info x", LATE, &text, NULL), 0));
	cr_expect(eq(str, text, (char *)"one\r\ntwo\r\n"));
	free(text);
	peer_close(&peer);

	open_with_reply(&peer, script, "info x", "{\"return\": 1, \"id\": @ID}\n");
	cr_expect(eq(int, qmp_human_monitor_command(peer.q, "info x", LATE, &text, NULL), -EPROTO));
	peer_close(&peer);
}

Test(qmp_commands, types_and_commands_are_looked_up_by_their_whole_name)
{
	static const char list[] =
		"{\"return\": [{\"name\": \"vmgenid2\"}, 1, {\"name\": 2},"
		" {\"name\": \"vmgenid\"}], \"id\": @ID}\n";
	struct peer_move script[3];
	struct peer peer;
	bool is_there = false;

	open_with_reply(&peer, script, "{\"implements\":\"vmgenid\"}", list);
	cr_expect(eq(int, qmp_has_type(peer.q, "vmgenid", LATE, &is_there, NULL), 0));
	cr_expect(is_there);
	peer_close(&peer);
	open_with_reply(&peer, script, "query-commands", list);
	cr_expect(eq(int, qmp_has_command(peer.q, "vmgen", LATE, &is_there, NULL), 0));
	cr_expect(not(is_there));
	peer_close(&peer);
	open_with_reply(&peer, script, "query-commands", "{\"return\": {}, \"id\": @ID}\n");
	cr_expect(eq(int, qmp_has_command(peer.q, "x", LATE, &is_there, NULL), -EPROTO));
	peer_close(&peer);
}

Test(qmp_commands, io_error_event)
{
	static const struct {
		const char *text;
		bool is_io_error, is_write, is_no_space, is_stopped;
		const char *device;
	} cases[] = {
		{ "{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"\","
		  " \"node-name\": \"disk0\", \"operation\": \"write\", \"action\": \"stop\","
		  " \"nospace\": true, \"reason\": \"No space left on device\"}}",
		  true, true, true, true, "disk0" },
		{ "{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"device\": \"ide0\","
		  " \"operation\": \"read\", \"action\": \"report\"}}",
		  true, false, false, false, "ide0" },
		{ "{\"event\": \"BLOCK_IO_ERROR\"}", false, false, false, false, "" },
		{ "{\"event\": \"STOP\", \"data\": {\"operation\": \"read\", \"action\": "
		  "\"stop\"}}",
		  false, false, false, false, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *json = json_tokener_parse(cases[i].text);
		struct qmp_event event = { 0 };
		struct qmp_io_error error = { 0 };

		qmp_event_from_json(json, 1, &event);
		cr_assert(eq(int, qmp_event_io_error(&event, &error), cases[i].is_io_error));
		cr_expect(eq(int, error.is_write, cases[i].is_write), "case %zu", i);
		cr_expect(eq(int, error.is_no_space, cases[i].is_no_space), "case %zu", i);
		cr_expect(eq(int, error.is_stopped, cases[i].is_stopped), "case %zu", i);
		cr_expect(eq(str, error.device, (char *)cases[i].device), "case %zu", i);
		qmp_event_done(&event);
		json_object_put(json);
	}
}
