/* SPDX-License-Identifier: MIT */
/* Rows of host/check.h about the place a VM gets on the host: its NUMA node, its network. */
#ifndef BMVM_HOST_CHECK_PLACE_H
#define BMVM_HOST_CHECK_PLACE_H

#include <stdbool.h>

struct check_ctx;
struct check_result;
struct config;

/** check_numa_needed() - Whether `numa_node` is given. */
bool check_numa_needed(const struct config *cfg);

/** check_numa() - The node is there, with CPUs for us and room for the VM's memory. */
void check_numa(const struct check_ctx *ctx, struct check_result *result);

/** check_network_needed() - Whether `network.mode` asks for a second network card. */
bool check_network_needed(const struct config *cfg);

/** check_network() - Bridge or tap are there, and may be used. */
void check_network(const struct check_ctx *ctx, struct check_result *result);

#endif
