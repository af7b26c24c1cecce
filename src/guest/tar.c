/* SPDX-License-Identifier: MIT */
#include "guest/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Offsets and sizes of the fields, POSIX pax "ustar Interchange Format". */
enum {
	NAME_AT = 0,
	NAME_SIZE = 100,
	MODE_AT = 100,
	MODE_SIZE = 8,
	SIZE_AT = 124,
	SIZE_SIZE = 12,
	CHECKSUM_AT = 148,
	CHECKSUM_SIZE = 8,
	TYPE_AT = 156,
	MAGIC_AT = 257,
	PREFIX_AT = 345,
	PREFIX_SIZE = 155,
};

void tar_reader_init(struct tar_reader *t, const struct tar_handler *handler, void *data)
{
	memset(t, 0, sizeof(*t));
	t->handler = handler;
	t->data = data;
}

void tar_reader_done(struct tar_reader *t)
{
	free(t->meta);
	free(t->long_name);
	t->meta = NULL;
	t->long_name = NULL;
}

static int unsound(struct error *err, const char *why)
{
	return error_set(err, EPROTO, "the guest sent no sound tar stream: %s", why);
}

/* ---- fields ---- */

static bool octal(const char *field, size_t size, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
		if (value > UINT64_MAX >> 3)
			return false;
		value = value << 3 | (uint64_t)(field[i] - '0');
	}
	*ret = value;
	return i == size || field[i] == ' ' || field[i] == '\0';
}

/* GNU: first bit set, the rest is big-endian binary; a second set bit would mean negative. */
static bool binary(const char *field, size_t size, uint64_t *ret)
{
	uint64_t value = (unsigned char)field[0] & 0x7f;

	for (size_t i = 1; i < size; i++) {
		if (value > UINT64_MAX >> 8)
			return false;
		value = value << 8 | (unsigned char)field[i];
	}
	*ret = value;
	return true;
}

static bool number(const char *field, size_t size, uint64_t *ret)
{
	unsigned char first = (unsigned char)field[0];

	if ((first & 0x80) == 0)
		return octal(field, size, ret);
	/* Sizes end here at 2^62, so that sums of them cannot overflow. */
	return (first & 0x40) == 0 && binary(field, size, ret) && *ret < UINT64_C(1) << 62;
}

static bool checksum_holds(const char *block)
{
	uint64_t want, sum = 0;

	if (!octal(block + CHECKSUM_AT, CHECKSUM_SIZE, &want))
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool in_field = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_SIZE;

		sum += in_field ? ' ' : (unsigned char)block[i];
	}
	return sum == want;
}

static bool is_zero(const char *block)
{
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		if (block[i] != '\0')
			return false;
	}
	return true;
}

/* ---- names ---- */

static void block_name(struct tar_reader *t)
{
	const char *b = t->block;
	char *name = t->entry.name;
	size_t len = 0;

	if (memcmp(b + MAGIC_AT, "ustar", 6) == 0) {
		len = strnlen(b + PREFIX_AT, PREFIX_SIZE);
		memcpy(name, b + PREFIX_AT, len);
		if (len > 0)
			name[len++] = '/';
	}
	memcpy(name + len, b + NAME_AT, NAME_SIZE);
	name[len + NAME_SIZE] = '\0';
}

static bool set_name(struct tar_reader *t)
{
	char *name = t->entry.name;
	bool slash = false;

	if (t->long_name != NULL) {
		(void)memccpy(name, t->long_name, '\0', sizeof(t->entry.name));
		name[sizeof(t->entry.name) - 1] = '\0';
		free(t->long_name);
		t->long_name = NULL;
	} else {
		block_name(t);
	}
	for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--) {
		name[n - 1] = '\0';
		slash = true;
	}
	return slash;
}

/* ---- meta entries: they describe the next entry ---- */

/* A NUL inside, or more than any path: the entry will be refused. */
static int take_long_name(struct tar_reader *t, const char *value, size_t len, struct error *err)
{
	while (len > 0 && value[len - 1] == '\0')
		len--;
	if (len >= PATH_MAX || memchr(value, '\0', len) != NULL) {
		t->bad_name = true;
		len = 0;
	}
	free(t->long_name);
	t->long_name = strndup(value, len);
	return t->long_name == NULL ? error_set(err, ENOMEM, "out of memory") : 0;
}

static bool take_size(struct tar_reader *t, const char *value, size_t len)
{
	t->has_size = true;
	t->long_size = 0;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9' || t->long_size > UINT64_C(1) << 58)
			return false;
		t->long_size = t->long_size * 10 + (uint64_t)(value[i] - '0');
	}
	return len > 0;
}

static bool has_key(const char *record, const char *eq, const char *key)
{
	return (size_t)(eq - record) == strlen(key) && memcmp(record, key, strlen(key)) == 0;
}

/* One "KEY=VALUE" of a pax header. */
static int pax_record(struct tar_reader *t, const char *record, size_t len, struct error *err)
{
	const char *eq = memchr(record, '=', len);
	const char *value;
	size_t value_len;

	if (eq == NULL)
		return unsound(err, "bad pax record");
	value = eq + 1;
	value_len = len - (size_t)(value - record);
	if (has_key(record, eq, "path"))
		return take_long_name(t, value, value_len, err);
	if (has_key(record, eq, "size") && !take_size(t, value, value_len))
		return unsound(err, "bad pax size");
	if (len > 11 && memcmp(record, "GNU.sparse.", 11) == 0)
		t->sparse = true;
	return 0;
}

/* Records are "LENGTH KEY=VALUE\n", the length counting itself. */
static int pax_header(struct tar_reader *t, struct error *err)
{
	const char *p = t->meta;
	size_t left = t->meta_len;

	while (left > 0) {
		size_t len = 0, digits = 0;
		int r;

		while (digits < left && digits < 6 && p[digits] >= '0' && p[digits] <= '9')
			len = len * 10 + (size_t)(p[digits++] - '0');
		if (digits == 0 || digits >= left || p[digits] != ' ' || len > left ||
		    len < digits + 2 || p[len - 1] != '\n')
			return unsound(err, "bad pax record");
		r = pax_record(t, p + digits + 1, len - digits - 2, err);
		if (r < 0)
			return r;
		p += len;
		left -= len;
	}
	return 0;
}

static int meta_complete(struct tar_reader *t, struct error *err)
{
	int r = 0;

	if (t->meta_type == 'L')
		r = take_long_name(t, t->meta, t->meta_len, err);
	else if (t->meta_type == 'x')
		r = pax_header(t, err);
	free(t->meta);
	t->meta = NULL;
	t->state = TAR_STATE_SKIP;
	return r;
}

/* ---- entries ---- */

static void classify(struct tar_reader *t, char type, bool slash)
{
	static const struct {
		char type;
		enum tar_kind kind;
		const char *what;
	} kinds[] = {
		{ '0', TAR_FILE, "file" },        { '\0', TAR_FILE, "file" },
		{ '7', TAR_FILE, "file" },        { '5', TAR_FOLDER, "folder" },
		{ '1', TAR_OTHER, "hard link" },  { '2', TAR_OTHER, "symbolic link" },
		{ '3', TAR_OTHER, "device" },     { '4', TAR_OTHER, "device" },
		{ '6', TAR_OTHER, "named pipe" }, { 'S', TAR_OTHER, "sparse file" },
	};
	struct tar_entry *e = &t->entry;

	e->kind = TAR_OTHER;
	e->what = "entry of unknown kind";
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].type == type) {
			e->kind = kinds[i].kind;
			e->what = kinds[i].what;
		}
	}
	if (e->kind == TAR_FILE && slash) {
		e->kind = TAR_FOLDER;
		e->what = "folder";
	}
	if (t->sparse || t->bad_name) {
		e->kind = TAR_OTHER;
		e->what = t->bad_name ? "entry with a bad name" : "sparse file";
	}
}

static void set_padding(struct tar_reader *t)
{
	t->padding = (TAR_BLOCK - t->left % TAR_BLOCK) % TAR_BLOCK;
}

static int begin_meta(struct tar_reader *t, char type, uint64_t size, struct error *err)
{
	t->left = size;
	set_padding(t);
	if (type == 'g' || type == 'K') {
		t->state = TAR_STATE_SKIP;
		t->padding += t->left;
		t->left = 0;
		return 0;
	}
	if (size > TAR_META_MAX)
		return unsound(err, "a header of unlikely size");
	t->meta = malloc(size + 1);
	if (t->meta == NULL)
		return error_set(err, ENOMEM, "out of memory");
	t->meta_len = 0;
	t->meta_type = type;
	t->state = TAR_STATE_META;
	return t->left == 0 ? meta_complete(t, err) : 0;
}

static int begin_entry(struct tar_reader *t, char type, uint64_t size, struct error *err)
{
	bool slash = set_name(t);
	uint64_t mode;
	int r;

	if (!number(t->block + MODE_AT, MODE_SIZE, &mode))
		return unsound(err, "bad mode");
	if (t->has_size)
		size = t->long_size;
	classify(t, type, slash);
	/* Links, devices and folders have no data, whatever their size field says. */
	t->left = type >= '1' && type <= '6' ? 0 : size;
	set_padding(t);
	t->entry.mode = (mode_t)(mode & 07777);
	t->entry.size = t->entry.kind == TAR_FILE ? size : 0;
	t->has_size = false;
	t->sparse = false;
	t->bad_name = false;
	t->state = TAR_STATE_DATA;
	r = t->handler->entry(t->data, &t->entry, err);
	if (r < 0)
		return r;
	if (t->entry.kind != TAR_FILE) {
		t->state = TAR_STATE_SKIP;
		t->padding += t->left;
		t->left = 0;
	} else if (t->left == 0) {
		t->state = TAR_STATE_SKIP;
		r = t->handler->end(t->data, err);
	}
	return r;
}

static int header_complete(struct tar_reader *t, struct error *err)
{
	char type = t->block[TYPE_AT];
	uint64_t size;

	t->block_len = 0;
	if (is_zero(t->block)) {
		t->state = TAR_STATE_END;
		return 0;
	}
	if (!checksum_holds(t->block))
		return unsound(err, "bad checksum");
	if (!number(t->block + SIZE_AT, SIZE_SIZE, &size))
		return unsound(err, "bad size");
	if (strchr("xgLK", type) != NULL && type != '\0')
		return begin_meta(t, type, size, err);
	return begin_entry(t, type, size, err);
}

/* ---- the stream ---- */

static size_t at_most(size_t len, uint64_t limit)
{
	return len < limit ? len : (size_t)limit;
}

/* Takes bytes in the present state. Return: how many; < 0. */
static ssize_t step(struct tar_reader *t, const char *buf, size_t len, struct error *err)
{
	size_t n = len;
	int r = 0;

	switch (t->state) {
	case TAR_STATE_HEADER:
		n = at_most(len, TAR_BLOCK - t->block_len);
		memcpy(t->block + t->block_len, buf, n);
		t->block_len += n;
		if (t->block_len == TAR_BLOCK)
			r = header_complete(t, err);
		break;
	case TAR_STATE_META:
		n = at_most(len, t->left);
		memcpy(t->meta + t->meta_len, buf, n);
		t->meta_len += n;
		t->left -= n;
		if (t->left == 0)
			r = meta_complete(t, err);
		break;
	case TAR_STATE_DATA:
		n = at_most(len, t->left);
		t->left -= n;
		r = t->handler->data(t->data, buf, n, err);
		if (r == 0 && t->left == 0) {
			t->state = TAR_STATE_SKIP;
			r = t->handler->end(t->data, err);
		}
		break;
	case TAR_STATE_SKIP:
		n = at_most(len, t->padding);
		t->padding -= n;
		if (t->padding == 0)
			t->state = TAR_STATE_HEADER;
		break;
	case TAR_STATE_END:
		break;
	}
	return r < 0 ? r : (ssize_t)n;
}

int tar_reader_feed(struct tar_reader *t, const char *buf, size_t len, struct error *err)
{
	t->any = t->any || len > 0;
	while (len > 0) {
		ssize_t n = step(t, buf, len, err);

		if (n < 0)
			return (int)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

int tar_reader_finish(const struct tar_reader *t, struct error *err)
{
	return t->state == TAR_STATE_END || !t->any ? 0 : unsound(err, "it was cut short");
}
