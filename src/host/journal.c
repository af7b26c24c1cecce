/* SPDX-License-Identifier: MIT */
#include "host/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#define JOURNAL_NAME "journal"
#define JOURNAL_CAP  ((size_t)16 << 20)

/**
 * struct records - A journal read back
 * @v:            the records, NULL where the record has been undone
 * @seqs:         their numbers
 * @keeps_undone: but not here
 */
struct records {
	struct json_object **v;
	uint64_t *seqs;
	size_t n;
	bool keeps_undone;
};

static void records_done(struct records *rs)
{
	for (size_t i = 0; i < rs->n; i++)
		(void)json_object_put(rs->v[i]);
	free(rs->v);
	free(rs->seqs);
	*rs = (struct records){ .v = NULL };
}

static int records_add(struct records *rs, uint64_t seq, struct json_object *o)
{
	struct json_object **v = realloc(rs->v, (rs->n + 1) * sizeof(struct json_object *));
	uint64_t *seqs;

	if (v == NULL)
		return -ENOMEM;
	rs->v = v;
	seqs = realloc(rs->seqs, (rs->n + 1) * sizeof(*seqs));
	if (seqs == NULL)
		return -ENOMEM;
	rs->seqs = seqs;
	rs->v[rs->n] = json_object_get(o);
	rs->seqs[rs->n++] = seq;
	return 0;
}

static void records_drop(struct records *rs, uint64_t seq)
{
	for (size_t i = 0; i < rs->n; i++) {
		if (rs->seqs[i] == seq && rs->v[i] != NULL) {
			(void)json_object_put(rs->v[i]);
			rs->v[i] = NULL;
		}
	}
}

/* One line; a line that is no record (torn by a crash) counts as never written. */
static int read_line(struct records *rs, const char *line, size_t len, uint64_t *last_seq)
{
	AUTO_JSON struct json_object *o = NULL;
	uint64_t seq = 0, undone = 0;

	if (json_parse(line, len, &o, NULL) < 0 || json_get_u64(o, "seq", &seq, NULL) < 0)
		return 0;
	if (seq > *last_seq)
		*last_seq = seq;
	if (json_get_u64(o, "undone", &undone, NULL) == 0) {
		if (!rs->keeps_undone)
			records_drop(rs, undone);
		return 0;
	}
	return records_add(rs, seq, o);
}

static int read_records(int fd, struct records *rs, uint64_t *last_seq, struct error *err)
{
	AUTO_FREE char *text = NULL;
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : fd_read_all(fd, JOURNAL_CAP, &text, NULL);

	*last_seq = 0;
	for (const char *p = text; r == 0 && p != NULL && *p != '\0';) {
		size_t len = strcspn(p, "\n");

		r = read_line(rs, p, len, last_seq);
		p += len + (p[len] == '\n' ? 1 : 0);
	}
	return r < 0 ? error_set(err, -r, "read journal: %s", strerror(-r)) : 0;
}

int journal_open(int dir_fd, const char *boot_id, struct journal *ret, struct error *err)
{
	int flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
	struct journal j = { .fd = openat(dir_fd, JOURNAL_NAME, flags, 0600), .boot_id = boot_id };
	struct records rs = { .v = NULL };
	uint64_t last_seq = 0;
	int r;

	if (j.fd < 0)
		return error_errno(err, "open journal");
	r = read_records(j.fd, &rs, &last_seq, err);
	records_done(&rs);
	/* if the last line is torn, end it, or the next record would be torn with it */
	if (r == 0 && lseek(j.fd, 0, SEEK_END) > 0 && fd_write_all(j.fd, "\n", 1) < 0)
		r = error_errno(err, "write journal");
	if (r < 0) {
		journal_close(&j);
		return r;
	}
	j.next_seq = last_seq + 1;
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	close_fd(&j->fd);
}

static int append(struct journal *j, struct json_object *record, struct error *err)
{
	AUTO_FREE char *line = NULL;
	int n = asprintf(&line, "%s\n", json_compact(record));
	int r;

	if (n < 0) {
		line = NULL;
		return error_set(err, ENOMEM, "write journal: out of memory");
	}
	r = fd_write_all(j->fd, line, (size_t)n);
	if (r == 0 && fdatasync(j->fd) < 0)
		r = -errno;
	return r < 0 ? error_set(err, -r, "write journal: %s", strerror(-r)) : 0;
}

int64_t journal_intend(struct journal *j, const char *op, struct json_object *what,
		       struct error *err)
{
	AUTO_JSON struct json_object *record = what;
	uint64_t seq = j->next_seq;
	int r;

	json_add_u64(record, "seq", seq);
	json_add_str(record, "op", op);
	json_add_str(record, "boot", j->boot_id);
	r = append(j, record, err);
	if (r < 0)
		return r;
	j->next_seq++;
	return (int64_t)seq;
}

int journal_undone(struct journal *j, uint64_t seq, struct error *err)
{
	AUTO_JSON struct json_object *record = json_new_object();
	int r;

	json_add_u64(record, "seq", j->next_seq);
	json_add_u64(record, "undone", seq);
	r = append(j, record, err);
	if (r == 0)
		j->next_seq++;
	return r;
}

static int undo_record(struct journal *j, struct json_object *record, uint64_t seq, journal_fn *fn,
		       void *data, struct error *err)
{
	bool same_boot = strcmp(json_str_or(record, "boot", ""), j->boot_id) == 0;
	int r = fn(data, record, same_boot, err);

	return r == 0 ? journal_undone(j, seq, err) : r;
}

int journal_walk_back(struct journal *j, journal_fn *fn, void *data, struct error *err)
{
	struct records rs = { .v = NULL };
	uint64_t last_seq = 0;
	int first = read_records(j->fd, &rs, &last_seq, err);

	for (size_t i = first < 0 ? 0 : rs.n; i-- > 0;) {
		struct error one = ERROR_INIT;
		int r;

		if (rs.v[i] == NULL)
			continue;
		r = undo_record(j, rs.v[i], rs.seqs[i], fn, data, &one);
		if (r < 0 && first == 0) {
			first = r;
			if (err != NULL)
				*err = one;
		}
	}
	records_done(&rs);
	return first;
}

int journal_each(const struct journal *j, const char *op,
		 void (*fn)(void *data, struct json_object *record), void *data, struct error *err)
{
	struct records rs = { .keeps_undone = true };
	uint64_t last_seq = 0;
	int r = read_records(j->fd, &rs, &last_seq, err);

	for (size_t i = 0; r == 0 && i < rs.n; i++) {
		if (strcmp(json_str_or(rs.v[i], "op", ""), op) == 0)
			fn(data, rs.v[i]);
	}
	records_done(&rs);
	return r;
}
