# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Preserved only after a failure; a preserved VM whose guardian dies keeps disk, keys and logs.

limit_test_failure_preserves_and_the_guardian_dies=400
test_failure_preserves_and_the_guardian_dies() {
	expect 3 run_vm --name kept --preserve=on-failure -- sh -c 'exit 3' 2> err
	same "$("$BMVM" ps --json | jq -r '.[].state')" preserved
	kill -KILL "$(guardian_of)"
	wait_until 15 gone qemu_of
	"$BMVM" ps > out
	has out '^kept +dead, preserved '
	expect 1 "$BMVM" ssh kept -- true 2> err
	"$BMVM" recover > out
	has out 'kept: kept'
	[ -e $disks/kept/overlay.qcow2 ] || fail "the disk is gone"
	"$BMVM" logs kept > out
	[ -s out ] || fail "the console log is gone"
	"$BMVM" destroy kept 2> err
	same "$("$BMVM" ps --json | jq length)" 0
	no_vm_left
}

test_success_does_not_preserve() {
	expect 0 run_vm --preserve=on-failure -- true 2> err
	no_vm_left
}
