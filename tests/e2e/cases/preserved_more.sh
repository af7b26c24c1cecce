# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Preserved only after a failure; a preserved VM whose guardian dies keeps disk, keys and logs.

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

full_test_success_does_not_preserve() {
	expect 0 run_vm --preserve=on-failure -- true 2> err
	no_vm_left
}

full_test_a_vm_that_is_off_is_not_preserved() {
	expect 125 run_vm --preserve -- sh -c 'sleep 1; poweroff -f' 2> err
	has_not err 'is kept'
	no_vm_left
}

# The guest goes off only after it was preserved.
full_test_ssh_to_a_preserved_vm_that_is_off() {
	expect 0 run_vm --name kept --preserve -- sh -c '(sleep 20; poweroff -f) > /dev/null 2>&1 < /dev/null &' 2> err
	wait_until 120 gone qemu_of
	SECONDS=0
	expect 1 "$BMVM" ssh kept -- true 2> err
	[ $SECONDS -lt 10 ] || fail "told after $SECONDS s"
	has err 'VM kept is off'
	"$BMVM" ps > out
	has out '^kept +preserved, off '
	"$BMVM" destroy kept 2> err
	no_vm_left
}
