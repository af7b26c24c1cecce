/* SPDX-License-Identifier: MIT */
#include "workload/timeout.h"

#include <errno.h>
#include <inttypes.h>

#include "base/error.h"

int timeout_resolve(int64_t option, int64_t model, int64_t *ret, struct error *err)
{
	if (option < -1)
		return error_set(err, EINVAL,
				 "--timeout %" PRId64
				 ": must be a number of seconds, 0 for no "
				 "limit, or -1 for %d",
				 option, TIMEOUT_DEFAULT_S);
	if (option == -1)
		option = TIMEOUT_DEFAULT_S;
	*ret = option == TIMEOUT_DEFAULT_S && model > 0 ? model : option;
	return 0;
}
