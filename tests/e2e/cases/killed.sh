# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Processes that die at the worst moment. What is left is seen by the suite: nothing may be.

# front_killed_after SECONDS: within 10 s (here 15) nothing of the VM is left, and a receipt says so.
front_killed_after() {
	rm -f /var/lib/bmvm/receipts/*
	start_vm -- sleep 300
	sleep "$1"
	kill -KILL $front
	ended $front
	echo "killed after $1 s: $(tail -1 err)"
	wait_until 15 no_vm_left
	[ -z "$(ls /var/lib/bmvm/receipts)" ] ||
		holds "$(echo /var/lib/bmvm/receipts/*.json)" '.clean and .differences == []'
}

# Moments are drawn anew each time; printed, so that a failure can be repeated.
random_moment() {
	awk -v r="$RANDOM" -v max="$1" 'BEGIN { printf "%.2f", r / 32768 * max }'
}

limit_full_test_front_at_ten_random_moments=900
full_test_front_at_ten_random_moments() {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		front_killed_after "$(random_moment $((i * 6)))"
	done
}

test_front_while_the_command_runs() {
	start_vm --name lost -- sleep 300
	in_command
	kill -KILL $front
	ended $front
	wait_until 15 no_vm_left
	holds /var/lib/bmvm/receipts/lost.json '.clean and .outcome == "front lost"'
}

test_guardian_while_the_command_runs() {
	start_vm -- sleep 300
	in_command
	kill -KILL "$(guardian_of)"
	ended $front
	same $code 125
	has err 'guardian'
	no_vm_left
}

# As after a guardian that had undone everything and died before it could say what it found.
full_test_guardian_that_ends_without_a_word() {
	local guardian
	start_vm --name silent -- sleep 300
	in_command
	guardian=$(guardian_of)
	kill -STOP "$guardian"
	rm -r /run/bmvm/vms/silent
	kill -KILL "$guardian"
	ended $front
	same $code 125
	has err 'without saying what it found'
	"$BMVM" recover
	no_vm_left
}

test_qemu_while_the_command_runs() {
	start_vm --receipt receipt.json -- sleep 300
	in_command
	kill -KILL "$(qemu_of)"
	ended $front
	same $code 125
	has err 'QEMU|signal|VM'
	holds receipt.json '.clean and .outcome == "infrastructure"'
	no_vm_left
}

# Nobody is left to undo it: the next run does, and so does recover.
test_front_and_guardian_then_recover() {
	start_vm --name orphan -- sleep 300
	wait_until 60 qemu_of
	kill -KILL $front "$(guardian_of)"
	ended $front
	wait_until 15 gone qemu_of
	[ -e $vms/orphan ] || fail "nothing to recover: the case tests nothing"
	"$BMVM" recover > out
	has out 'orphan: removed'
	no_vm_left
}

test_front_and_guardian_then_the_next_run() {
	start_vm --name orphan -- sleep 300
	wait_until 60 qemu_of
	kill -KILL "$(guardian_of)" $front
	ended $front
	wait_until 15 gone qemu_of
	expect 125 run_vm --name next --image not-there -- true 2> err2
	has err2 'orphan'
	no_vm_left
}

# The journal goes with the run folder; the disk of the lost VM stays for recover to find.
test_power_lost() {
	start_vm --name before-reboot -- sleep 300
	wait_until 60 qemu_of
	kill -KILL "$(guardian_of)" $front
	ended $front
	wait_until 15 gone qemu_of
	rm -rf ${vms:?}/* /run/bmvm/ledger.json # what a reboot does to /run
	"$BMVM" recover > out
	has out 'before-reboot: removed'
	no_vm_left
}

# As after Ctrl-Z: nothing leads the teardown.
test_destroy_while_the_front_is_stopped() {
	start_vm --name asleep -- true
	wait_until 60 qemu_of
	kill -STOP $front
	SECONDS=0
	timeout 100 "$BMVM" destroy asleep
	[ $SECONDS -lt 60 ] || fail "took $SECONDS s"
	! qemu_of || fail "QEMU is still there"
	same "$(find $vms $disks -mindepth 1)" ''
	kill -CONT $front
	ended $front
	same $code 125
	no_vm_left
	has err 'destroy'
	holds /var/lib/bmvm/receipts/asleep.json .clean
}
