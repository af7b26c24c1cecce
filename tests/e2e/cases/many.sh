# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Several VMs at a time: each is somebody else.

identity='hostname; cat /etc/machine-id; cut -d " " -f 2 /etc/ssh/ssh_host_ed25519_key.pub
cut -d " " -f 2 /root/.ssh/authorized_keys; head -c 16 /dev/urandom | sha256sum; cat /proc/sys/kernel/random/boot_id'

# at_once N: all succeed, and no line of what one says of itself is also another's.
at_once() {
	local i fronts=()
	for i in $(seq "$1"); do
		run_vm -- sh -c "$identity" > "out.$i" 2> "err.$i" < /dev/null &
		fronts+=($!)
	done
	for i in $(seq "$1"); do
		ended "${fronts[i - 1]}"
		[ "$code" = 0 ] || { cat "err.$i"; fail "VM $i ended with $code"; }
		same "$(wc -l < "out.$i")" 6
	done
	same "$(sort out.* | uniq -d)" ''
}

full_test_two_at_once() {
	at_once 2
}

test_four_at_once() {
	at_once 4
}
