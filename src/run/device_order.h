/* SPDX-License-Identifier: MIT */
/*
 * The order in which whole functions leave their drivers, the reverse of that in which they are
 * given back: a driver numbers its GPUs as they come (card0, card1), so the one with the lowest
 * number has to come back first.
 */
#ifndef BMVM_RUN_DEVICE_ORDER_H
#define BMVM_RUN_DEVICE_ORDER_H

#include "run/device_choice.h"

/**
 * device_order_whole() - The requests of DEVICE_WHOLE in this order
 * @ret:   owned array of requests borrowed from @choice
 * @ret_n: how many
 *
 * Return: 0; -ENOMEM.
 */
int device_order_whole(const struct host *host, const struct device_choice *choice,
		       const struct device_request ***ret, size_t *ret_n, struct error *err);

#endif
