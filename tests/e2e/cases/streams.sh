# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A command in a pipeline: bytes in, bytes out, exit codes. Each case has a VM of its own.

test_upper_case_in_a_pipeline() {
	echo hello | run_vm --receipt receipt.json --env TOKEN=hunter2 -- tr a-z A-Z > out 2> err
	printf 'HELLO\n' | cmp - out
	holds receipt.json '.clean and .verified and .differences == [] and .exit_code == 0 and .outcome == "success"'
	holds receipt.json '[.stages[].name] | contains(["validate", "create", "start", "command"])'
	holds receipt.json '[.stages[].seconds] | length > 3 and min >= 0'
	holds receipt.json '.times | has("overlay") and has("spawn") and has("qmp_greeting") and has("kernel") and has("stop") and has("verify")'
	holds receipt.json '.guest | has("ssh_port") and has("ssh_auth")'
	holds receipt.json '.command == ["tr", "a-z", "A-Z"] and (.image_sha256 | length) == 64 and (.qemu_arguments | length) > 20'
	cmp receipt.json /var/lib/bmvm/receipts/*.json
	has_not receipt.json hunter2
	has err '\[1/[0-9]+\] .*: [0-9.]+ s'
	has_not err hunter2
}

# One boot for everything around the command: its arguments, environment, folder, files, exit code.
test_exit_code_and_surroundings() {
	mkdir -p tree/sub results
	echo data > tree/sub/file
	chmod 750 tree/sub/file
	ln -s sub/file tree/link
	export FROM_HERE='as it is here'
	local args=('' 'two words' "quote ' and \" and \\" '$HOME `id` *' $'tab\tnew\nline' 'ü€')
	cat > job <<- 'END'
		#!/bin/sh
		printf '<%s>' "$@"
		printf '\n%s|%s|%s\n' "$GIVEN" "$FROM_HERE" "$(pwd)"
		stat -c '%a %F' tree/sub/file tree/link
		cat
		echo problem >&2
		mkdir -p out/deep
		echo result > out/deep/one.csv
		echo other > out/deep/two.txt
		exit 7
	END
	chmod +x job
	expect 7 run_vm --workdir /srv/jobs --env GIVEN='a b=c' --env FROM_HERE \
		--copy-in job:/srv/jobs/job --copy-in tree:/srv/jobs/ --collect 'out/deep/*.csv' --collect 'missing*' \
		"$(with '"results": {"to": "'"$PWD"'/results"}')" -- ./job "${args[@]}" > out 2> err < /dev/null
	{
		printf '<%s>' "${args[@]}"
		printf '\n%s|%s|%s\n' 'a b=c' 'as it is here' /srv/jobs
		printf '750 regular file\n777 symbolic link\n'
	} > wanted
	cmp wanted out
	has err '^problem$'
	has err 'missing\*.*matches nothing'
	same "$(cat results/out/deep/one.csv)" result
	same "$(find results -type f | wc -l)" 1
}

full_test_missing_program() {
	expect 127 run_vm -- no-such-program 2> err
	has err 'no-such-program'
}

# Their numbers must not go to other files of the program.
full_test_standard_streams_that_are_closed() {
	expect 0 run_vm --timeout 60 -- sh -c 'cat; echo end of file' > out 2> err <&-
	same "$(cat out)" 'end of file'
}

test_timeout_ends_the_command_and_collects() {
	expect 124 run_vm --timeout 5 --workdir /srv --collect 'note' --receipt receipt.json -- \
		sh -c 'trap "echo told > note; exit 0" TERM; sleep 100 & wait' 2> err
	holds receipt.json '.outcome == "timeout" and .clean'
	holds receipt.json '.stages[] | select(.name == "command") | .seconds >= 5 and .seconds < 15'
	same "$(cat note)" told
}

# 256 MiB there and back; the peak memory is that of the front, which moves the bytes.
full_test_many_random_bytes() {
	local peak=0 now
	head -c 256M /dev/urandom > random
	"$BMVM" run "${small[@]}" -- cat < random > back 2> err &
	front=$!
	while now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$front/status 2> /dev/null) && [ -n "$now" ]; do
		peak=$now
		sleep 0.2
	done
	ended $front
	same $code 0
	cmp random back
	echo "peak memory of the front: $peak KiB"
	[ "$peak" -gt 0 ] && [ "$peak" -lt 32768 ] || fail "peak memory $peak KiB"
	rm random back
}

full_test_reader_that_leaves_early() {
	local status=0
	run_vm -- cat /dev/zero 2> err | head -c 10 > out || status=$?
	same "$(wc -c < out)" 10
	same $status 141
	has_not err 'error'
}

test_base_image_that_is_not_there() {
	expect 125 run_vm --image nothing-like-it -- true 2> err
	has err 'nothing-like-it'
	expect 125 run_vm --image /nowhere/disk.qcow2 -- true 2> err
	has err '/nowhere/disk.qcow2'
}

full_test_out_of_memory_in_the_guest() {
	expect 137 run_vm --memory 384M -- \
		sh -c 'head -c 300000 /dev/zero | tr "\\0" "\\042" > /dev/ttyS0 # a console line of any length
			echo 1000 > /proc/self/oom_score_adj; exec dd if=/dev/zero of=/dev/null bs=330M count=1' > out 2> err
	has err 'memory'
}
