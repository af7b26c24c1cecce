/* SPDX-License-Identifier: MIT */
/*
 * How long a model may run: the option --timeout and the model's own "timeout". Pure.
 */
#ifndef BMVM_WORKLOAD_TIMEOUT_H
#define BMVM_WORKLOAD_TIMEOUT_H

#include <stdint.h>

struct error;

#define TIMEOUT_DEFAULT_S 7200

/**
 * timeout_resolve() - The limit around container start, scripts and the model
 * @option: of the command line: -1 (also when not given) for TIMEOUT_DEFAULT_S, 0 for none, > 0 s
 * @model:  model_timeout(): > 0 s, or 0. It counts only when @option comes to TIMEOUT_DEFAULT_S,
 *          also when that was typed
 * @ret:    seconds; 0: no limit
 *
 * Return: 0; -EINVAL @option below -1.
 */
int timeout_resolve(int64_t option, int64_t model, int64_t *ret, struct error *err);

#endif
