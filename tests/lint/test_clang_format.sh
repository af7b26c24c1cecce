#!/bin/sh
# SPDX-License-Identifier: MIT
# Every C file is as clang-format leaves it.
set -eu
command -v clang-format > /dev/null || { echo "SKIP: no clang-format"; exit 77; }
cd "$BMVM_SOURCE"
bad=0
for file in $(find qmp sysfs src tests -name '*.[ch]' | sort); do
	if ! clang-format --dry-run --Werror "$file" > /dev/null 2>&1; then
		echo "$file: clang-format -i $file"
		bad=1
	fi
done
exit $bad
