# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the end-to-end cases share. Each case runs in a process of its own (tests/e2e/case), in a
# scratch folder of its own, with the suite's private /run/bmvm, /var/lib/bmvm, processes and ports.
#
# From the outside: $BMVM the program, $HV the accelerator, $suite_dir the suite's folder.

vms=/run/bmvm/vms
disks=/var/lib/bmvm/vms

# --- the program ------------------------------------------------------------------------------------

small=(--hypervisor "$HV" --vcpus 1 --memory 512M)

# run_vm [OPTION...] -- CMD...: the main job with a small guest.
run_vm() {
	"$BMVM" run "${small[@]}" "$@"
}

# start_vm [OPTION...] -- CMD...: the same in the background with its streams in out and err; $front
# is its process.
start_vm() {
	# a shell lets its background commands ignore SIGINT; env undoes that and becomes the program
	env --default-signal=INT "$BMVM" run "${small[@]}" "$@" > out 2> err < /dev/null &
	front=$!
}

# with KEY-VALUES: the option for keys of baremetal_vm, e.g. with '"timeouts": {"boot": 60}'.
with() {
	printf -- '--additional-context={"baremetal_vm": {%s}}' "$1"
}

# ended PID: wait for a background process; its exit code in $code.
ended() {
	code=0
	wait "$1" || code=$?
}

# in_command [SECONDS]: wait until CMD runs in the guest of start_vm.
in_command() {
	wait_until "${1:-240}" grep -q 'Run the command' err
}

guardian_of() {
	pgrep -x bmvm-guardian
}

qemu_of() {
	pgrep -f '^[^ ]*qemu-system-x86_64 '
}

# --- assertions -------------------------------------------------------------------------------------

fail() {
	local i=1
	while [[ "${BASH_SOURCE[i]}" == */lib.sh ]]; do i=$((i + 1)); done
	echo "FAILED: ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}: $*"
	trap - ERR
	exit 1
}

skip() {
	echo "SKIP: $*"
	exit 77
}

# expect CODE COMMAND...: the command must end with that code.
expect() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" = "$want" ] || fail "exit code $got instead of $want: $*"
}

same() {
	[ "$1" = "$2" ] || fail "\"$1\" instead of \"$2\"${3:+: $3}"
}

# has FILE PATTERN
has() {
	grep -Eq -- "$2" "$1" || fail "$1 has no line with \"$2\""
}

has_not() {
	! grep -Eq -- "$2" "$1" || fail "$1 has a line with \"$2\""
}

# holds FILE EXPRESSION: true in the words of jq.
holds() {
	jq -e "$2" "$1" > /dev/null || fail "$1: not so: $2"
}

# wait_until SECONDS COMMAND...
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "waited in vain for: $*"
		sleep 0.2
	done
}

gone() {
	! "$@"
}

no_vm_left() {
	! qemu_of && ! guardian_of && [ -z "$(find $vms $disks -mindepth 1)" ]
}

# --- terminals --------------------------------------------------------------------------------------

# pty_start COMMAND...: run it on a terminal of its own. pty_type types, pty_sees waits for what
# appears, pty_end waits for the end with the exit code in $code.
pty_start() {
	local words
	printf -v words '%q ' "$@"
	rm -f keys
	mkfifo keys
	script -q -e -f -c "$words" screen < keys > screen.all 2>&1 &
	pty=$!
	exec 8> keys
}

pty_type() {
	# shellcheck disable=SC2059 # escapes are what it is for
	printf "$1" >&8
}

pty_sees() {
	wait_until "${2:-60}" grep -Eq -- "$1" screen
}

pty_end() {
	ended "$pty"
	exec 8>&-
}

# --- the state of the host ----------------------------------------------------------------------------

# host_state: what a run must leave as it was, one fact per line. Called by the suite's first process
# while no case runs.
host_state() {
	local dir name
	for dir in /proc/[0-9]*; do
		case ${dir#/proc/} in 1 | "$$" | "$BASHPID") continue ;; esac
		{ read -r name < "$dir/comm" && echo "process $name"; } 2> /dev/null || true
	done
	ss -Hlnt | awk '{ print "port", $4 }' | sort
	mounts | grep -vxFf "$suite_dir/mounts" || true
	ip -o link | awk '{ print "network", $2 }'
	find /dev -path /dev/pts -prune -o -printf 'device %p %m %U\n' | sort
	find /run/bmvm/vms /var/lib/bmvm/vms -mindepth 1 -maxdepth 1 -printf 'vm %p\n' 2> /dev/null | sort
	find /run/bmvm /var/lib/bmvm \( -name vms -o -name images -o -name receipts -o -name digests -o -name uids -o -name devices \) \
		-prune -o -type f ! -name lock ! -name qemu-caps.json ! -name ledger.json ! -name kvm-trial.json -printf 'file %p\n' | sort
	find /run/bmvm/devices -type f -size +0 -printf 'lease %p\n' 2> /dev/null || true
	[ ! -e /run/bmvm/ledger.json ] || jq -c '.entries | paths(scalars)' /run/bmvm/ledger.json | sed 's/^/held /'
	find /var/lib/bmvm/images -mindepth 1 -printf 'image %p %s %m %T@\n' | sort
	our_locks
}

# mounts: those there at the beginning are the machine's, and may go away with it.
mounts() {
	awk '{ print "mount", $5 }' /proc/self/mountinfo
}

# our_locks: locks on files of the two folders, whoever holds them.
our_locks() {
	find /run/bmvm /var/lib/bmvm -type f -printf '%D %i %p\n' | awk '
		NR == FNR { held[$6] = $2; next }
		{ id = sprintf("%02x:%02x:%s", int($1 / 256) % 4096, $1 % 256, $2) }
		id in held { print "lock", $3, held[id] }' /proc/locks - | sort
}
