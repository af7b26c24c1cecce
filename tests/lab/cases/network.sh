# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# VFs of a network adapter, whose addresses are two apart.

limit_test_two_vfs_of_an_adapter_that_is_up=420
test_two_vfs_of_an_adapter_that_is_up() {
	local pf
	pf=$(functions_with device 0x10c9)
	[ -n "$pf" ] || skip "this machine's QEMU emulates no SR-IOV network device"
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
