# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Signals from the user's side, in every stage.

# signalled SIGNAL CODE: what every interrupted run looks like.
signalled() {
	kill -"$1" $front
	ended $front
	same $code "$2"
	no_vm_left
}

test_ctrl_c_at_once() {
	start_vm -- true
	sleep 0.05
	kill -INT $front 2> /dev/null || true
	ended $front
	same $code 130
	no_vm_left
}

test_ctrl_c_while_it_boots() {
	start_vm --name booting -- true
	wait_until 60 qemu_of
	sleep 3
	signalled INT 130
	holds /var/lib/bmvm/receipts/booting.json '.clean and .outcome == "interrupted" and .signal == 2'
}

test_hangup_while_it_boots() {
	start_vm -- true
	wait_until 60 qemu_of
	signalled HUP 129
}

test_first_ctrl_c_goes_to_the_command_second_ends_the_run() {
	start_vm -- sh -c 'trap "echo caught" INT; echo ready; while :; do sleep 0.2; done'
	in_command
	wait_until 30 grep -q ready out
	kill -INT $front
	wait_until 30 grep -q caught out
	signalled INT 130
}

test_term_ends_the_run_and_ctrl_c_cannot_skip_the_clean_up() {
	start_vm --receipt receipt.json -- sh -c 'trap "" INT TERM; echo ready; sleep 300'
	in_command
	wait_until 30 grep -q ready out
	kill -TERM $front
	sleep 0.3
	kill -INT $front 2> /dev/null || true
	sleep 0.3
	kill -INT $front 2> /dev/null || true
	ended $front
	same $code 143
	holds receipt.json '.clean and .differences == []'
	no_vm_left
}

full_test_ctrl_c_on_a_terminal() {
	pty_start "$BMVM" run "${small[@]}" --tty -- \
		sh -c 'trap "echo caught; exit 4" INT; stty size; echo rea""dy; while :; do sleep 0.2; done'
	pty_sees 'ready' 150
	pty_type '\003'
	pty_end
	same $code 4
	has screen caught
	has screen '^0 0|^[0-9]+ [0-9]+'
}
