/* SPDX-License-Identifier: MIT */
/*
 * Devices as stages of a run: choosing them, having the guardian take them, and looking for them in
 * the guest.
 */
#ifndef BMVM_RUN_DEVICES_H
#define BMVM_RUN_DEVICES_H

#include <stdbool.h>

struct error;
struct run;

/**
 * devices_choose() - Choose what the configuration asks for; part of stage_validate()
 *
 * Waits for devices that others use until r->wait_ns, and undoes runs that die meanwhile. Return:
 * 0, also when none are asked for; -EPERM without root; as device_choice_make(); what a watch
 * returned.
 */
int devices_choose(struct run *r, struct error *err);

/**
 * devices_try_again() - Whether a run that has ended is worth another one from the start
 * @failed: what it ended with
 *
 * It is when another run was faster to take what this one had chosen, all of it was given back, and
 * either there is time to wait, or nothing was named so that other devices may do.
 */
bool devices_try_again(const struct run *r, int failed);

/**
 * devices_check_room() - Whether the guest's address space has room for them, before one is touched
 *
 * After devices_choose() and the choice of the hypervisor. Return: 0; -ENOTSUP; as
 * device_plan_make().
 */
int devices_check_room(struct run *r, struct error *err);

/** stage_devices_wanted() - Whether this run has any. */
bool stage_devices_wanted(const struct run *r);

/** stage_devices() - The guardian takes them. Return: 0; as assignment_make(); see r->too_late. */
int stage_devices(struct run *r, struct error *err);

/**
 * devices_check_guest() - Compare what the guest sees with what it was given
 *
 * By vendor, device and the sizes of its memory BARs. Return: 0; -ENODEV a function is missing, or
 * one of its BARs has no address or another size: the guest's kernel lines about it are logged;
 * errno of asking.
 */
int devices_check_guest(struct run *r, struct error *err);

#endif
