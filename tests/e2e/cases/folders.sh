# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Shared folders and the isolated network.

# One guest tries everything at once: a read-only folder remounted, a writable one, the network.
test_mounts_as_root_and_isolated_network() {
	mkdir ro rw
	echo shared > ro/file
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 7070, ReuseAddr => 1) or die;
		while (my $c = $s->accept) { print $c "reached\n"; close $c }' &
	local server=$!
	run_vm "$(with '"network": {"isolated": true}, "mounts": [{"host": "'"$PWD"'/ro", "guest": "/mnt/ro"}, {"host": "'"$PWD"'/rw", "guest": "/mnt/rw", "readonly": false}]')" -- sh -c '
		cat /mnt/ro/file
		touch /mnt/ro/new 2> /dev/null && echo "wrote to the read-only folder"
		mount -o remount,rw /mnt/ro; touch /mnt/ro/new 2> /dev/null && echo "wrote after remounting"
		rm -f /mnt/ro/file; echo x >> /mnt/ro/file
		echo from the guest > /mnt/rw/back
		findmnt -no FSTYPE /mnt/rw
		timeout 5 bash -c "cat < /dev/tcp/10.0.2.2/7070" && echo "reached the host"
		timeout 5 getent hosts example.org && echo "resolved a name"
		true' > out 2> err
	kill $server
	wait $server || true
	printf 'shared\nvirtiofs\n' | cmp - out
	same "$(cat ro/file)" shared
	same "$(ls ro)" file
	same "$(cat rw/back)" 'from the guest'
}
