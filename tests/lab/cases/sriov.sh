# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Virtual functions, made on an SR-IOV controller and given to guests.

vfs_of() {
	echo '"devices": [{"address": "'"$1"'", "mode": "sriov", "num_vfs": '"$2"'}]'
}

# refused_elsewhere PF NAMESPACE: mounted where only another process sees it, as in a container.
refused_elsewhere() {
	local process
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private sh -c 'mount "$1" folder && touch mounted && exec sleep 1000' - "$2" &
	process=$!
	wait_until 10 test -e mounted
	refused 'mounted on .*/folder' "$(vfs_of "$1" 1)"
	kill $process
	wait $process || true
}

full_test_refusals_change_nothing() {
	local pf namespace
	pf=$(sriov_controller)
	remember
	refused 'can have 4 VFs, not 5' "$(vfs_of "$pf" 5)"
	refused 'has no SR-IOV' "$(vfs_of "$(driverless_device)" 1)"
	namespace=$(one /dev/nvme*n1)
	mkfs.ext4 -q "$namespace"
	mkdir folder
	mount "$namespace" folder
	refused 'mounted on' "$(vfs_of "$pf" 1)"
	umount folder
	refused_elsewhere "$pf" "$namespace"
	echo "$pf" > "$pci/$pf/driver/unbind"
	remember
	refused 'no driver' "$(vfs_of "$pf" 1)"
	echo "$pf" > /sys/bus/pci/drivers/nvme/bind
	echo 2 > "$pci/$pf/sriov_numvfs"
	remember
	refused 'VFs there: 2; their number is not changed' "$(vfs_of "$pf" 3)"
	echo 0 > "$pci/$pf/sriov_numvfs"
}

# give_resources PF: as its administrator does, a VF of this controller gets queues and interrupts.
give_resources() {
	local controller n
	until [ -e "$pci/$1/virtfn1" ] && [ "$(driver_of "$(basename "$(readlink "$pci/$1/virtfn1")")")" = vfio-pci ]; do
		sleep 0.2
	done
	controller=/dev/$(ls "$pci/$1/nvme")
	for n in 1 2; do
		nvme virt-mgmt "$controller" -c $n -r 1 -a 8 -n 1
		nvme virt-mgmt "$controller" -c $n -r 0 -a 8 -n 2
		nvme virt-mgmt "$controller" -c $n -a 9 -r 0 -n 0
	done
}

limit_full_test_two_vfs_and_a_file_system=420
full_test_two_vfs_and_a_file_system() {
	local pf giver
	pf=$(sriov_controller)
	remember
	give_resources "$pf" > given 2>&1 &
	giver=$!
	keys=$(vfs_of "$pf" 2)
	# shellcheck disable=SC2016 # for the guest
	nested -- sh -euc 'cat /sys/bus/pci/devices/*/class | grep -c 0x010802
		for i in $(seq 100); do set -- /dev/nvme*n1; [ -b "$1" ] && break || sleep 0.2; done
		mkfs.ext4 -q "$1"; mount "$1" /mnt; echo through a VF > /mnt/file; umount /mnt
		echo 3 > /proc/sys/vm/drop_caches; mount "$1" /mnt; cat /mnt/file; umount /mnt'
	kill $giver 2> /dev/null || true
	cat given
	same "$code" 0
	printf '2\nthrough a VF\n' | cmp - out
	as_before
	holds receipt.json '.clean and .verified and (.devices | length) == 2'
	no_vm_left
}
