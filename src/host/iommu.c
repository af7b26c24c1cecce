/* SPDX-License-Identifier: MIT */
#include "host/iommu.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/host.h"

#define TEXT_CAP ((size_t)1 << 20)

/* The kernel's names for controllers whose interrupts are remapped begin with IR. */
static bool is_remapped(const char *line)
{
	return strstr(line, " IR-PCI-MSI") != NULL || strstr(line, " IR-IO-APIC") != NULL;
}

/* Whether a line has @word between blanks. */
static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	while (*line != '\0' && *line != '\n') {
		size_t n = strcspn(line, " \t\n");

		if (n == len && strncmp(line, word, len) == 0)
			return true;
		line += n + strspn(line + n, " \t");
	}
	return false;
}

static void find_word(const char *line, const char *const *words, size_t n, char *ret, size_t size)
{
	for (size_t i = 0; i < n && ret[0] == '\0'; i++) {
		if (has_word(line, words[i]))
			(void)snprintf(ret, size, "%s", words[i]);
	}
}

static void read_arguments(const struct host *host, struct iommu_facts *f)
{
	static const char *const pt[] = { "iommu=pt", "iommu.passthrough=1" };
	static const char *const off[] = { "intel_iommu=off", "amd_iommu=off", "iommu=off" };
	AUTO_FREE char *text = NULL;

	if (file_read_at(host->proc_fd, "cmdline", TEXT_CAP, &text, NULL, NULL) < 0)
		return;
	f->arg_on = has_word(text, "intel_iommu=on") || has_word(text, "amd_iommu=on");
	find_word(text, pt, ARRAY_SIZE(pt), f->arg_pt, sizeof(f->arg_pt));
	find_word(text, off, ARRAY_SIZE(off), f->arg_off, sizeof(f->arg_off));
}

static bool is_identity(int groups_fd, const char *group)
{
	AUTO_FREE char *type = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), "%.255s/type", group);
	return file_read_at(groups_fd, path, 64, &type, NULL, NULL) == 0 &&
	       strncmp(type, "identity", 8) == 0;
}

static void read_groups(const struct host *host, struct iommu_facts *f)
{
	AUTO_CLOSEDIR DIR *units = file_opendir_at(host->sys_fd, "class/iommu", 0);
	AUTO_CLOSEDIR DIR *groups = file_opendir_at(host->sys_fd, "kernel/iommu_groups", 0);
	const struct dirent *entry;

	while (units != NULL && (entry = readdir(units)) != NULL)
		f->units += entry->d_name[0] != '.';
	while (groups != NULL && (entry = readdir(groups)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		f->groups++;
		f->identity += is_identity(dirfd(groups), entry->d_name);
	}
}

/* A line for each interrupt, with a number for each CPU: long on large hosts. */
static void read_interrupts(const struct host *host, struct iommu_facts *f)
{
	int fd = openat(host->proc_fd, "interrupts", O_RDONLY | O_CLOEXEC);
	AUTO_FCLOSE FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	AUTO_FREE char *line = NULL;
	size_t size = 0;

	if (in == NULL) {
		close_fd(&fd);
		return;
	}
	while (f->interrupts != IOMMU_INTERRUPTS_REMAPPED && getline(&line, &size, in) > 0) {
		if (is_remapped(line))
			f->interrupts = IOMMU_INTERRUPTS_REMAPPED;
		else if (strstr(line, "PCI-MSI") != NULL)
			f->interrupts = IOMMU_INTERRUPTS_PLAIN;
	}
}

void host_iommu_read(const struct host *host, struct iommu_facts *ret)
{
	AUTO_FREE char *text = NULL;

	*ret = (struct iommu_facts){ .units = 0 };
	read_groups(host, ret);
	read_arguments(host, ret);
	read_interrupts(host, ret);
	if (file_read_at(host->sys_fd, "module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
			 16, &text, NULL, NULL) == 0)
		ret->unsafe_interrupts = text[0] == 'Y' || text[0] == '1';
}
