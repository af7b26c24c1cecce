/* SPDX-License-Identifier: MIT */
/*
 * The choice of devices, inside: device_choice.c takes what is named, device_free.c finds free
 * GPUs; the others tell whether and how one can be had.
 *
 * Verdicts are errors whose text begins with the address of the function in question, without the
 * configuration key: -ENOTSUP for good, -EBUSY for now. No error parameter is NULL.
 */
#ifndef BMVM_RUN_DEVICE_CHOICE_PRIVATE_H
#define BMVM_RUN_DEVICE_CHOICE_PRIVATE_H

#include "run/device_choice.h"

#include "base/error.h"
#include "config/config.h"

/** struct device_wish - How a function is asked for: one entry's keys, borrowed */
struct device_wish {
	enum gpu_mode mode;
	unsigned int num_vfs;
	unsigned int create_vfs; /* 0: as num_vfs */
	const char *vgpu_type;
	bool force;
	bool gpu; /* it has to be one */
};

/**
 * struct chooser - A choice under way
 * @wish:   of the entry at hand
 * @whole:  the entries at hand are those that ask for functions as a whole; else the others
 * @choice: what is decided so far
 * @busy:   the first refusal that waiting may cure; code 0 for none
 */
struct chooser {
	const struct host *host;
	const struct config *cfg;
	struct device_choice *choice;
	struct device_wish wish;
	bool whole;
	struct error busy;
};

/* ---- device_choice.c ---- */

/**
 * device_request_new() - Append a request for @count of @d to a list
 * @part: takes it
 *
 * Return: borrowed, until the next one; NULL without memory.
 */
struct device_request *device_request_new(struct device_choice *part, enum device_way way,
					  const struct device *d, const char *key);

/** device_is_taken() - Whether a request decided on owns the function @address. */
bool device_is_taken(const struct device_choice *choice, const char *address);

/** device_choice_overlaps() - Whether @part asks for what is decided on already. */
bool device_choice_overlaps(const struct device_choice *choice, const struct device_choice *part);

/**
 * device_choice_decide() - Add the requests of @part to what is decided
 *
 * Return: 0; -EINVAL a function is decided on already; -ENOMEM.
 */
int device_choice_decide(struct chooser *c, struct device_choice *part, struct error *err);

/** device_choice_node() - The NUMA node all are on; -1 none, several or not known. */
int device_choice_node(const struct device_choice *choice);

/** device_vendor_id() - The PCI vendor of a gpu_vendor; 0 for NULL. */
uint16_t device_vendor_id(const char *name);

/** device_wish_gpu() - What gpu_passthrough says of each GPU. */
struct device_wish device_wish_gpu(const struct config *cfg);

/**
 * device_request_mode() - Ask for a function in the mode of the wish at hand
 * @part: takes the requests
 *
 * Return: as the functions below that it calls.
 */
int device_request_mode(const struct chooser *c, const struct device *d, const char *key,
			struct device_choice *part, struct error *err);

/* ---- device_free.c ---- */

/**
 * device_free_take() - Decide on free GPUs, as many as the configuration asks for
 *
 * Return: 0; as device_choice_make(), the text with the key.
 */
int device_free_take(struct chooser *c, struct error *err);

/* ---- device_warn.c ---- */

/** device_warn() - Say what speaks against what is decided, to the choice's warnings. */
void device_warn(const struct chooser *c);

/* ---- device_whole.c ---- */

/**
 * device_whole_request() - Ask for a function as a whole, with its companions
 * @part: takes the request
 *
 * What else is in its group, and who uses it, is not looked at. Return: 0; -ENOTSUP; -ENOMEM.
 */
int device_whole_request(const struct chooser *c, const struct device *d, const char *key,
			 struct device_choice *part, struct error *err);

/**
 * device_whole_group() - Whether nothing else is in the way in the group of a request
 * @rq: of DEVICE_WHOLE; what the requests decided on bind is not in its way
 *
 * Return: 0; -ENOTSUP naming what is; errno of reading.
 */
int device_whole_group(const struct chooser *c, const struct device_request *rq, struct error *err);

/**
 * device_whole_idle() - Whether nobody has or uses any function of a request
 * @rq: of DEVICE_WHOLE
 *
 * Return: 0; -EBUSY; errno of reading.
 */
int device_whole_idle(const struct chooser *c, const struct device_request *rq, struct error *err);

/** device_needs_force() - Whether a function is known not to come back from a reset. */
bool device_needs_force(const struct pci_function *f);

/** device_has_mdevs() - Whether mediated devices have been made of it. */
bool device_has_mdevs(const struct chooser *c, const struct device *d);

/** device_check_answers() - Whether it answers. Return: 0; -ENOTSUP; -EBUSY it is stuck. */
int device_check_answers(const struct device *d, struct error *err);

/** device_check_iommu() - Whether the IOMMU can give it to a guest. Return: 0; -ENOTSUP. */
int device_check_iommu(const struct device *d, struct error *err);

/** device_check_console() - Whether the console is elsewhere. Return: 0; -ENOTSUP. */
int device_check_console(const struct device *d, struct error *err);

/** device_check_idle() - Whether nobody has or uses it. Return: 0; -EBUSY. */
int device_check_idle(const struct device *d, struct error *err);

/* ---- device_vfs.c ---- */

/**
 * struct vf_search - A search for free VFs of a GPU; zero but for what is borrowed
 * @rq:     takes the VFs; @rq->count are wanted
 * @n_busy: how many more would do later
 * @first:  why the first one was passed over
 */
struct vf_search {
	const struct chooser *c;
	const struct device *gpu;
	struct device_request *rq;
	size_t n_busy;
	struct error first;
};

/**
 * device_vf_search() - Take VFs, by index, until there are enough
 * @verdict: whether one can be had. Return: 0; -EBUSY, -ENOTSUP; anything else ends the search
 *
 * Return: 0, also with too few; -ENOMEM; errno of reading.
 */
int device_vf_search(struct vf_search *s,
		     int (*verdict)(const struct vf_search *s, const struct device *vf,
				    struct error *err),
		     struct error *err);

/**
 * device_vf_too_few() - Refuse what a search found too little of
 * @what: "VFs"
 *
 * Return: -EBUSY if those in use would make enough; -ENOTSUP.
 */
int device_vf_too_few(const struct vf_search *s, const char *what, struct error *err);

/**
 * device_vfs_request() - Ask for VFs of a PF: those that are there and free, else new ones
 *
 * Return: 0; -ENOTSUP; -EBUSY; -ENOMEM; errno of reading.
 */
int device_vfs_request(const struct chooser *c, const struct device *pf, const char *key,
		       struct device_choice *part, struct error *err);

/* ---- device_vgpu.c ---- */

/**
 * device_vgpu_request() - Ask for vGPUs of a GPU, in whichever way its driver makes them
 *
 * Return: as device_vfs_request().
 */
int device_vgpu_request(const struct chooser *c, const struct device *gpu, const char *key,
			struct device_choice *part, struct error *err);

#endif
