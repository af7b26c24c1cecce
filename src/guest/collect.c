/* SPDX-License-Identifier: MIT */
#include "guest/collect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/watch.h"
#include "guest/beneath.h"
#include "guest/pattern.h"
#include "guest/pipe.h"
#include "guest/session.h"
#include "guest/tar.h"

#define ENTRIES_MAX  100000
#define SKIPPED_MAX  100
#define OVERHEAD_MAX ((uint64_t)256 * 1024 * 1024) /* headers and entries nobody takes */
#define NO_FOLDER    3

/*
 * "$1" is the working folder, the rest are patterns. With an empty IFS an unquoted expansion is
 * matched against file names and nothing else: nothing in a pattern is ever run. GNU tar reads the
 * names from a pipe, of any number; other tars get them as arguments.
 */
static const char script[] =
	"LC_ALL=C; export LC_ALL\n"
	"[ -z \"$1\" ] || CDPATH= cd -- \"$1\" || exit 3\n"
	"shift\n"
	"IFS=\n"
	"names() {\n"
	"for g in \"$@\"; do\n"
	"for f in $g; do\n"
	"[ -e \"$f\" ] || [ -L \"$f\" ] || continue\n"
	"printf './%s\\0' \"$f\"\n"
	"done\n"
	"done\n"
	"}\n"
	"case $(tar --version 2>&1) in\n"
	"*GNU*)\n"
	"names \"$@\" | tar --create --file=- --format=gnu --hard-dereference --ignore-failed-read "
	"\\\n"
	"--null --files-from=-\n"
	"exit ;;\n"
	"esac\n"
	"n=$#\n"
	"while [ $n -gt 0 ]; do\n"
	"g=$1; shift; n=$((n - 1))\n"
	"for f in $g; do\n"
	"[ -e \"$f\" ] || [ -L \"$f\" ] || continue\n"
	"set -- \"$@\" \"./$f\"\n"
	"done\n"
	"done\n"
	"[ $# -gt 0 ] || exit 0\n"
	"exec tar -cf - \"$@\"\n";

/**
 * struct collector - A collection under way
 * @patterns: plain; @matched: which of them a name was seen for
 * @skipping: the present file's data is not wanted
 * @received: bytes of the stream
 */
struct collector {
	const struct guest_collect *what;
	struct collect_report *report;
	struct strv patterns;
	bool *matched;
	struct beneath dest;
	struct tar_reader tar;
	struct beneath_file file;
	mode_t mode;
	uint64_t size;
	bool skipping;
	uint64_t entries;
	uint64_t received;
};

void collect_report_done(struct collect_report *report)
{
	strv_done(&report->skipped);
	strv_done(&report->unmatched);
}

static int skip(struct collector *c, const char *name, const char *why)
{
	char *shown;

	c->skipping = true;
	c->report->n_skipped++;
	if (c->report->skipped.n >= SKIPPED_MAX)
		return 0;
	shown = name_printable(name);
	strv_addf(&c->report->skipped, "%s: %s", shown != NULL ? shown : "?", why);
	free(shown);
	return 0;
}

/* What lies in the way of one entry is that entry's bad luck; anything else ends the collection. */
static const char *obstacle(int r)
{
	switch (r) {
	case -ECANCELED:
		return "a file of this run has that name";
	case -ELOOP:
		return "a symbolic link is in the way";
	case -ENOTDIR:
		return "a file is in the way of its folder";
	case -EISDIR:
		return "a folder is in the way";
	case -EEXIST:
		return "something that is no file is in the way";
	case -ENAMETOOLONG:
		return "name too long";
	case -EINVAL:
	case -EILSEQ:
		return "the file system here does not take its name";
	default:
		return NULL;
	}
}

static int failed(struct collector *c, const char *name, int r, struct error *err)
{
	const char *why = obstacle(r);
	char *shown;

	if (why != NULL)
		return skip(c, name, why);
	shown = name_printable(name);
	(void)error_set(err, -r, "results: write %s/%s: %s", c->what->dest,
			shown != NULL ? shown : "?", strerror(-r));
	free(shown);
	return r;
}

static bool is_wanted(struct collector *c, const char *name)
{
	bool wanted = false;

	for (size_t i = 0; i < c->patterns.n; i++) {
		if (pattern_allows(c->patterns.v[i], name)) {
			c->matched[i] = true;
			wanted = true;
		}
	}
	return wanted;
}

static int check_caps(struct collector *c, const struct tar_entry *e, const char *name,
		      struct error *err)
{
	uint64_t left = c->what->max_size - c->report->bytes;
	char *shown;
	int r;

	if (++c->entries > ENTRIES_MAX)
		return error_set(err, EFBIG, "results: more than %d entries", ENTRIES_MAX);
	if (e->size <= left)
		return 0;
	shown = name_printable(name);
	r = error_set(err, EFBIG,
		      "results: %s has %llu bytes, but only %llu of max_size (%llu) are left",
		      shown != NULL ? shown : "?", (unsigned long long)e->size,
		      (unsigned long long)left, (unsigned long long)c->what->max_size);
	free(shown);
	return error_hint(err, r, "raise results.max_size, or leave the file out of the patterns");
}

static int make_folder(struct collector *c, const char *name, mode_t mode, struct error *err)
{
	int r = beneath_folder(&c->dest, name, (mode & 0755) | 0700);

	if (r < 0)
		return failed(c, name, r, err);
	c->report->folders += (uint64_t)r;
	return 0;
}

static int on_entry(void *data, const struct tar_entry *e, struct error *err)
{
	struct collector *c = data;
	const char *name = name_plain(e->name);
	const char *refusal;
	int r;

	c->skipping = false;
	if (*name == '\0' && e->kind == TAR_FOLDER)
		return 0; /* the working folder itself */
	refusal = name_refusal(name);
	if (refusal == NULL && !is_wanted(c, name))
		refusal = "not asked for";
	if (refusal == NULL && e->kind == TAR_OTHER)
		refusal = e->what;
	r = check_caps(c, e, name, err);
	if (r < 0)
		return r;
	if (refusal != NULL)
		return skip(c, name, refusal);
	if (e->kind == TAR_FOLDER)
		return make_folder(c, name, e->mode, err);
	c->mode = (e->mode & 0755) | 0600;
	c->size = e->size;
	r = beneath_file_begin(&c->dest, name, &c->file);
	return r < 0 ? failed(c, name, r, err) : 0;
}

static int on_bytes(void *data, const char *buf, size_t len, struct error *err)
{
	struct collector *c = data;
	int r;

	if (c->skipping)
		return 0;
	r = fd_write_all(c->file.fd, buf, len);
	return r < 0 ? error_set(err, -r, "results: write to %s: %s", c->what->dest, strerror(-r))
		     : 0;
}

static int on_end(void *data, struct error *err)
{
	struct collector *c = data;
	const char *name = name_plain(c->tar.entry.name);
	int r;

	if (c->skipping)
		return 0;
	r = beneath_file_commit(&c->dest, &c->file, c->mode);
	if (r < 0)
		return failed(c, name, r, err);
	c->report->files++;
	c->report->bytes += c->size;
	return 0;
}

static const struct tar_handler handler = {
	.entry = on_entry,
	.data = on_bytes,
	.end = on_end,
};

static int on_output(void *data, const char *buf, size_t len, struct error *err)
{
	struct collector *c = data;

	c->received += len;
	if (c->received > OVERHEAD_MAX && c->received - OVERHEAD_MAX > c->what->max_size)
		return error_set(err, EFBIG, "results: the guest sends more than max_size");
	return tar_reader_feed(&c->tar, buf, len, err);
}

static int fetch(struct collector *c, struct guest *g, const struct watchset *ws, struct error *err)
{
	struct guest_pipe pipe = GUEST_PIPE_INIT;
	struct pipe_result result = { .exit_code = 0 };
	struct strv argv = STRV_INIT;
	int r;

	strv_add(&argv, c->what->workdir != NULL ? c->what->workdir : "");
	for (size_t i = 0; i < c->patterns.n; i++)
		strv_add(&argv, c->patterns.v[i][0] != '\0' ? c->patterns.v[i] : ".");
	pipe.script = script;
	pipe.argv = argv.v;
	pipe.on_output = on_output;
	pipe.data = c;
	pipe.deadline_ns = c->what->deadline_ns;
	r = strv_error(&argv);
	if (r == 0)
		r = guest_pipe_run(g, &pipe, &result, ws, err);
	strv_done(&argv);
	if (r < 0)
		return r;
	if (result.exit_code == NO_FOLDER && c->received == 0)
		return error_set(err, ENOENT, "results: working folder %s is not in the guest",
				 c->what->workdir);
	/* 1 is tar's warning, such as a file that grew while it was read. */
	if (result.exit_code > 1)
		return error_set(err, EIO, "results: tar in the guest ended with code %d: %s",
				 result.exit_code, result.words);
	return tar_reader_finish(&c->tar, err);
}

static int prepare(struct collector *c, struct error *err)
{
	int r;

	for (char *const *p = c->what->globs; *p != NULL; p++) {
		char *plain = NULL;

		r = pattern_check(*p, &plain, err);
		if (r < 0)
			return r;
		strv_take(&c->patterns, plain);
	}
	r = strv_error(&c->patterns);
	c->matched = calloc(c->patterns.n + 1, sizeof(*c->matched));
	if (r < 0 || c->matched == NULL)
		return error_set(err, ENOMEM, "out of memory");
	c->dest.keep = c->what->keep;
	return beneath_open(&c->dest, c->what->dest, err);
}

int guest_collect(struct guest *g, const struct guest_collect *what, struct collect_report *ret,
		  const struct watchset *ws, struct error *err)
{
	struct collector c = { .what = what, .report = ret, .dest = BENEATH_INIT };
	int r;

	c.file = (struct beneath_file)BENEATH_FILE_INIT;
	tar_reader_init(&c.tar, &handler, &c);
	r = prepare(&c, err);
	if (r == 0 && c.patterns.n > 0)
		r = fetch(&c, g, ws, err);
	for (size_t i = 0; r == 0 && i < c.patterns.n; i++) {
		if (!c.matched[i])
			strv_add(&ret->unmatched, what->globs[i]);
	}
	beneath_file_abort(&c.file);
	beneath_close(&c.dest);
	tar_reader_done(&c.tar);
	strv_done(&c.patterns);
	free(c.matched);
	return r;
}
