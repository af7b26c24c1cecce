/* SPDX-License-Identifier: MIT */
/*
 * A strict reader of tar streams from a hostile sender: fed piece by piece, it checks each header
 * and hands entries on. ustar, GNU long names and large sizes, pax path and size; nothing else is
 * interpreted.
 *
 * Why not libarchive: this subset is small, needs no memory that the sender decides on, is pushed
 * data instead of pulling it (so no wait hides in it), and spares every run the loading of a dozen
 * libraries.
 */
#ifndef BMVM_GUEST_TAR_H
#define BMVM_GUEST_TAR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

enum tar_kind {
	TAR_FILE,
	TAR_FOLDER,
	TAR_OTHER, /* see tar_entry.what */
};

/**
 * struct tar_entry - One entry, as the sender describes it
 * @name: never NUL-containing, else unchecked; trailing slashes removed
 * @size: of the data that follows, bytes; 0 for all but files
 * @mode: all bits the sender gave
 * @what: for people: "symbolic link", "device", ...
 */
struct tar_entry {
	enum tar_kind kind;
	char name[PATH_MAX];
	uint64_t size;
	mode_t mode;
	const char *what;
};

/**
 * struct tar_handler - Who is told; each may return < 0, which ends the reading with it
 * @entry: a new entry
 * @data:  the next bytes of a file
 * @end:   the file is complete (also called for an empty one)
 */
struct tar_handler {
	int (*entry)(void *data, const struct tar_entry *entry, struct error *err);
	int (*data)(void *data, const char *buf, size_t len, struct error *err);
	int (*end)(void *data, struct error *err);
};

#define TAR_BLOCK    512
#define TAR_META_MAX ((size_t)64 * 1024)

enum tar_state {
	TAR_STATE_HEADER, /* gathering a block */
	TAR_STATE_META,   /* gathering a long name or pax records */
	TAR_STATE_DATA,
	TAR_STATE_SKIP, /* data nobody wants, or padding */
	TAR_STATE_END,
};

/**
 * struct tar_reader - Where it stands
 * @left:     bytes left of the present data, @padding of what pads it to a block
 * @meta:     owned
 * @meta_type: type letter of the entry whose payload is in @meta
 * @long_name, @long_size: from meta entries, for the next entry
 */
struct tar_reader {
	const struct tar_handler *handler;
	void *data;
	enum tar_state state;
	char block[TAR_BLOCK];
	size_t block_len;
	uint64_t left;
	uint64_t padding;
	char *meta;
	size_t meta_len;
	char meta_type;
	char *long_name;
	bool bad_name;
	bool sparse;
	bool has_size;
	uint64_t long_size;
	bool any;
	struct tar_entry entry;
};

/** tar_reader_init() - Start; @handler and @data are borrowed. */
void tar_reader_init(struct tar_reader *t, const struct tar_handler *handler, void *data);

/**
 * tar_reader_feed() - The next bytes of the stream
 * Return: 0; -EPROTO no sound tar stream; -ENOMEM; what the handler returned.
 */
int tar_reader_feed(struct tar_reader *t, const char *buf, size_t len, struct error *err);

/** tar_reader_finish() - The stream is over. Return: 0 properly so, or empty; -EPROTO cut short. */
int tar_reader_finish(const struct tar_reader *t, struct error *err);

/** tar_reader_done() - Free. */
void tar_reader_done(struct tar_reader *t);

#endif
