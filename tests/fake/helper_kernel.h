/* SPDX-License-Identifier: MIT */
/*
 * A fake kernel: a host's /sys and /dev in a throw-away folder, which reacts to writes as Linux
 * does.
 *
 * A driver's change of a function's power/control is that of Linux: vfio-pci lets it sleep
 * ("auto") and forbids that when it lets go ("on"), amdgpu allows it, others leave it.
 *
 * It plays struct sysfs_kernel, so its reactions run in the helper process that sysfs forks; what
 * it counts and what a test tells it meanwhile is in shared memory. Links are relative and folders
 * lie in devices/ as in real sysfs.
 */
#ifndef BMVM_TESTS_HELPER_KERNEL_H
#define BMVM_TESTS_HELPER_KERNEL_H

#include <limits.h>
#include <stdbool.h>

#include "sysfs/pci.h"

#define FAKE_DEVICES 32
#define FAKE_INTENTS 64

/* What the kernel knows of a PCI function that its files do not tell. */
struct fake_device {
	char address[PCI_ADDRESS_SIZE];
	char native[32];    /* driver that matches by id, "" none */
	char vf_driver[32]; /* of a PF: what matches its VFs */
	int vf_offset;      /* of a PF: routing id of VF 0 relative to its own */
	int vf_stride;
	int vf_short;   /* makes this many VFs at most; -1 no limit */
	bool vf_broken; /* VFs read all ones */
	bool no_sriov;  /* its driver has no sriov_configure */
};

/* Shared with the helpers. The n-th write is counted from 1; 0 means never. */
struct fake_state {
	unsigned int n_writes;
	unsigned int fail_at;
	int fail_errno;
	unsigned int hang_at;
	unsigned int hang_after_at;       /* hangs when it has taken effect */
	unsigned int die_at;              /* the helper is killed */
	unsigned int kill_at;             /* who asked for the write is killed, before it */
	unsigned int kill_after_at;       /* the same when it has taken effect */
	volatile bool hangs;              /* a helper does */
	volatile bool released;           /* hanging helpers go on */
	volatile int open_group;          /* a guest has it open; -1 */
	volatile unsigned int busy_opens; /* the group is closed after so many refusals; 0 never */
	int not_viable_group;             /* -1 */
	unsigned int eperm_left;          /* clearing a vGPU is refused so often */
	bool nvidia_in_use;               /* its driver does not agree to lose a GPU */
	bool mdev_goes_itself;            /* mediated devices go when they are looked for */
	char refuses[32];                 /* a driver whose probe fails */
	char last_bound[4][PCI_ADDRESS_SIZE]; /* to a driver but vfio, in this order */
	unsigned int n_bound;
	int next_group;
	struct fake_device devices[FAKE_DEVICES];
	unsigned int n_devices;
};

struct fake_intent {
	char op[32];
	char object[64];
	char path[160];
	char old_value[64];
	char new_value[64];
	bool has_old;
};

struct fake_kernel {
	char root[PATH_MAX];
	struct sysfs sys; /* ready for use: poll_ms 1, no lock */
	struct fake_state *state;
	struct fake_intent intents[FAKE_INTENTS];
	unsigned int n_intents;
	unsigned int intents_before_write; /* fail the intents from this one on; 0 never */
};

/** fake_start() - An empty host. */
void fake_start(struct fake_kernel *k);

/** fake_stop() - Remove the host; hanging helpers are released. */
void fake_stop(struct fake_kernel *k);

/** fake_reset() - Forget counted writes, intents and faults. */
void fake_reset(struct fake_kernel *k);

/** fake_wait_hang() - Wait until the helper @pid hangs. Return: false when it ended instead. */
bool fake_wait_hang(const struct fake_kernel *k, int pid);

/** fake_release() - Let a hanging helper go on, wait until it has gone. */
void fake_release(struct fake_kernel *k, int pid);

/** fake_write_now() - A write of somebody else, made in this process. Return: 0 or -errno. */
int fake_write_now(struct fake_kernel *k, const char *path, const char *value);

/** fake_text() - Give @path below /sys a text, making the folders above it. */
void fake_text(const struct fake_kernel *k, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** fake_proc_text() - Give @path below /proc a text. */
void fake_proc_text(const struct fake_kernel *k, const char *path, const char *text);

/** fake_link() - Make @path below /sys a relative link to @target below /sys. */
void fake_link(const struct fake_kernel *k, const char *path, const char *target);

/** fake_remove() - Remove @path below /sys, a folder with all in it. */
void fake_remove(const struct fake_kernel *k, const char *path);

/** fake_get() - What @path below /sys reads, without its newline; static. */
const char *fake_get(const struct fake_kernel *k, const char *path);

/** fake_driver_of() - The driver of a function, "" none; static. */
const char *fake_driver_of(const struct fake_kernel *k, const char *address);

/** fake_node() - Whether there is a device node vfio/@group. */
bool fake_node(const struct fake_kernel *k, int group);

/* What a function is made of. */
struct fake_function {
	const char *address;
	const char *bridge; /* real folder it lies in, below devices/ */
	const char *driver; /* bound to; NULL none */
	const char *native; /* matches by id; NULL none */
	unsigned int vendor;
	unsigned int device;
	unsigned int class_code;
	int group;
	int totalvfs; /* 0: no PF */
	bool is_bridge;
};

/** fake_driver() - A driver without devices. */
void fake_driver(const struct fake_kernel *k, const char *name);

/** fake_function() - A PCI function. Return: what else the kernel knows of it. */
struct fake_device *fake_function(struct fake_kernel *k, const struct fake_function *f);

/** fake_device() - The device of an address; NULL for none. */
struct fake_device *fake_device(const struct fake_kernel *k, const char *address);

/** fake_types() - Make the real folder @parent below devices/ a parent of mediated devices. */
void fake_types(const struct fake_kernel *k, const char *parent, const char *name);

/** fake_real() - The real folder of a function, below /sys. */
void fake_real(const struct fake_kernel *k, const char *address, char path[SYSFS_PATH_SIZE]);

/*
 * A host with everything:
 *   0000:40:01.1 root port; 0000:41:00.0 GPU on amdgpu, 0000:41:00.1 its audio on snd_hda_intel:
 * group 5 0000:42:00.0 GPU without driver, group 6; 0000:43:00.0 NIC on e1000e with an override of
 * the admin, group 7 0000:03:00.0 PF on nvme with 4 VFs possible, 256 apart by 2 (0000:04:00.0,
 * 04:00.2, ...), group 8 0000:51:00.0 parent of mediated devices on nvidia, group 9; "mtty" in
 * class/mdev_bus 0000:61:00.0 PF on nvidia, group 10, its VF 0000:61:00.4 with vendor VFIO, group
 * 11
 */
void fake_host(struct fake_kernel *k);

/** fake_start_host() - Start with that host, for tests that need no limit on reading. */
void fake_start_host(struct fake_kernel *k);

#endif
