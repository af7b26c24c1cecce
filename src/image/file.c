/* SPDX-License-Identifier: MIT */
#include "image/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "host/host.h"

#define PIECE      ((size_t)1 << 20)
#define DIGEST_LEN 32
#define CACHE_DIR  "digests"
#define SETTLE_NS  ((int64_t)NS_PER_S)
#define NS_PER_SEC INT64_C(1000000000)
#define LOOK_MS    200 /* longer than a listing's try of the lock */
#define HEX_DIGITS "0123456789abcdef"
#define DIGEST_HEX (IMAGE_DIGEST_SIZE - 1)

/* ---- identity ---- */

static void identity_from_stat(struct image_identity *ret, const struct stat *st)
{
	*ret = (struct image_identity){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * NS_PER_SEC + st->st_mtim.tv_nsec,
		.ctime_ns = (int64_t)st->st_ctim.tv_sec * NS_PER_SEC + st->st_ctim.tv_nsec,
	};
}

int image_identity_of_fd(int fd, struct image_identity *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	identity_from_stat(ret, &st);
	return 0;
}

bool image_identity_equal(const struct image_identity *a, const struct image_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static int compare(const struct image_file *file, const struct image_identity *now,
		   struct error *err)
{
	const struct image_identity *then = &file->id;

	if (image_identity_equal(then, now))
		return 0;
	if (then->dev != now->dev || then->ino != now->ino)
		return error_set(err, ESTALE, "%s was replaced by another file", file->path);
	if (then->size != now->size)
		return error_set(err, ESTALE,
				 "%s changed its size from %" PRIu64 " to %" PRIu64 " bytes",
				 file->path, then->size, now->size);
	if (then->mtime_ns != now->mtime_ns)
		return error_set(err, ESTALE, "%s was written to", file->path);
	return error_set(err, ESTALE, "%s was changed (its change time moved)", file->path);
}

/* ---- one file ---- */

int image_file_init(struct image_file *ret, const char *path, const char *format, struct error *err)
{
	struct image_file file = { .path = realpath(path, NULL) };
	struct stat st;
	int r = 0;

	if (file.path == NULL)
		return error_errno(err, "%s", path);
	if (format != NULL)
		file.format = strdup(format);
	if (stat(file.path, &st) < 0)
		r = error_errno(err, "%s", file.path);
	else if (!S_ISREG(st.st_mode))
		r = error_set(err, EINVAL, "%s is not a regular file", path);
	else if (format != NULL && file.format == NULL)
		r = error_set(err, ENOMEM, "%s: out of memory", path);
	if (r < 0) {
		image_file_done(&file);
		return r;
	}
	identity_from_stat(&file.id, &st);
	*ret = file;
	return 0;
}

int image_file_copy(struct image_file *ret, const struct image_file *file)
{
	struct image_file copy = { .id = file->id };

	if (file->path != NULL)
		copy.path = strdup(file->path);
	if (file->format != NULL)
		copy.format = strdup(file->format);
	if ((file->path != NULL && copy.path == NULL) ||
	    (file->format != NULL && copy.format == NULL)) {
		image_file_done(&copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}

void image_file_done(struct image_file *file)
{
	free(file->path);
	free(file->format);
	*file = (struct image_file){ .path = NULL };
}

static int open_same(const struct image_file *file, int *ret_fd, struct error *err)
{
	AUTO_CLOSE int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct image_identity now = { 0 };
	int r;

	if (fd < 0)
		return error_errno(err, "open %s", file->path);
	r = image_identity_of_fd(fd, &now);
	if (r < 0)
		return error_set(err, -r, "stat %s: %s", file->path, strerror(-r));
	r = compare(file, &now, err);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int image_file_open_shared(const struct image_file *file, int *ret_fd, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int r = open_same(file, &fd, err);

	if (r < 0)
		return r;
	r = file_lock(fd, false, deadline_in_ms(LOOK_MS));
	if (r == -EWOULDBLOCK)
		return error_set(err, EBUSY, "%s is just being removed or replaced", file->path);
	if (r < 0)
		return error_set(err, -r, "lock %s: %s", file->path, strerror(-r));
	/* removed between open and lock: the lock then protects nothing */
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return error_set(err, ESTALE, "%s was removed", file->path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int image_file_check(const struct image_file *file, struct error *err)
{
	struct image_identity now;
	struct stat st;

	if (stat(file->path, &st) < 0)
		return error_errno(err, "%s", file->path);
	identity_from_stat(&now, &st);
	return compare(file, &now, err);
}

/* ---- digest ---- */

static void digest_ctx_free(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

/* One look at every watch, without waiting. */
static int look(const struct watchset *watch, struct error *err)
{
	for (size_t i = 0; watch != NULL && i < watch->n; i++) {
		struct pollfd pfd = { .fd = watch->v[i].fd, .events = POLLIN };
		int r = 0;

		if (poll(&pfd, 1, 0) > 0)
			r = watch->v[i].ready(watch->v[i].data, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int hash_pieces(EVP_MD_CTX *ctx, int fd, const struct watchset *watch, struct error *err)
{
	AUTO_FREE char *piece = malloc(PIECE);
	off_t at = 0;

	if (piece == NULL)
		return error_set(err, ENOMEM, "digest: out of memory");
	for (;;) {
		ssize_t n = pread(fd, piece, PIECE, at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "digest: read");
		if (n == 0)
			return 0;
		if (EVP_DigestUpdate(ctx, piece, (size_t)n) != 1)
			return error_set(err, EIO, "digest: libcrypto failed");
		at += n;
		r = look(watch, err);
		if (r < 0)
			return r;
	}
}

int image_digest_fd(int fd, const struct watchset *watch, char *ret, struct error *err)
{
	CLEANUP(digest_ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char md[EVP_MAX_MD_SIZE] = { 0 };
	unsigned int len = 0;
	int r;

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return error_set(err, EIO, "digest: libcrypto failed");
	r = hash_pieces(ctx, fd, watch, err);
	if (r < 0)
		return r;
	if (EVP_DigestFinal_ex(ctx, md, &len) != 1 || len != DIGEST_LEN)
		return error_set(err, EIO, "digest: libcrypto failed");
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		ret[2 * i] = HEX_DIGITS[md[i] >> 4];
		ret[2 * i + 1] = HEX_DIGITS[md[i] & 15];
	}
	ret[DIGEST_HEX] = '\0';
	return 0;
}

/* ---- its cache: data_dir/digests/DEV-INO holds "SIZE MTIME CTIME DIGEST" ---- */

static void cache_path(const struct image_identity *id, char *buf, size_t size)
{
	(void)snprintf(buf, size, CACHE_DIR "/%" PRIx64 "-%" PRIx64, id->dev, id->ino);
}

static bool cache_find(const struct host *host, const struct image_identity *id, char *ret)
{
	AUTO_FREE char *text = NULL;
	char path[64], key[96];
	size_t n;

	cache_path(id, path, sizeof(path));
	if (host->data_fd < 0 || file_read_at(host->data_fd, path, 4096, &text, NULL, NULL) < 0)
		return false;
	n = (size_t)snprintf(key, sizeof(key), "%" PRIu64 " %" PRId64 " %" PRId64 " ", id->size,
			     id->mtime_ns, id->ctime_ns);
	if (strncmp(text, key, n) != 0 || strspn(text + n, HEX_DIGITS) != DIGEST_HEX)
		return false;
	memcpy(ret, text + n, DIGEST_HEX);
	ret[DIGEST_HEX] = '\0';
	return true;
}

void image_digest_remember(const struct host *host, const struct image_identity *id,
			   const char *digest)
{
	struct error err = ERROR_INIT;
	char path[64], text[192];
	int n;

	if (host->data_fd < 0)
		return;
	cache_path(id, path, sizeof(path));
	n = snprintf(text, sizeof(text), "%" PRIu64 " %" PRId64 " %" PRId64 " %s\n", id->size,
		     id->mtime_ns, id->ctime_ns, digest);
	(void)mkdirat(host->data_fd, CACHE_DIR, 0700);
	if (file_write_atomic_at(host->data_fd, path, text, (size_t)n, 0600, &err) < 0)
		log_debug("digest not remembered: %s", err.msg);
}

/*
 * A file changed a moment ago may change again within the same tick of the kernel's clock, which
 * its times would not show.
 */
static bool is_settled(const struct image_identity *id)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return false;
	return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec - id->ctime_ns > SETTLE_NS;
}

int image_file_digest(const struct host *host, const struct image_file *file,
		      const struct watchset *watch, char *ret, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	bool settled = is_settled(&file->id);
	int r;

	if (cache_find(host, &file->id, ret))
		return 0;
	r = open_same(file, &fd, err);
	if (r == 0)
		r = image_digest_fd(fd, watch, ret, err);
	if (r == 0)
		r = image_file_check(file, err);
	if (r == 0 && settled)
		image_digest_remember(host, &file->id, ret);
	return r < 0 ? error_prefix(err, r, "%s", file->path) : 0;
}
