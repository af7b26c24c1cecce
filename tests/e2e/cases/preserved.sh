# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A preserved VM and what can be done with it. All cases share one guest.

vm=keep-me

guest() {
	"$BMVM" ssh $vm -- "$@"
}

setup() {
	expect 0 run_vm --name $vm --preserve --receipt receipt.json -- sh -c 'echo here > /root/mark' 2> err
	has err "bmvm destroy $vm"
	holds receipt.json '.preserved and (.verified | not)'
}

test_ps_lists_it() {
	"$BMVM" ps > out
	has out "^$vm +preserved "
	"$BMVM" ps --json > json
	holds json 'length == 1 and .[0].name == "keep-me" and .[0].state == "preserved" and .[0].ssh_port > 0'
}

test_ssh_reaches_it_by_a_prefix() {
	same "$("$BMVM" ssh keep -- cat /root/mark)" here
	expect 1 "$BMVM" ssh nobody -- true 2> err
	has err nobody
}

test_ssh_exit_codes() {
	expect 3 guest sh -c 'exit 3'
	expect 127 guest no-such-program 2> err
	expect 126 guest /etc/passwd 2> err
	expect 143 guest sh -c 'kill -TERM $$' 2> err
}

test_ssh_binary_input_without_newline() {
	printf 'a\0b\r\n\377\376\0no newline' > bytes
	guest cat < bytes > out
	cmp bytes out
	guest sh -c 'wc -c' < /dev/null > out
	same "$(tr -d ' \n' < out)" 0
	guest sh -c 'printf one; printf two >&2' > out 2> err < /dev/null
	same "$(cat out)" one
	same "$(cat err)" two
}

# The user-mode network leads out: here, to a port of this small world's loopback.
test_network_reaches_the_host_unless_isolated() {
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 7070, ReuseAddr => 1) or die;
		while (my $c = $s->accept) { print $c "reached\n"; close $c }' &
	wait_until 10 sh -c 'ss -Hltn | grep -q 7070'
	same "$(guest timeout 20 bash -c 'cat < /dev/tcp/10.0.2.2/7070')" reached
	kill $!
	wait $! || true
}

test_ssh_with_a_terminal() {
	pty_start "$BMVM" ssh $vm -- sh -c 'tty; stty size; echo ready; read -r line; echo "got $line"; exit 5'
	pty_sees 'ready'
	has screen '/dev/pts/'
	pty_type 'hello\r'
	pty_end
	same $code 5
	has screen 'got hello'
}

test_interrupt_goes_to_the_command() {
	env --default-signal=INT "$BMVM" ssh $vm -- sh -c 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.2; done' > out 2> err &
	front=$!
	wait_until 60 grep -q ready out
	kill -INT $front
	ended $front
	same $code 9
	has out caught
	env --default-signal=INT "$BMVM" ssh $vm -- sh -c 'echo ready; exec sleep 300' > out 2> err &
	front=$!
	wait_until 60 grep -q ready out
	kill -INT $front
	ended $front
	same $code 130
}

test_the_ninth_console_is_refused() {
	local pids=() i
	mkfifo hold
	exec 8<> hold # a stdin that stays open
	for i in 1 2 3 4 5 6 7 8; do
		"$BMVM" console $vm <&8 > "out$i" &
		pids+=($!)
	done
	for i in 1 2 3 4 5 6 7 8; do
		wait_until 10 test -s "out$i"
	done
	expect 1 "$BMVM" console $vm <&8 > out 2> err
	has err '8 consoles are attached already'
	kill "${pids[@]}"
	wait "${pids[@]}" || true
	exec 8>&-
}

test_console_into_a_full_device() {
	mkfifo hold
	exec 8<> hold
	expect 1 "$BMVM" console $vm <&8 > /dev/full 2> err
	has err 'No space left'
	exec 8>&-
}

# A slow guest may not have started its login there yet, which drops what was typed before.
type_until_seen() {
	pty_type '\recho con""sole-$((40 + 2))\r'
	sleep 3
	grep -q 'console-42' screen
}

test_console_through_a_terminal() {
	pty_start "$BMVM" console $vm
	wait_until 240 type_until_seen
	pty_type '\r~.'
	pty_end
	same $code 0
	wait_until 10 gone pgrep -f 'bmvm console'
}

test_logs() {
	"$BMVM" logs $vm > out
	[ -s out ] || fail "no console log"
	"$BMVM" logs -n 2 $vm > out
	[ "$(wc -l < out)" -le 2 ] || fail "more than two lines"
	"$BMVM" logs --qemu $vm > out
}

test_qemu_has_no_privileges() {
	local qemu uid
	qemu=$(qemu_of)
	uid=$(awk '/^Uid:/ { print $2, $3, $4 }' "/proc/$qemu/status")
	[ "${uid%% *}" -ge 1879048192 ] || fail "QEMU's uid is ${uid%% *}"
	same "$(awk '/^Uid:/ { print ($2 == $3 && $3 == $4 && $4 == $5) }' "/proc/$qemu/status")" 1
	same "$(awk '/^CapEff:/ { print $2 }' "/proc/$qemu/status")" 0000000000000000
	same "$(awk '/^Seccomp:/ { print $2 }' "/proc/$qemu/status")" 2
	same "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$qemu/status")" 1
	same "$(readlink "/proc/$qemu/fd/0")" /dev/null
	[ "$(readlink "/proc/$qemu/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] || fail "QEMU sees the host's mounts"
	[ ! -e "/proc/$qemu/root/dev/sda" ] && [ ! -e "/proc/$qemu/root/dev/mem" ] || fail "QEMU sees the host's devices"
	same "$(ss -Hltn | awk '{ print $4 }' | sed 's/:.*//' | sort -u)" 127.0.0.1
}

test_name_that_is_taken() {
	expect 125 run_vm --name $vm -- true 2> err
	has err $vm
}

test_image_in_use_cannot_be_removed() {
	expect 1 "$BMVM" image rm default 2> err
	has err 'use'
	"$BMVM" image list > out
	has out default
}

test_recover_leaves_it_alone() {
	"$BMVM" recover > out
	same "$(guest cat /root/mark)" here
}

teardown() {
	"$BMVM" destroy $vm 2> err
	"$BMVM" ps --json > json
	holds json '. == []'
	no_vm_left
	holds /var/lib/bmvm/receipts/$vm.json '.clean and .differences == []'
}
