/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells of a PCI function: its folder in bus/pci/devices, read once into a struct.
 *
 * A missing file is an absent value, marked below as such for each; a file with junk in it is
 * -EBADMSG where the value is needed for any decision (ids, class) and an absent value elsewhere.
 * The tree is not trusted: nothing in it makes these functions crash or read without bound.
 *
 * The number of VFs is told twice: @numvfs is what sriov_numvfs reads, @n_vfs counts the virtfnN
 * links, which answers even while a change of sriov_numvfs is stuck.
 */
#ifndef SYSFS_PCI_H
#define SYSFS_PCI_H

#include "sysfs/address.h"
#include "sysfs/tree.h"

/* Bits of a BAR's flags, as the kernel has them in "resource" (IORESOURCE_*). */
#define PCI_BAR_IO        UINT64_C(0x100)
#define PCI_BAR_MEMORY    UINT64_C(0x200)
#define PCI_BAR_PREFETCH  UINT64_C(0x2000)
#define PCI_BAR_MEMORY_64 UINT64_C(0x100000)

/* Base address registers of an endpoint; the expansion ROM follows them in "resource". */
#define PCI_N_BARS     6
#define PCI_REGIONS    (PCI_N_BARS + 1)
#define PCI_REGION_ROM PCI_N_BARS

/* header_type of a function whose config space cannot be read. */
#define PCI_HEADER_UNKNOWN  (-1)
#define PCI_HEADER_ENDPOINT 0
#define PCI_HEADER_BRIDGE   1

/**
 * struct pci_region - One line of "resource"
 * @start: bus address
 * @end:   last address; 0, as the others, when the region is not there
 * @flags: PCI_BAR_* and others
 * @size:  bytes; 0 when the region is not there
 */
struct pci_region {
	uint64_t start;
	uint64_t end;
	uint64_t flags;
	uint64_t size;
};

/**
 * struct pci_vf - A virtual function of a physical one
 * @index:   N of the link virtfnN
 * @address: where the link leads
 */
struct pci_vf {
	unsigned int index;
	struct pci_address address;
};

/**
 * struct pci_function - One function; release it with pci_function_done()
 * @address:
 * @vendor:            as the four ids after it, 0 when absent (vendor and device never are)
 * @device:
 * @subsystem_vendor:
 * @subsystem_device:
 * @revision:
 * @class_code:        base class, sub-class, interface: 0x030000 a VGA controller
 * @driver:            bound driver, "" none
 * @driver_override:   raw, see pci_override_is_set(); "" absent
 * @has_override:      whether there is a file driver_override, with a text that fits
 * @iommu_group:       -1 none
 * @numa_node:         -1 unknown
 * @boot_vga:          firmware's primary display
 * @enable:            how often it is enabled in the kernel; -1 absent
 * @header_type:       PCI_HEADER_*, without the multi-function bit
 * @is_gone:           config space reads all ones: the device does not answer
 * @is_bridge:         by header type, class 0600 or 0604, or having a bus behind it
 * @regions:           BARs, then the ROM
 * @sriov_totalvfs:    -1 for what is no PF
 * @sriov_numvfs:      -1 absent
 * @sriov_autoprobe:   sriov_drivers_autoprobe; -1 absent
 * @is_vf:             whether there is a physfn, which is then @physfn
 * @physfn:
 * @vfs:               by index; owned
 * @n_vfs:
 * @has_mdev_types:    mdev_supported_types is there: a parent of mediated devices
 * @has_vendor_vfio:   the folder nvidia/ is there: vendor-specific VFIO, never to be bound to
 * vfio-pci
 * @power_control:     "on", "auto"; as the rest, "" absent
 * @runtime_status:
 * @d3cold_allowed:
 * @reset_method:      "" also when no method works
 * @modalias:
 */
struct pci_function {
	struct pci_address address;
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem_device;
	uint8_t revision;
	uint32_t class_code;
	char driver[SYSFS_NAME_SIZE];
	char driver_override[SYSFS_NAME_SIZE];
	bool has_override;
	int iommu_group;
	int numa_node;
	bool boot_vga;
	int enable;
	int header_type;
	bool is_gone;
	bool is_bridge;
	struct pci_region regions[PCI_REGIONS];
	int sriov_totalvfs;
	int sriov_numvfs;
	int sriov_autoprobe;
	bool is_vf;
	struct pci_address physfn;
	struct pci_vf *vfs;
	size_t n_vfs;
	bool has_mdev_types;
	bool has_vendor_vfio;
	char power_control[16];
	char runtime_status[16];
	char d3cold_allowed[16];
	char reset_method[64];
	char modalias[128];
};

/**
 * pci_function_read() - Read one function
 * @sys:
 * @address:
 * @ret:     release it with pci_function_done()
 * @err:
 *
 * Blocks for read_limit_ms at most, twice. Return: 0; -ENODEV there is no such function (any more);
 * -EBADMSG its ids, its class or a virtfn link are junk; -ETIMEDOUT it is stuck in a change, with
 * @err->wedged; -ENOMEM; errno of fork(2).
 */
int pci_function_read(const struct sysfs *sys, const struct pci_address *address,
		      struct pci_function *ret, struct sysfs_error *err);

/** pci_function_done() - Release what a function owns; accepts zeroes. */
void pci_function_done(struct pci_function *function);

#define AUTO_PCI_FUNCTION __attribute__((cleanup(pci_function_done)))

/**
 * struct pci_list - Functions by address
 * @v:            owned
 * @n:
 * @n_unreadable: functions left out, as pci_function_read() fails for them though they are there
 */
struct pci_list {
	struct pci_function *v;
	size_t n;
	size_t n_unreadable;
};

/**
 * pci_scan() - Read all functions
 * @sys:
 * @ret: release it with pci_list_done()
 * @err:
 *
 * A function that vanishes meanwhile is left out, as is one that is stuck in a change: what costs
 * read_limit_ms a few times then leaves a helper behind for each that is.
 *
 * Return: 0; errno of listing; -ENOMEM.
 */
int pci_scan(const struct sysfs *sys, struct pci_list *ret, struct sysfs_error *err);

/** pci_list_done() - Release a list; accepts zeroes. */
void pci_list_done(struct pci_list *list);

#define AUTO_PCI_LIST __attribute__((cleanup(pci_list_done)))

/** pci_override_is_set() - Whether a driver_override names a driver: not "" and not "(null)". */
bool pci_override_is_set(const char *raw);

/** pci_override_equal() - Whether two driver_override mean the same; all unset ones do. */
bool pci_override_equal(const char *a, const char *b);

/**
 * pci_override_read() - The driver_override at present
 * @sys:
 * @address:
 * @ret:     raw, see pci_override_is_set()
 * @err:
 *
 * Blocks for read_limit_ms at most. Return: 0; -ENOENT no such function or file; -EMSGSIZE it does
 * not fit; -ETIMEDOUT with @err->wedged.
 */
int pci_override_read(const struct sysfs *sys, const struct pci_address *address,
		      char ret[SYSFS_NAME_SIZE], struct sysfs_error *err);

/**
 * pci_numvfs_read() - The value of sriov_numvfs at present
 * @sys:
 * @address: the physical function
 * @ret:
 * @err:
 *
 * Blocks for read_limit_ms at most. Return: 0; -ENOENT no such function or file; -EBADMSG;
 * -ETIMEDOUT with @err->wedged.
 */
int pci_numvfs_read(const struct sysfs *sys, const struct pci_address *address, int *ret,
		    struct sysfs_error *err);

/**
 * pci_path() - Path of a function's file, relative to the /sys root
 * @buf:     receives it
 * @address:
 * @name:    file in its folder; NULL for the folder itself
 *
 * Return: @buf.
 */
const char *pci_path(char buf[SYSFS_PATH_SIZE], const struct pci_address *address,
		     const char *name);

/**
 * pci_driver() - The driver a function is bound to at present
 * @sys:
 * @address:
 * @driver:  receives its name, "" for none
 *
 * Return: 0; -ENODEV there is no such function; -EBADMSG the link is junk.
 */
int pci_driver(const struct sysfs *sys, const struct pci_address *address,
	       char driver[SYSFS_NAME_SIZE]);

/**
 * pci_is_gone() - Whether config space reads all ones now: the device does not answer
 *
 * Return: false also when config space cannot be read at all.
 */
bool pci_is_gone(const struct sysfs *sys, const struct pci_address *address);

/**
 * pci_is_bridge() - Whether it is a bridge rather than an endpoint, as struct pci_function has it
 *
 * Return: false also when there is no such function.
 */
bool pci_is_bridge(const struct sysfs *sys, const struct pci_address *address);

/** pci_group() - The number of a function's IOMMU group. Return: -1 for none. */
int pci_group(const struct sysfs *sys, const struct pci_address *address);

/**
 * pci_vfs_read() - The virtual functions of a function, by the virtfnN links
 * @sys:
 * @address: the physical function
 * @ret:     owned, free() it; NULL for none
 * @ret_n:
 *
 * Return: 0; -ENODEV; -EBADMSG a link does not lead to a PCI function; -ENOMEM.
 */
int pci_vfs_read(const struct sysfs *sys, const struct pci_address *address, struct pci_vf **ret,
		 size_t *ret_n);

/**
 * pci_parse_regions() - Read the text of "resource"
 * @text:
 * @ret:  PCI_REGIONS regions; those without a line are zero, further lines (of a bridge) are
 * ignored
 *
 * Return: 0; -EBADMSG, @ret as it was.
 */
int pci_parse_regions(const char *text, struct pci_region *ret);

#endif
