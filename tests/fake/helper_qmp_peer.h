/* SPDX-License-Identifier: MIT */
/*
 * A scripted QMP peer without threads: it plays as the client's wait function, so its next move is
 * made exactly when the client has read all there is and would block.
 */
#ifndef HELPER_QMP_PEER_H
#define HELPER_QMP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qmp/qmp.h"

#define PEER_GREETING                                                                              \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7},"           \
	" \"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n"

/**
 * enum peer_op - One kind of move
 * @PEER_END:      no more moves; the client then waits for real
 * @PEER_EXPECT:   a whole line has come from the client and contains @text
 * @PEER_SEND:     write @text; "@ID" in it stands for the id of the last line read
 * @PEER_SEND_TORN: the same, one byte per move
 * @PEER_HANG_UP:  close the peer's end
 * @PEER_TIME_OUT: let the wait end as a deadline does, without the real time
 * @PEER_CANCEL:   make the wait fail with -ECANCELED
 */
enum peer_op {
	PEER_END,
	PEER_EXPECT,
	PEER_SEND,
	PEER_SEND_TORN,
	PEER_HANG_UP,
	PEER_TIME_OUT,
	PEER_CANCEL
};

struct peer_move {
	enum peer_op op;
	const char *text;
};

/**
 * struct peer - The peer and the client connected to it
 * @q:       the client
 * @fd:      the peer's end, -1 once closed
 * @move:    next move
 * @torn:    bytes of a PEER_SEND_TORN already written
 * @last_id: of the last line read
 * @trace:   number of lines traced, by kind
 */
struct peer {
	struct qmp *q;
	int fd;
	const struct peer_move *move;
	size_t torn;
	unsigned long long last_id;
	unsigned int trace[QMP_TRACE_CLOSED + 1];
};

/* Connect a client in state GREETING to a peer that plays @script (ended by PEER_END). */
void peer_open(struct peer *peer, const struct peer_move *script);

/* The same with greeting and capabilities done: the client is READY, its next id is 2. */
void peer_open_ready(struct peer *peer, const struct peer_move *script);

/* Check that the whole script was played, and release everything. */
void peer_close(struct peer *peer);

/* Write to the client, whatever the script says. */
void peer_send(struct peer *peer, const char *bytes, size_t len);
void peer_say(struct peer *peer, const char *text);

/* Read one line from the client, without its newline, into @line. Fails the test if there is none.
 */
void peer_read_line(struct peer *peer, char *line, size_t size);

/* Absolute deadline, @ms milliseconds from now. */
uint64_t in_ms(unsigned int ms);

#endif
