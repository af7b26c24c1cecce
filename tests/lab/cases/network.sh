# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# VFs of a network adapter, whose addresses are two apart. No older QEMU emulates it.
# Suites: trixie

network_adapter() {
	one $(functions_with device 0x10c9)
}

test_virtual_functions() {
	local pf first second
	pf=$(network_adapter)
	same "$(cat "$pci/$pf/sriov_totalvfs")" 7
	echo 2 > "$pci/$pf/sriov_numvfs"
	first=$(basename "$(readlink "$pci/$pf/virtfn0")")
	second=$(basename "$(readlink "$pci/$pf/virtfn1")")
	[ "$(group_of "$first")" != "$(group_of "$second")" ] || fail "two VFs in one group"
	echo 0 > "$pci/$pf/sriov_numvfs"
	[ ! -e "$pci/$first" ] || fail "the VF is still there"
}

limit_full_test_two_vfs_of_an_adapter_that_is_up=420
full_test_two_vfs_of_an_adapter_that_is_up() {
	local pf
	pf=$(network_adapter)
	ip link set "$(ls "$pci/$pf/net")" up
	remember
	keys='"devices": [{"address": "'$pf'", "mode": "sriov", "num_vfs": 2}]'
	nested -- sh -c 'cat /sys/bus/pci/devices/*/device | grep -c 0x10ca'
	same "$code" 0
	same "$(cat out)" 2
	as_before
	holds receipt.json '[.devices[].address] | length == 2'
	ip link set "$(ls "$pci/$pf/net")" down
	no_vm_left
}
