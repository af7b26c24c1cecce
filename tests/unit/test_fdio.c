/* SPDX-License-Identifier: MIT */
/* Descriptors that others share are used without blocking and without being changed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/fdio.h"
#include "guest/outlet.h"

static bool is_nonblocking(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

/* Writes until it would block; the descriptor itself must stay a blocking one. */
static size_t fill(struct fdio *io, int fd)
{
	static char block[8192];
	size_t total = 0;
	ssize_t n;

	while ((n = fdio_write(io, block, sizeof(block))) > 0)
		total += (size_t)n;
	cr_assert_eq(n, -EAGAIN);
	cr_assert(!is_nonblocking(fd));
	return total;
}

Test(fdio, pipes_are_filled_without_blocking)
{
	struct fdio io = FDIO_INIT, in = FDIO_INIT;
	char buf[65536];
	int p[2];

	cr_assert(pipe(p) == 0);
	fdio_open(&io, p[1], true);
	fdio_open(&in, p[0], false);
	cr_assert_eq(io.kind, FDIO_REOPENED);
	cr_assert_eq(fdio_read(&in, buf, sizeof(buf)), -EAGAIN);
	cr_assert_eq(fill(&io, p[1]), 65536);
	cr_assert_gt(fdio_read(&in, buf, 4096), 0);
	cr_assert(!is_nonblocking(p[0]));
	/* Closing ours leaves the other copy open, and then the end is seen. */
	fdio_close(&io);
	cr_assert(fcntl(p[1], F_GETFD) >= 0);
	close(p[1]);
	while (fdio_read(&in, buf, sizeof(buf)) > 0)
		;
	cr_assert_eq(fdio_read(&in, buf, sizeof(buf)), 0);
	fdio_close(&in);
}

Test(fdio, sockets_are_filled_without_blocking)
{
	struct fdio io = FDIO_INIT, in = FDIO_INIT;
	char buf[16];
	int p[2];

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	fdio_open(&io, p[1], true);
	fdio_open(&in, p[0], false);
	cr_assert_eq(io.kind, FDIO_SOCKET);
	cr_assert_eq(fdio_read(&in, buf, sizeof(buf)), -EAGAIN);
	cr_assert_gt(fill(&io, p[1]), 0);
	close(p[0]);
	/* No SIGPIPE from a socket, whatever its disposition. */
	cr_assert_eq(fdio_write(&io, "x", 1), -EPIPE);
}

Test(fdio, a_pipe_that_cannot_be_opened_anew_is_polled)
{
	struct fdio io = { .kind = FDIO_POLLED };
	int p[2];

	cr_assert(pipe(p) == 0);
	io.fd = p[1];
	cr_assert_eq(fill(&io, p[1]), 65536);
	io.fd = p[0];
	cr_assert_eq(fdio_read(&io, (char[1]){ 0 }, 1), 1);
}

Test(fdio, closed_descriptors_read_as_end_and_swallow)
{
	struct fdio io = FDIO_INIT;
	char buf[4];

	close(0);
	fdio_open(&io, 0, false);
	cr_assert_eq(io.kind, FDIO_NONE);
	cr_assert_eq(fdio_read(&io, buf, sizeof(buf)), 0);
	fdio_open(&io, -1, true);
	cr_assert_eq(fdio_write(&io, "abc", 3), 3);
	fdio_close(&io);
}

Test(fdio, files_and_null_are_plain)
{
	struct fdio io = FDIO_INIT;
	int fd = open("/dev/null", O_RDWR);

	fdio_open(&io, fd, true);
	cr_assert_eq(io.kind, FDIO_PLAIN);
	cr_assert(fdio_is_ready_always(&io));
	cr_assert_eq(fdio_write(&io, "abc", 3), 3);
	fdio_close(&io);
	cr_assert(fcntl(fd, F_GETFD) >= 0);
}

Test(outlet, keeps_what_does_not_go_and_loses_nothing)
{
	struct outlet o;
	static char in[200000], back[200000];
	size_t given = 0, got = 0;
	int p[2];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 31 % 251);
	cr_assert(pipe(p) == 0);
	outlet_open(&o, p[1]);
	cr_assert_eq(outlet_keep(&o, in, 70000), 0);
	given = 70000;
	cr_assert(o.blocked);
	cr_assert_eq(outlet_take(&o, in + given, 10), 0);
	while (got < sizeof(in)) {
		ssize_t n;

		if (o.kept != NULL)
			outlet_flush(&o);
		given += outlet_take(&o, in + given, sizeof(in) - given);
		n = read(p[0], back + got, 5000);
		cr_assert_gt(n, 0);
		got += (size_t)n;
	}
	cr_assert(memcmp(in, back, sizeof(in)) == 0);
	cr_assert_eq(o.bytes, sizeof(in));
	outlet_done(&o);
}

Test(outlet, notes_a_reader_that_left_and_swallows_the_rest)
{
	struct outlet o;
	int p[2];

	signal(SIGPIPE, SIG_IGN);
	cr_assert(pipe(p) == 0);
	outlet_open(&o, p[1]);
	close(p[0]);
	cr_assert_eq(outlet_take(&o, "abc", 3), 3);
	cr_assert_eq(o.error, -EPIPE);
	cr_assert_eq(outlet_take(&o, "abc", 3), 3);
	cr_assert_eq(o.bytes, 0);
	outlet_done(&o);
}

Test(outlet, full_disks_are_told_apart)
{
	struct outlet o;
	int fd = open("/dev/full", O_WRONLY);

	outlet_open(&o, fd);
	cr_assert_eq(outlet_take(&o, "abc", 3), 3);
	cr_assert_eq(o.error, -ENOSPC);
	outlet_done(&o);
}
