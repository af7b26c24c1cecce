/* SPDX-License-Identifier: MIT */
#include "results/receipt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

struct aged {
	char name[256];
	time_t mtime;
};

static int newest_first(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;

	return x->mtime == y->mtime ? strcmp(y->name, x->name) : x->mtime < y->mtime ? 1 : -1;
}

static struct aged *list_receipts(DIR *dir, size_t *ret_n)
{
	const struct dirent *entry;
	struct aged *v = NULL;
	size_t n = 0;

	while ((entry = readdir(dir)) != NULL) {
		struct aged *bigger;
		struct stat st;

		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
			continue;
		bigger = realloc(v, (n + 1) * sizeof(*v));
		if (bigger == NULL)
			break;
		v = bigger;
		v[n].mtime = st.st_mtime;
		(void)snprintf(v[n++].name, sizeof(v->name), "%s", entry->d_name);
	}
	*ret_n = n;
	return v;
}

static void drop_oldest(int receipts_fd)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(receipts_fd, ".", 0);
	AUTO_FREE struct aged *v = NULL;
	size_t n = 0;

	if (dir == NULL)
		return;
	v = list_receipts(dir, &n);
	if (n > RECEIPTS_KEPT)
		qsort(v, n, sizeof(*v), newest_first);
	for (size_t i = RECEIPTS_KEPT; i < n; i++)
		(void)unlinkat(receipts_fd, v[i].name, 0);
}

int receipt_save(int data_fd, const char *vm, struct json_object *receipt, const char *also,
		 struct error *err)
{
	AUTO_CLOSE int fd = openat(data_fd, RECEIPTS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[128];
	int r, r2 = 0;

	if (fd < 0)
		return error_errno(err, "open the folder of receipts");
	(void)snprintf(name, sizeof(name), "%s.json", vm);
	r = json_save_at(fd, name, receipt, 0600, err);
	drop_oldest(fd);
	if (also != NULL)
		r2 = json_save_for_user_at(AT_FDCWD, also, receipt, 0644, r < 0 ? NULL : err);
	return r < 0 ? r : r2;
}
