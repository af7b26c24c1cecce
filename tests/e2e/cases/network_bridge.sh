# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A second network card on a bridge or a tap interface: the guest reaches the host's end of it, and the
# host is as before, whoever is killed. The suite has a network of its own, where the bridge is made.

setup() {
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	ip link add br0 type bridge || skip "the kernel has no bridges"
	ip address add 192.168.77.1/24 dev br0
	ip link set br0 up
}

teardown() {
	ip link del br0
}

bridged=$(with '"network": {"mode": "bridge", "bridge": "br0"}')

# In the guest: the card that SSH does not use gets an address. Nobody listens on the host's end, so it
# is reached when it says so itself.
# shellcheck disable=SC2016
reach='
set -e
ssh_nic=$(ip -o -4 address | awk "/ 10\.0\.2\.15\// { print \$2 }")
nic=$(ls /sys/class/net | grep -vx -e lo -e "$ssh_nic")
[ "$(echo "$nic" | wc -l)" = 1 ]
ip address add 192.168.77.2/24 dev "$nic"
ip link set "$nic" up
for i in 1 2 3 4 5; do
	if timeout 5 bash -c "< /dev/tcp/192.168.77.1/7777" 2>&1 | grep -q "Connection refused"; then
		echo reached
		exit
	fi
	sleep 1
done
exit 9'

bridge_address() {
	ip -o link show br0 | sed 's/.*ether \([0-9a-f:]*\).*/\1/'
}

as_before() {
	same "$(bridge link show | wc -l)" 0 "ports of the bridge"
	same "$(bridge_address)" "$(cat address)" "its address"
	! ip link show | grep -q bmvm- || fail "an interface is left"
}

remember_bridge() {
	bridge_address > address
}

limit_test_the_guest_reaches_the_host_over_the_bridge=420
test_the_guest_reaches_the_host_over_the_bridge() {
	remember_bridge
	expect 0 run_vm --name bridged --receipt receipt.json "$bridged" -- bash -c "$reach" > out 2> err
	has out '^reached$'
	has err 'second network card is bmvm-bridged here, on bridge br0'
	holds receipt.json '.clean and .network.interface == "bmvm-bridged" and .network.bridge == "br0"'
	as_before
	no_vm_left
}

# No way out but by the bridge: the card for SSH is restricted.
limit_full_test_ssh_card_is_restricted_beside_the_bridge=420
full_test_ssh_card_is_restricted_beside_the_bridge() {
	expect 0 run_vm "$bridged" -- sh -c 'ip route; ip -o link' > out 2> err
	has_not out '^default'
	same "$(grep -c 'link/ether' out)" 2
	no_vm_left
}

limit_full_test_killed_while_on_the_bridge=420
full_test_killed_while_on_the_bridge() {
	remember_bridge
	start_vm --name killed "$bridged" -- sleep 600
	in_command
	same "$(bridge link show | grep -c bmvm-killed)" 1
	kill -KILL "$(guardian_of)" $front
	wait_until 20 gone qemu_of
	"$BMVM" recover > out
	as_before
	no_vm_left
}

# The queue is made with the first carrier and stays.
tap7() {
	ip -d link show tap7 | sed 's/ qdisc [a-z_]*//'
}

limit_full_test_a_tap_of_ones_own_is_left_as_it_was=420
full_test_a_tap_of_ones_own_is_left_as_it_was() {
	ip tuntap add dev tap7 mode tap
	ip link set tap7 up
	tap7 > before
	expect 0 run_vm --receipt receipt.json "$(with '"network": {"mode": "tap", "tap": "tap7"}')" -- true 2> err
	tap7 > after
	holds receipt.json '.clean and .network.interface == "tap7"'
	cmp before after || fail "the interface differs: $(diff before after)"
	ip link del tap7
	no_vm_left
}

test_no_such_bridge() {
	expect 125 run_vm "$(with '"network": {"mode": "bridge", "bridge": "br9"}')" -- true 2> err
	has err 'network.bridge: there is no interface br9'
	has err 'ip link add br9 type bridge'
	expect 125 run_vm "$(with '"network": {"mode": "bridge", "bridge": "lo"}')" -- true 2> err
	has err 'network.bridge: lo is no bridge'
	no_vm_left
}
