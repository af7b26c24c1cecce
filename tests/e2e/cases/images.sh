# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# New images from old ones, by script and by hand; UEFI; foreign disks.

images=/var/lib/bmvm/images

cfg_small() {
	printf '{"baremetal_vm": {"vcpus": 1, "memory": "512M", "hypervisor": "%s"}}\n' "$HV" > small.json
}

test_build_from_script() {
	cfg_small
	ssh-keygen -q -t ed25519 -N '' -f key
	cat > script <<- END
		#!/bin/sh -eu
		echo made by script > /etc/made
		mkdir -p -m 700 /root/.ssh
		echo '$(cat key.pub)' > /root/.ssh/authorized_keys
	END
	"$BMVM" image build --name scripted --from default --script script -f small.json > out 2> err
	"$BMVM" image verify scripted
	if [ -n "$BMVM_TEST_FULL" ]; then
		expect 0 run_vm --image scripted -- cat /etc/made > out 2> err
		same "$(cat out)" 'made by script'
	fi
	# The disk alone under UEFI firmware, its host key pinned on first contact, logged in with our key.
	"$BMVM" image import --name foreign "$images/scripted/disk.qcow2" > out 2> err
	expect 0 run_vm --image foreign --receipt receipt.json \
		"$(with '"firmware": "uefi", "ssh_key": "'"$PWD"'/key"')" -- sh -c 'cat /etc/made; test -d /sys/firmware/efi && echo uefi' > out 2> err
	printf 'made by script\nuefi\n' | cmp - out
	"$BMVM" image rm foreign scripted
	[ ! -e $images/scripted ] && [ ! -e $images/foreign ] || fail "still there"
}

full_test_failing_script_makes_no_image() {
	cfg_small
	printf '#!/bin/sh\nexit 3\n' > script
	expect 1 "$BMVM" image build --name broken --from default --script script -f small.json > out 2> err
	same "$(ls $images)" default
}

full_test_image_shell() {
	cfg_small
	cp -a $images/default $images/by-hand
	pty_start "$BMVM" image shell by-hand -f small.json
	pty_sees '# ' 200
	pty_type 'echo made by hand > /etc/made; echo do""ne\r'
	pty_sees 'done'
	pty_type 'exit\r'
	pty_end
	same $code 0
	"$BMVM" image verify by-hand
	! cmp -s $images/default/disk.qcow2 $images/by-hand/disk.qcow2 || fail "the disk is as before"
	if [ -n "$BMVM_TEST_FULL" ]; then
		expect 0 run_vm --image by-hand -- cat /etc/made > out 2> err
		same "$(cat out)" 'made by hand'
	fi
	"$BMVM" image rm by-hand
}

test_damaged_image_is_seen() {
	cp -a $images/default $images/damaged
	local kernel
	kernel=$(jq -r .kernel.file $images/damaged/manifest.json)
	printf 'x' | dd of=$images/damaged/$kernel bs=1 seek=4096 conv=notrunc status=none
	expect 1 "$BMVM" image verify damaged > out 2>&1
	has out $kernel
	"$BMVM" image rm damaged
}

test_import_refuses_what_it_cannot_hold() {
	echo 'this is no disk' > text.vmdk
	qemu-img create -q -f qcow2 --object secret,id=s,data=geheim -o encrypt.format=luks,encrypt.key-secret=s locked.qcow2 16M
	expect 1 "$BMVM" image import --name locked locked.qcow2 2> err
	has err 'encrypt'
	expect 1 "$BMVM" image import --name absent nowhere.qcow2 2> err
	same "$(ls $images)" default
}
