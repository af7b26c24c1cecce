/* SPDX-License-Identifier: MIT */
#include "vm/serial_ring.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "vm/serial.h"
#include "vm/tail.h"

#define MAGIC        "BMVMSER1"
#define HEADER_SIZE  64
#define CAPACITY_MAX ((uint64_t)64 << 20)

struct header {
	char magic[8];
	uint64_t capacity; /* little-endian, as total */
	uint64_t total;
	char zero[HEADER_SIZE - 24];
};

_Static_assert(sizeof(struct header) == HEADER_SIZE, "the header is 64 bytes");

static int write_at(int fd, const void *data, size_t len, uint64_t at)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_at(int fd, void *data, size_t len, uint64_t at)
{
	char *p = data;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EINVAL;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_header(int fd, uint64_t capacity, uint64_t total)
{
	struct header h = { .capacity = htole64(capacity), .total = htole64(total) };

	memcpy(h.magic, MAGIC, sizeof(h.magic));
	return write_at(fd, &h, sizeof(h), 0);
}

static int read_header(int fd, uint64_t *ret_capacity, uint64_t *ret_total)
{
	struct header h;
	int r = read_at(fd, &h, sizeof(h), 0);

	if (r < 0)
		return r;
	*ret_capacity = le64toh(h.capacity);
	*ret_total = le64toh(h.total);
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 || *ret_capacity == 0 ||
	    *ret_capacity > CAPACITY_MAX)
		return -EINVAL;
	return 0;
}

int serial_ring_create(int dir_fd, const char *name, uint64_t capacity, int *ret, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (capacity == 0 || capacity > CAPACITY_MAX)
		return error_set(err, EINVAL, "%s: bad capacity", name);
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, "remove %s", name);
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, "make %s", name);
	if (fallocate(fd, 0, 0, (off_t)(HEADER_SIZE + capacity)) < 0 &&
	    ftruncate(fd, (off_t)(HEADER_SIZE + capacity)) < 0)
		return error_errno(err, "make %s", name);
	r = write_header(fd, capacity, 0);
	if (r < 0)
		return error_set(err, -r, "write %s: %s", name, strerror(-r));
	*ret = TAKE_FD(fd);
	return 0;
}

void serial_ring_write(int fd, uint64_t capacity, uint64_t *total, const char *data, size_t len)
{
	while (len > 0) {
		uint64_t at = *total % capacity;
		size_t n = len < capacity - at ? len : (size_t)(capacity - at);

		if (write_at(fd, data, n, HEADER_SIZE + at) < 0)
			return;
		*total += n;
		data += n;
		len -= n;
	}
	(void)write_header(fd, capacity, *total);
}

/* Where the bytes from number @from to @to are, in at most two pieces. */
static int read_range(int fd, uint64_t capacity, uint64_t from, uint64_t to, char *buf)
{
	while (from < to) {
		uint64_t at = from % capacity;
		uint64_t n = to - from < capacity - at ? to - from : capacity - at;
		int r = read_at(fd, buf, (size_t)n, HEADER_SIZE + at);

		if (r < 0)
			return r;
		buf += n;
		from += n;
	}
	return 0;
}

int serial_ring_read(int fd, char **ret, size_t *ret_len, struct error *err)
{
	uint64_t capacity = 0, total = 0, now = 0, from, kept;
	AUTO_FREE char *data = NULL;
	int r = read_header(fd, &capacity, &total);

	if (r < 0)
		return error_set(err, -r, "serial log: %s",
				 r == -EINVAL ? "not a ring file" : strerror(-r));
	from = total > capacity ? total - capacity : 0;
	data = malloc((size_t)(total - from) + 1);
	if (data == NULL)
		return error_set(err, ENOMEM, "serial log: out of memory");
	r = read_range(fd, capacity, from, total, data);
	if (r == 0)
		r = read_header(fd, &capacity, &now);
	if (r < 0)
		return error_set(err, -r, "serial log: %s", strerror(-r));
	/* what the writer has overwritten meanwhile is not what was there */
	kept = now > capacity && now - capacity > from ? now - capacity : from;
	if (kept > total)
		kept = total;
	*ret_len = (size_t)(total - kept);
	memmove(data, data + (kept - from), *ret_len);
	data[*ret_len] = '\0';
	*ret = TAKE_PTR(data);
	return 0;
}

int serial_raw(int dir_fd, char **ret, size_t *ret_len, struct error *err)
{
	AUTO_CLOSE int fd = openat(dir_fd, SERIAL_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "open %s", SERIAL_FILE);
	return serial_ring_read(fd, ret, ret_len, err);
}

int serial_tail(int dir_fd, size_t lines, char **ret, struct error *err)
{
	AUTO_FREE char *data = NULL;
	size_t len = 0, from;
	int r = serial_raw(dir_fd, &data, &len, err);

	if (r < 0)
		return r;
	from = text_last_lines(data, len, lines);
	while (len > from && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	*ret = text_printable(data + from, len - from);
	return *ret == NULL ? error_set(err, ENOMEM, "serial log: out of memory") : 0;
}
