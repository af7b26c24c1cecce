# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A user without any rights. The user only exists in this suite's view of /etc.

user=bmvm-tester
uid=54321
home=$suite_dir/home

setup() {
	local file
	for file in passwd group subuid subgid; do
		{ cat /etc/$file 2> /dev/null || true; } > "$suite_dir/$file"
		chmod 644 "$suite_dir/$file"
	done
	echo "$user:x:$uid:$uid::$home:/bin/bash" >> "$suite_dir/passwd"
	echo "$user:x:$uid:" >> "$suite_dir/group"
	mkdir -p "$home/bin"
	install -m 755 "$BMVM" "$home/bin/bmvm"
	chown -R $uid:$uid "$home"
	# the user's way to the home and to the images
	chmod o+x "$suite_dir"
	runuser_works || skip "the work folder is closed to other users"
}

runuser_works() {
	as_user test -x "$home/bin/bmvm"
}

# as_user COMMAND...: with the user's names for accounts, and a login's bare environment.
as_user() {
	unshare --mount --propagation private -- bash -euc '
		for file in passwd group; do mount --bind "$1/$file" /etc/$file; done
		home=$2 uid=$3
		shift 3
		cd "$home"
		exec setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs \
			env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$home" LANG=C.UTF-8 "$@"' as_user "$suite_dir" "$home" $uid "$@"
}

# The main job, a folder both ways by 9p, and where everything lies.
test_run_without_root() {
	mkdir -p "$home/ro" "$home/rw"
	echo shared > "$home/ro/file"
	chown -R $uid:$uid "$home/ro" "$home/rw"
	as_user bin/bmvm run "${small[@]}" --receipt receipt.json \
		"$(with '"mounts": [{"host": "'"$home"'/ro", "guest": "/mnt/ro"}, {"host": "'"$home"'/rw", "guest": "/mnt/rw", "readonly": false}]')" -- sh -c '
		id -u
		cat /mnt/ro/file
		touch /mnt/ro/new 2> /dev/null && echo "wrote to the read-only folder"
		mount -o remount,rw /mnt/ro; touch /mnt/ro/new 2> /dev/null && echo "wrote after remounting"
		echo from the guest > /mnt/rw/back
		findmnt -no FSTYPE /mnt/rw' > out 2> err
	printf '0\nshared\n9p\n' | cmp - out
	same "$(cat "$home/rw/back")" 'from the guest'
	same "$(stat -c %u "$home/rw/back")" $uid
	same "$(ls "$home/ro")" file
	holds "$home/receipt.json" '.clean and .differences == []'
	[ -d "$home/.local/state/bmvm/receipts" ] || fail "no state folder in the home"
	[ -z "$(ls "$home/.local/state/bmvm/vms")" ] || fail "a VM's folder is left"
	same "$(find "$home" ! -user $uid | wc -l)" 0
	rm -rf "/tmp/bmvm-$uid"
}

test_others_vms_cannot_be_seen() {
	same "$(as_user bin/bmvm ps --json | jq length)" 0
	as_user test ! -r /run/bmvm || fail "root's folder is readable"
	rm -rf "/tmp/bmvm-$uid"
}
