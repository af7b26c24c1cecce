/* SPDX-License-Identifier: MIT */
#include "run/image_run.h"

#include "base/log.h"

int run_image_build_from(const struct image_run *what)
{
	log_error("image build --from %s: not available yet", what->cfg->base_image);
	return 1;
}

int run_image_shell(const struct image_run *what)
{
	log_error("image shell %s: not available yet", what->cfg->base_image);
	return 1;
}
