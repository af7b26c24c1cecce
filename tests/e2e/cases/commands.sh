# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Commands that need no guest.

test_check_exit_codes() {
	expect 0 "$BMVM" check --hypervisor tcg --memory 512M --vcpus 1 > out 2> err
	expect 1 "$BMVM" check --hypervisor tcg --memory 512M --vcpus 1 --image not-there > out 2> err
	has out 'not-there|image'
	expect 2 "$BMVM" check --no-such-option > out 2> err
	"$BMVM" check --hypervisor tcg --memory 512M --json > json || true
	holds json 'type == "array" and length > 5'
}

test_dry_run_touches_nothing() {
	find /run/bmvm /var/lib/bmvm -printf '%p %T@ %s\n' | sort > before
	run_vm --dry-run --json -- true > json 2> err
	find /run/bmvm /var/lib/bmvm -printf '%p %T@ %s\n' | sort > after
	diff before after || fail "something was touched"
	holds json '.qemu_arguments | length > 20'
	run_vm --dry-run -- true > out 2> err
	has out 'would run'
	expect 125 run_vm --dry-run --image not-there -- true > out 2> err
}

test_nothing_to_list_or_recover() {
	same "$("$BMVM" ps --json | jq length)" 0
	"$BMVM" recover > out
	has out 'nothing'
	expect 1 "$BMVM" destroy nobody 2> err
	expect 1 "$BMVM" logs nobody 2> err
	expect 2 "$BMVM" destroy 2> err
}

test_kvm_that_does_not_work_says_so() {
	[ "$HV" != kvm ] || skip "KVM works here"
	local code=0
	timeout 120 "$BMVM" run --hypervisor kvm --vcpus 1 --memory 512M -- true > out 2> err || code=$?
	same $code 125
	has err 'auto'
}

test_auto_falls_back_to_emulation() {
	"$BMVM" run --hypervisor auto --vcpus 1 --memory 512M --dry-run --json -- true > json 2> err
	holds json ".hypervisor == \"$HV\""
}
