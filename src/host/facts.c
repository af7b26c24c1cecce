/* SPDX-License-Identifier: MIT */
#include "host/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "host/host.h"
#include "host/modules.h"

#define TEXT_CAP ((size_t)1 << 20)
/* Where distributions put helpers that are not in PATH. */
#define HIDDEN_FOLDERS "/usr/libexec:/usr/lib/qemu"

/* ---- small readings ---- */

static bool read_u64(int dir_fd, const char *path, uint64_t *ret)
{
	AUTO_FREE char *text = NULL;
	char *end = NULL;
	uint64_t n;

	if (file_read_at(dir_fd, path, 4096, &text, NULL, NULL) < 0)
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || errno != 0)
		return false;
	*ret = n;
	return true;
}

static bool read_mask(int dir_fd, const char *path, struct cpu_mask *ret)
{
	AUTO_FREE char *text = NULL;

	return file_read_at(dir_fd, path, TEXT_CAP, &text, NULL, NULL) == 0 &&
	       cpu_mask_parse(text, ret) == 0;
}

/*
 * The first bytes of a file that may be long: /proc/cpuinfo costs time per CPU, and its first
 * entry says it all. NULL when there is no such file.
 */
static char *read_head(int dir_fd, const char *path)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	const size_t cap = 8192;
	AUTO_FREE char *buf = calloc(1, cap);
	size_t len = 0;

	if (fd < 0 || buf == NULL)
		return NULL;
	while (len < cap - 1) {
		ssize_t n = read(fd, buf + len, cap - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return TAKE_PTR(buf);
}

static bool exists(int dir_fd, const char *path)
{
	return faccessat(dir_fd, path, F_OK, 0) == 0;
}

/* Behind "KEY:" at the start of a line, blanks skipped; NULL when there is no such line. */
static const char *line_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p != NULL; p = strchr(p, '\n')) {
		const char *q;

		p += *p == '\n';
		if (strncmp(p, key, len) != 0)
			continue;
		q = p + len + strspn(p + len, " \t");
		if (*q == ':')
			return q + 1 + strspn(q + 1, " \t");
	}
	return NULL;
}

/* The N of a file named PREFIX N SUFFIX. */
static bool name_number(const char *name, const char *prefix, const char *suffix, uint64_t *ret)
{
	size_t len = strlen(prefix);
	char *end = NULL;

	if (strncmp(name, prefix, len) != 0 || name[len] < '0' || name[len] > '9')
		return false;
	*ret = strtoull(name + len, &end, 10);
	return strcmp(end, suffix) == 0;
}

/* Whether a line has @word between blanks. */
static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	while (line != NULL && *line != '\0' && *line != '\n') {
		size_t n = strcspn(line, " \t\n");

		if (n == len && strncmp(line, word, len) == 0)
			return true;
		line += n + strspn(line + n, " \t");
	}
	return false;
}

/* ---- memory ---- */

static uint64_t meminfo_bytes(const char *text, const char *key)
{
	const char *value = line_value(text, key);

	return value == NULL ? 0 : strtoull(value, NULL, 10) * 1024;
}

static int read_memory(const struct host *host, struct host_facts *f, struct error *err)
{
	AUTO_FREE char *text = NULL;
	int r = file_read_at(host->proc_fd, "meminfo", TEXT_CAP, &text, NULL, err);
	uint64_t overcommit = 0;

	if (r < 0)
		return r;
	f->mem_total = meminfo_bytes(text, "MemTotal");
	f->mem_available = meminfo_bytes(text, "MemAvailable");
	f->swap_total = meminfo_bytes(text, "SwapTotal");
	f->default_hugepage = meminfo_bytes(text, "Hugepagesize");
	if (f->mem_total == 0 || f->mem_available == 0)
		return error_set(err, EIO, "meminfo has no MemTotal or MemAvailable");
	if (read_u64(host->proc_fd, "sys/vm/overcommit_memory", &overcommit))
		f->overcommit = (unsigned int)overcommit;
	return 0;
}

/* ---- CPUs ---- */

static void read_cpuinfo(const struct host *host, struct host_facts *f)
{
	AUTO_FREE char *text = read_head(host->proc_fd, "cpuinfo");
	const char *vendor, *flags, *bits;

	if (text == NULL)
		return;
	vendor = line_value(text, "vendor_id");
	flags = line_value(text, "flags");
	bits = line_value(text, "address sizes");
	if (vendor != NULL && strncmp(vendor, "GenuineIntel", 12) == 0)
		f->vendor = CPU_VENDOR_INTEL;
	else if (vendor != NULL && strncmp(vendor, "AuthenticAMD", 12) == 0)
		f->vendor = CPU_VENDOR_AMD;
	f->has_virt = has_word(flags, "vmx") || has_word(flags, "svm");
	f->in_vm = has_word(flags, "hypervisor");
	f->phys_bits = bits == NULL ? 0 : (unsigned int)strtoul(bits, NULL, 10);
}

static int read_cpus(const struct host *host, struct host_facts *f, struct error *err)
{
	AUTO_FREE char *status = NULL;
	const char *list;
	struct cpu_mask allowed;
	int r = file_read_at(host->proc_fd, "self/status", TEXT_CAP, &status, NULL, err);

	if (r < 0)
		return r;
	if (!read_mask(host->sys_fd, "devices/system/cpu/online", &f->online))
		return error_set(err, EIO, "devices/system/cpu/online cannot be read");
	f->usable = f->online;
	list = line_value(status, "Cpus_allowed_list");
	if (list != NULL) {
		AUTO_FREE char *line = strndup(list, strcspn(list, "\n"));

		if (line == NULL)
			return error_set(err, ENOMEM, "out of memory");
		if (cpu_mask_parse(line, &allowed) == 0)
			cpu_mask_keep(&f->usable, &allowed);
	}
	if (cpu_mask_count(&f->usable) == 0)
		return error_set(err, EIO, "no CPU is online and allowed to us");
	return 0;
}

/* ---- huge pages and nodes ---- */

/* Reads every hugepages-NkB of a folder into @pools, smallest page first. Returns how many. */
static size_t read_pools(int dir_fd, const char *path, struct host_pool *pools)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(dir_fd, path, 0);
	const struct dirent *entry;
	size_t n = 0;

	while (dir != NULL && n < HOST_POOLS_MAX && (entry = readdir(dir)) != NULL) {
		struct host_pool pool = { 0 };
		char file[320];
		size_t at = n;

		if (!name_number(entry->d_name, "hugepages-", "kB", &pool.page_size))
			continue;
		pool.page_size *= 1024;
		(void)snprintf(file, sizeof(file), "%s/nr_hugepages", entry->d_name);
		(void)read_u64(dirfd(dir), file, &pool.total);
		(void)snprintf(file, sizeof(file), "%s/free_hugepages", entry->d_name);
		(void)read_u64(dirfd(dir), file, &pool.free);
		(void)snprintf(file, sizeof(file), "%s/resv_hugepages", entry->d_name);
		(void)read_u64(dirfd(dir), file, &pool.reserved);
		for (; at > 0 && pools[at - 1].page_size > pool.page_size; at--)
			pools[at] = pools[at - 1];
		pools[at] = pool;
		n++;
	}
	return n;
}

static uint64_t node_bytes(const char *text, unsigned int id, const char *what)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "Node %u %s", id, what);
	return meminfo_bytes(text, key);
}

/* There is no MemAvailable of a node: what is free, file pages and slabs that can be reclaimed. */
static void read_node_memory(int nodes_fd, const char *name, struct host_node *node)
{
	static const char *const parts[] = { "MemFree", "Active(file)", "Inactive(file)",
					     "SReclaimable" };
	AUTO_FREE char *text = NULL;
	char path[320];

	(void)snprintf(path, sizeof(path), "%s/meminfo", name);
	if (file_read_at(nodes_fd, path, TEXT_CAP, &text, NULL, NULL) < 0)
		return;
	node->mem_total = node_bytes(text, node->id, "MemTotal");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		node->mem_available += node_bytes(text, node->id, parts[i]);
}

static int add_node(struct host_facts *f, int nodes_fd, unsigned int id, const char *name)
{
	struct host_node *bigger = realloc(f->nodes, (f->n_nodes + 1) * sizeof(*bigger));
	struct host_node *node;
	char path[320];
	size_t at = f->n_nodes;

	if (bigger == NULL)
		return -ENOMEM;
	f->nodes = bigger;
	for (; at > 0 && bigger[at - 1].id > id; at--)
		bigger[at] = bigger[at - 1];
	node = &bigger[at];
	*node = (struct host_node){ .id = id };
	(void)snprintf(path, sizeof(path), "%s/cpulist", name);
	(void)read_mask(nodes_fd, path, &node->cpus);
	read_node_memory(nodes_fd, name, node);
	(void)snprintf(path, sizeof(path), "%s/hugepages", name);
	node->n_pools = read_pools(nodes_fd, path, node->pools);
	f->n_nodes++;
	return 0;
}

static int read_nodes(const struct host *host, struct host_facts *f)
{
	AUTO_CLOSEDIR DIR *dir = file_opendir_at(host->sys_fd, "devices/system/node", 0);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		uint64_t id = 0;

		if (!name_number(entry->d_name, "node", "", &id))
			continue;
		if (add_node(f, dirfd(dir), (unsigned int)id, entry->d_name) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- KVM, modules ---- */

static void read_kvm(const struct host *host, struct host_facts *f)
{
	AUTO_CLOSE int fd = openat(host->dev_fd, "kvm", O_RDWR | O_CLOEXEC);
	int why = fd < 0 ? errno : 0;
	AUTO_FREE char *nested = NULL;
	struct stat st;

	f->kvm_errno = why;
	if (why == 0)
		f->kvm = KVM_NODE_OPENS;
	else if (why == ENOENT)
		f->kvm = KVM_NODE_MISSING;
	else
		f->kvm = why == EACCES || why == EPERM ? KVM_NODE_DENIED : KVM_NODE_BROKEN;
	if (fstatat(host->dev_fd, "kvm", &st, 0) == 0) {
		const struct group *g = getgrgid(st.st_gid);

		(void)snprintf(f->kvm_group, sizeof(f->kvm_group), "%s",
			       g != NULL ? g->gr_name : "kvm");
	}
	f->mod_kvm = exists(host->sys_fd, "module/kvm");
	f->mod_kvm_vendor =
		exists(host->sys_fd, "module/kvm_intel") || exists(host->sys_fd, "module/kvm_amd");
	if (file_read_at(host->sys_fd, "module/kvm_intel/parameters/nested", 64, &nested, NULL,
			 NULL) == 0 ||
	    file_read_at(host->sys_fd, "module/kvm_amd/parameters/nested", 64, &nested, NULL,
			 NULL) == 0)
		f->kvm_nested = nested[0] == 'Y' || nested[0] == '1';
}

/* What is not loaded is looked for among the modules of the running kernel; nothing is loaded. */
static void read_vfio(const struct host *host, struct host_facts *f)
{
	static const char *const modules[] = { "vfio-pci", "vfio_iommu_type1" };

	f->has_vfio_pci = exists(host->sys_fd, "bus/pci/drivers/vfio-pci");
	f->has_vfio_iommu = exists(host->sys_fd, "module/vfio_iommu_type1");
	for (size_t i = 0; i < ARRAY_SIZE(modules) && f->vfio_errno == 0; i++) {
		AUTO_STRV struct strv missing = STRV_INIT;
		struct error why = ERROR_INIT;
		int r = 0;

		if (!(i == 0 ? f->has_vfio_pci : f->has_vfio_iommu))
			r = modules_missing(host, modules[i], &missing, &why);
		if (r == 0)
			continue;
		f->vfio_errno = -r;
		(void)snprintf(f->vfio_why, sizeof(f->vfio_why), "%.150s", why.msg);
	}
}

/* ---- limits of this user ---- */

/* A line USER:FIRST:COUNT with enough ids, USER being our name or number. */
static bool has_id_range(const char *path, const char *name, uid_t uid)
{
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	char line[512], number[24];

	(void)snprintf(number, sizeof(number), "%u", (unsigned int)uid);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *save = NULL;
		const char *who = strtok_r(line, ":", &save);
		const char *first = strtok_r(NULL, ":", &save);
		const char *count = strtok_r(NULL, ":\n", &save);

		if (who == NULL || first == NULL || count == NULL)
			continue;
		if ((name != NULL && strcmp(who, name) == 0) || strcmp(who, number) == 0) {
			if (strtoull(count, NULL, 10) >= 65536)
				return true;
		}
	}
	return false;
}

static void read_limits(const struct host *host, struct host_facts *f)
{
	const struct passwd *pw = getpwuid(host->uid);
	const char *name = pw != NULL ? pw->pw_name : NULL;
	struct rlimit limit = { 0 };
	uint64_t n = 0;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		f->memlock = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	f->userns = read_u64(host->proc_fd, "sys/user/max_user_namespaces", &n) && n > 0;
	/* Debian's own switch, and Ubuntu's; kernels without them restrict nothing more */
	if (read_u64(host->proc_fd, "sys/kernel/unprivileged_userns_clone", &n) && n == 0)
		f->userns = false;
	if (read_u64(host->proc_fd, "sys/kernel/apparmor_restrict_unprivileged_userns", &n) &&
	    n != 0)
		f->userns = false;
	f->has_subuid = has_id_range("/etc/subuid", name, host->uid) &&
			has_id_range("/etc/subgid", name, host->uid);
}

static void read_load(const struct host *host, struct host_facts *f)
{
	AUTO_FREE char *text = NULL;

	if (file_read_at(host->proc_fd, "loadavg", 4096, &text, NULL, NULL) == 0)
		f->load = strtod(text, NULL);
}

int host_facts_read(const struct host *host, struct host_facts *facts, struct error *err)
{
	AUTO_HOST_FACTS struct host_facts f = { 0 };
	int r = read_memory(host, &f, err);

	if (r == 0)
		r = read_cpus(host, &f, err);
	if (r < 0)
		return error_prefix(err, r, "facts of this host");
	if (read_nodes(host, &f) < 0)
		return error_set(err, ENOMEM, "out of memory");
	f.n_pools = read_pools(host->sys_fd, "kernel/mm/hugepages", f.pools);
	read_cpuinfo(host, &f);
	read_kvm(host, &f);
	host_iommu_read(host, &f.iommu);
	read_vfio(host, &f);
	read_limits(host, &f);
	read_load(host, &f);
	*facts = f;
	f = (struct host_facts){ 0 };
	return 0;
}

/* ---- programs ---- */

static void tools_done(struct host_tools *t)
{
	free(t->qemu);
	free(t->qemu_img);
	free(t->mmdebstrap);
	free(t->newuidmap);
	*t = (struct host_tools){ .qemu = NULL };
}

void host_facts_find_tools(struct host_facts *facts, const char *qemu_binary)
{
	struct host_tools *t = &facts->tools;

	tools_done(t);
	t->qemu = process_find_program(qemu_binary != NULL ? qemu_binary : "qemu-system-x86_64",
				       HIDDEN_FOLDERS);
	t->qemu_img = process_find_program("qemu-img", NULL);
	t->mmdebstrap = process_find_program("mmdebstrap", NULL);
	t->newuidmap = process_find_program("newuidmap", NULL);
}

const struct host_node *host_facts_node(const struct host_facts *facts, unsigned int id)
{
	for (size_t i = 0; i < facts->n_nodes; i++) {
		if (facts->nodes[i].id == id)
			return &facts->nodes[i];
	}
	return NULL;
}

static const struct host_pool *find_pool(const struct host_pool *pools, size_t n,
					 uint64_t page_size)
{
	for (size_t i = 0; i < n; i++) {
		if (pools[i].page_size == page_size)
			return &pools[i];
	}
	return NULL;
}

const struct host_pool *host_facts_pool(const struct host_facts *facts, uint64_t page_size)
{
	return find_pool(facts->pools, facts->n_pools, page_size);
}

const struct host_pool *host_node_pool(const struct host_node *node, uint64_t page_size)
{
	return find_pool(node->pools, node->n_pools, page_size);
}

void host_facts_done(struct host_facts *facts)
{
	free(facts->nodes);
	tools_done(&facts->tools);
	*facts = (struct host_facts){ 0 };
}
