/* SPDX-License-Identifier: MIT */
#include "run/options.h"

#include <stdlib.h>

void run_options_done(struct run_options *o)
{
	config_done(&o->cfg);
	free(o->name);
	strv_done(&o->env);
	free(o->workdir);
	for (size_t i = 0; i < o->n_copy_in; i++) {
		free(o->copy_in[i].host);
		free(o->copy_in[i].guest);
	}
	free(o->copy_in);
	free(o->receipt);
	*o = (struct run_options){ .cmd = NULL };
}
