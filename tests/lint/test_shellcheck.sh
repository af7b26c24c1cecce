#!/bin/sh
# SPDX-License-Identifier: MIT
# There is nothing shellcheck finds nothing in any script.
set -eu
command -v shellcheck > /dev/null || { echo "SKIP: no shellcheck"; exit 77; }
cd "$BMVM_SOURCE"
grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' .ci scripts tests --exclude-dir=data | sort |
	xargs shellcheck -x -P SCRIPTDIR
