# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Several VMs and the VFs of one controller, which none of them found there but where it is said.

one_of_two() {
	echo '"devices": [{"address": "'"$(sriov_controller)"'", "mode": "sriov", "create_vfs": 2}]'
}

# numvfs_is PF N: an administrator makes N VFs that no driver of the host gets, or takes them away.
numvfs_is() {
	echo $(($2 == 0)) > "$pci/$1/sriov_drivers_autoprobe"
	echo "$2" > "$pci/$1/sriov_numvfs"
}

two_vms() {
	remember
	started first "$(one_of_two)"
	first=$front
	started second "$(one_of_two)"
	second=$front
	same "$(cat "$pci/$(sriov_controller)/sriov_numvfs")" 2
}

limit_full_test_first_come_first_gone=240
full_test_first_come_first_gone() {
	two_vms
	stopped "$first"
	same "$(cat "$pci/$(sriov_controller)/sriov_numvfs")" 2
	stopped "$second"
	as_before
	no_vm_left
}

limit_test_first_come_last_gone_and_a_third=300
test_first_come_last_gone_and_a_third() {
	two_vms
	expect 125 run_vm "$(with "$(one_of_two)")" -- true 2> err
	has err 'leased by VM (first|second)'
	start_vm "$(with "$(one_of_two)")" --name third --wait 120 -- sleep 1000
	wait_until 30 grep -q 'waiting for up to 120 s' err
	stopped_third=$front
	stopped "$second"
	wait_until 90 running third
	stopped "$stopped_third"
	same "$(cat "$pci/$(sriov_controller)/sriov_numvfs")" 2
	stopped "$first"
	as_before
	no_vm_left
}

# The second one began while the first had a VF, and must not miss it for that.
limit_full_test_vfs_that_were_there=240
full_test_vfs_that_were_there() {
	local pf
	pf=$(sriov_controller)
	numvfs_is "$pf" 2
	two_vms
	stopped "$first"
	stopped "$second"
	as_before
	numvfs_is "$pf" 0
	no_vm_left
}

# Both find no VF and want to make one; who comes too late waits until the other's is gone.
limit_full_test_two_that_start_together=300
full_test_two_that_start_together() {
	local name keys now=first later=second
	keys='"devices": [{"address": "'"$(sriov_controller)"'", "mode": "sriov"}]'
	remember
	for name in first second; do
		start_vm "$(with "$keys")" --name $name --wait 200 -- sleep 1000
		wait_until 10 test -s err
		mv -f out out.$name
		mv -f err err.$name
		printf -v $name %s "$front"
	done
	wait_until 90 running '(first|second)'
	running first || { now=second later=first; }
	sleep 5
	! running $later || fail "both have the only VF"
	stopped "${!now}"
	wait_until 90 running $later
	stopped "${!later}"
	as_before
	no_vm_left
}
