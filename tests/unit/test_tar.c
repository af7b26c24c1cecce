/* SPDX-License-Identifier: MIT */
/* The tar reader, on streams of its friends and of its enemies. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guest/tar.h"

/* What was seen, as text: "file NAME SIZE MODE\n" "data TEXT\n" "end\n" ... */
struct log {
	char text[16384];
	size_t len;
	int fail_at_entry;
	uint64_t bytes;
};

static struct tar_reader tar;
static struct log seen;

static void note(const char *text)
{
	size_t n = strlen(text);

	if (n < sizeof(seen.text) - seen.len) {
		memcpy(seen.text + seen.len, text, n + 1);
		seen.len += n;
	}
}

static int on_entry(void *data, const struct tar_entry *e, struct error *err)
{
	char line[PATH_MAX + 100];

	(void)data;
	(void)err;
	(void)snprintf(line, sizeof(line), "%s %.60s %llu %o\n", e->what, e->name,
		       (unsigned long long)e->size, (unsigned int)e->mode);
	note(line);
	return seen.fail_at_entry;
}

static int on_data(void *data, const char *buf, size_t len, struct error *err)
{
	(void)data;
	(void)buf;
	(void)err;
	seen.bytes += len;
	return 0;
}

static int on_end(void *data, struct error *err)
{
	(void)data;
	(void)err;
	note("end\n");
	return 0;
}

static const struct tar_handler handler = { on_entry, on_data, on_end };

static void setup(void)
{
	tar_reader_init(&tar, &handler, NULL);
	memset(&seen, 0, sizeof(seen));
}

static void teardown(void)
{
	tar_reader_done(&tar);
}

TestSuite(tar, .init = setup, .fini = teardown);

/* ---- writing ---- */

struct stream {
	char buf[256 * 1024];
	size_t len;
};

static struct stream out;

static void seal(char *block)
{
	unsigned int sum = 0;

	memset(block + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)block[i];
	(void)snprintf(block + 148, 8, "%06o", sum);
}

static char *header(const char *name, char type, unsigned long long size)
{
	char *b = out.buf + out.len;
	char octal[32];

	memset(b, 0, 512);
	(void)strncpy(b, name, 100);
	memcpy(b + 100, "0000644", 7);
	(void)snprintf(octal, sizeof(octal), "%011llo", size);
	memcpy(b + 124, octal, 11);
	b[156] = type;
	memcpy(b + 257, "ustar\00000", 8);
	seal(b);
	out.len += 512;
	return b;
}

static void payload(const char *data, size_t len)
{
	memcpy(out.buf + out.len, data, len);
	out.len += len;
	while (out.len % 512 != 0)
		out.buf[out.len++] = '\0';
}

static void file(const char *name, const char *text)
{
	(void)header(name, '0', strlen(text));
	payload(text, strlen(text));
}

static void trailer(void)
{
	memset(out.buf + out.len, 0, 1024);
	out.len += 1024;
}

static int feed_all(void)
{
	struct error err = ERROR_INIT;
	int r = tar_reader_feed(&tar, out.buf, out.len, &err);

	return r < 0 ? r : tar_reader_finish(&tar, &err);
}

Test(tar, files_and_folders)
{
	file("a", "hello");
	(void)header("d/", '5', 0);
	file("d/empty", "");
	(void)header("old-style-folder/", '\0', 0);
	trailer();
	cr_assert_eq(feed_all(), 0);
	cr_assert_str_eq(seen.text,
			 "file a 5 644\nend\nfolder d 0 644\nfile d/empty 0 644\nend\n"
			 "folder old-style-folder 0 644\n");
	cr_assert_eq(seen.bytes, 5);
}

Test(tar, any_cut_gives_the_same)
{
	static const size_t cuts[] = { 1, 2, 7, 511, 512, 513, 1000 };
	char want[sizeof(seen.text)];

	file("first", "some text");
	(void)header("././@LongLink", 'L', 150);
	payload("long-name-long-name-long-name-long-name-long-name-long-name-long-name-long-name-"
		"long-name-long-name-long-name-long-name-long-name-long-name-long-name",
		150);
	file("cut", "more text");
	trailer();
	cr_assert_eq(feed_all(), 0);
	memcpy(want, seen.text, sizeof(want));
	cr_assert(strstr(want, "file long-name-long-name") != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		teardown();
		setup();
		for (size_t at = 0; at < out.len; at += cuts[i]) {
			size_t n = out.len - at < cuts[i] ? out.len - at : cuts[i];

			cr_assert_eq(tar_reader_feed(&tar, out.buf + at, n, NULL), 0);
		}
		cr_assert_eq(tar_reader_finish(&tar, NULL), 0);
		cr_assert_str_eq(seen.text, want, "pieces of %zu", cuts[i]);
	}
}

Test(tar, pax_path_and_size)
{
	(void)header("pax", 'x', 32);
	payload("21 path=dir/the name\n11 size=12\n", 32);
	(void)header("short", '0', 3);
	payload("twelve bytes", 12);
	file("next", "x");
	trailer();
	cr_assert_eq(feed_all(), 0);
	cr_assert_str_eq(seen.text, "file dir/the name 12 644\nend\nfile next 1 644\nend\n");
}

Test(tar, global_headers_and_long_links_are_passed_over)
{
	(void)header("g", 'g', 14);
	payload("14 path=evil\n\n", 14);
	(void)header("K", 'K', 3);
	payload("xyz", 3);
	file("a", "1");
	trailer();
	cr_assert_eq(feed_all(), 0);
	cr_assert_str_eq(seen.text, "file a 1 644\nend\n");
}

Test(tar, ustar_prefix_and_full_fields)
{
	char name[101];
	char *b;

	memset(name, 'n', 100);
	name[100] = '\0';
	b = header(name, '0', 0);
	memcpy(b + 345, "pre/fix", 7);
	seal(b);
	trailer();
	cr_assert_eq(feed_all(), 0);
	cr_assert(strncmp(seen.text, "file pre/fix/nnnn", 17) == 0, "%s", seen.text);
}

Test(tar, sizes_in_binary)
{
	char *b = header("big", '0', 0);

	memset(b + 124, 0, 12);
	b[124] = (char)0x80;
	b[124 + 7] = 2; /* 2 * 2^32 */
	seal(b);
	cr_assert_eq(tar_reader_feed(&tar, out.buf, out.len, NULL), 0);
	cr_assert_str_eq(seen.text, "file big 8589934592 644\n");
	cr_assert_eq(tar_reader_finish(&tar, NULL), -EPROTO);
}

Test(tar, other_kinds_are_named_and_carry_no_data)
{
	(void)header("l", '2', 0);
	(void)header("h", '1', 512); /* a size that must not be believed */
	(void)header("c", '3', 0);
	(void)header("p", '6', 0);
	(void)header("v", 'V', 3); /* unknown: its data is passed over */
	payload("abc", 3);
	file("a", "1");
	trailer();
	cr_assert_eq(feed_all(), 0);
	cr_assert_str_eq(seen.text,
			 "symbolic link l 0 644\nhard link h 0 644\ndevice c 0 644\n"
			 "named pipe p 0 644\nentry of unknown kind v 0 644\nfile a 1 644\nend\n");
}

Test(tar, names_with_nul_or_too_long_are_marked)
{
	static char name[PATH_MAX + 1];

	memset(name, 'n', sizeof(name));
	(void)header("L", 'L', 9);
	payload("good\0evil", 9);
	file("x", "1");
	(void)header("L", 'L', sizeof(name));
	payload(name, sizeof(name));
	file("y", "1");
	file("z", "1");
	trailer();
	cr_assert_eq(feed_all(), 0);
	cr_assert_str_eq(seen.text,
			 "entry with a bad name  0 644\nentry with a bad name  0 644\n"
			 "file z 1 644\nend\n");
}

Test(tar, sparse_files_are_not_files)
{
	(void)header("x", 'x', 22);
	payload("22 GNU.sparse.major=1\n", 22);
	file("s", "map");
	file("a", "1");
	trailer();
	cr_assert_eq(feed_all(), 0);
	cr_assert_str_eq(seen.text, "sparse file s 0 644\nfile a 1 644\nend\n");
}

Test(tar, empty_streams_and_archives_are_fine)
{
	cr_assert_eq(tar_reader_finish(&tar, NULL), 0);
	trailer();
	cr_assert_eq(feed_all(), 0);
	cr_assert_str_eq(seen.text, "");
}

Test(tar, a_handlers_refusal_ends_it)
{
	file("a", "1");
	seen.fail_at_entry = -EFBIG;
	cr_assert_eq(feed_all(), -EFBIG);
}

/* ---- enemies ---- */

Test(tar, unsound_headers_are_refused)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t len;
	} damage[] = {
		{ 124, "9", 1 },    { 124, "-1", 2 },       { 124, "\xff\xff", 2 },
		{ 124, "\xc0", 1 }, { 124, "\x80\x7f", 2 }, { 100, "zz", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		char *b;

		teardown();
		setup();
		out.len = 0;
		b = header("a", '0', 0);
		memcpy(b + damage[i].at, damage[i].bytes, damage[i].len);
		seal(b);
		trailer();
		cr_assert_eq(feed_all(), -EPROTO, "case %zu", i);
	}
}

Test(tar, a_wrong_checksum_is_refused)
{
	char *b = header("a", '0', 0);

	b[0] = 'b';
	cr_assert_eq(feed_all(), -EPROTO);
}

Test(tar, bad_pax_records_are_refused)
{
	static const char *const bad[] = { "x",           "5 a=b",
					   "99 path=x\n", "0 \n",
					   " 6 a=b\n",    "6 a=bc\n\n",
					   "8 path\n\n",  "12 size=-12\n",
					   "9 size=\n\n", "1234567890 a=b\n",
					   "10 size=1x",  "31 size=9999999999999999999999\n" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		teardown();
		setup();
		out.len = 0;
		(void)header("x", 'x', strlen(bad[i]));
		payload(bad[i], strlen(bad[i]));
		file("a", "1");
		trailer();
		cr_assert_eq(feed_all(), -EPROTO, "case %zu", i);
	}
}

Test(tar, huge_meta_entries_are_refused)
{
	(void)header("x", 'x', TAR_META_MAX + 1);
	cr_assert_eq(feed_all(), -EPROTO);
}

Test(tar, truncation_is_noticed_everywhere)
{
	file("a", "hello");
	trailer();
	for (size_t len = 1; len <= out.len - 1024 + 511; len++) {
		teardown();
		setup();
		cr_assert_eq(tar_reader_feed(&tar, out.buf, len, NULL), 0);
		cr_assert_eq(tar_reader_finish(&tar, NULL), -EPROTO, "at %zu", len);
	}
}

Test(tar, damaged_streams_never_crash)
{
	unsigned int seed = 1;
	size_t len;
	static char copy[sizeof(out.buf)];

	file("a", "hello");
	(void)header("x", 'x', 32);
	payload("21 path=dir/the name\n11 size=12\n", 32);
	file("b", "more");
	trailer();
	len = out.len;
	memcpy(copy, out.buf, len);
	for (int i = 0; i < 20000; i++) {
		teardown();
		setup();
		memcpy(out.buf, copy, len);
		for (int k = 0; k < 3; k++) {
			seed = seed * 1103515245U + 12345U;
			out.buf[(seed >> 8) % len] = (char)(seed >> 24);
		}
		/* Half of them with sound checksums, so that the damage goes deeper. */
		if (i % 2 == 0) {
			seal(out.buf);
			seal(out.buf + 1024);
			seal(out.buf + 2048);
		}
		(void)feed_all();
	}
}
