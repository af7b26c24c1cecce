#!/bin/bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # what fakes answer is for their own shell
# shellcheck disable=SC2317 # cases are called by their names
# Docker in guests of all kinds, without a guest: scripts/guest/docker.sh with programs that note how they are called
# and answer as they are told. Each case has a mount namespace with an /etc, /run and /var/log of its own.
set -u
script=$BMVM_SOURCE/scripts/guest/docker.sh
bin=/run/bin answers=/run/answers calls=/run/calls
proxy='' mirror=''

fail() {
	echo "FAIL: $case: $*"
	failures=$((failures + 1))
}

# fake NAME...: programs that do nothing but note the call
fake() {
	local name
	for name; do
		ln -sf "$BMVM_FAKES/fake" "$bin/$name"
	done
}

# answer NAME TEXT: a program that then does what a shell's text says
answer() {
	fake "$1"
	echo "$2" > "$answers/$1"
}

# docker_sh CODE WORD...: run it; what it says is in /run/out and /run/err
docker_sh() {
	local want=$1 code=0
	shift
	: > "$calls"
	env -i PATH="$bin:$BMVM_FAKES/real" HOME=/run/home BMVM_DOCKER_PROXY="$proxy" BMVM_DOCKER_MIRROR="$mirror" \
		sh "$script" "$@" > /run/out 2> /run/err < /dev/null || code=$?
	[ $code -eq "$want" ] || { fail "$*: exit code $code, not $want"; sed 's/^/  /' /run/err; }
}

says() {
	grep -qF -- "$1" /run/err || { fail "\"$1\" is not said, but:"; sed 's/^/  /' /run/err; }
}

# called LINE, not_called TEXT: a whole call; a part of none
called() {
	grep -qxF -- "$1" "$calls" || { fail "\"$1\" is not called, but:"; sed 's/^/  /' "$calls"; }
}

not_called() {
	! grep -F -- "$1" "$calls" || fail "\"$1\" is called"
}

# n_calls N LINE
n_calls() {
	local n
	n=$(grep -cxF -- "$2" "$calls")
	[ "$n" -eq "$1" ] || fail "\"$2\" is called $n times, not $1"
}

# is FILE TEXT: what it has, but for white space; has FILE LINE
is() {
	local text
	text=$(tr -d ' \t\n' < "$1")
	[ "$text" = "$2" ] || fail "$1 is $text"
}

has() {
	grep -qxF -- "$2" "$1" || { fail "$1 has no $2, but:"; sed 's/^/  /' "$1"; }
}

# --- guests ------------------------------------------------------------------------------------------

docker_answers() {
	answer docker 'case $* in version*) echo 26.1.5 ;; esac'
}

with_systemd() {
	mkdir -p /run/systemd/system
	answer systemctl 'case $* in *is-failed*) exit 1 ;; esac'
	answer journalctl 'echo words of the journal'
}

# with_packages PROGRAM TEXT: a package manager that brings Docker unless the text ends it
with_packages() {
	answer "$1" "$2
case \$* in *install* | *add*) ln -sf $BMVM_FAKES/fake $bin/docker ;; esac"
}

# offers NAME...: what apt knows, by both of its commands
offers() {
	answer apt-cache "case ' $* ' in *\" \${*##* } \"*) ;; *) exit 0 ;; esac
case \$1 in show) echo \"Package: \${*##* }\" ;; policy) printf '%s:\\n  Candidate: 1.0\\n' \"\${*##* }\" ;; esac"
}

installed() {
	answer dpkg-query "case ' $* ' in *\" \${*##* } \"*) echo install ok installed ;; *) exit 1 ;; esac"
}

os() {
	printf 'ID="%s"\nID_LIKE="%s"\n' "$1" "$2" > /etc/os-release
}

# --- looking for it ----------------------------------------------------------------------------------

case_probe() {
	docker_sh 0 probe
	has /run/out missing
	answer docker 'exit 1'
	docker_sh 0 probe
	has /run/out stopped
	docker_answers
	docker_sh 0 probe
	has /run/out "answers 26.1.5"
}

case_podman_is_not_docker() {
	answer docker 'case $* in --version) echo podman version 4.9.4 ;; version*) echo 4.9.4 ;; esac'
	docker_sh 3 probe
	says "\"docker\" here is Podman's: put Docker into the base image, or set docker.script"
	fake dnf
	docker_sh 3 install
	not_called dnf
}

case_podman_by_a_link_is_not_docker() {
	answer docker 'case $* in --version) echo docker version 4.9.4 ;; version*) echo 4.9.4 ;; esac'
	cp "$BMVM_FAKES/fake" $bin/podman
	ln -sf podman $bin/docker
	docker_sh 3 probe
	says "Podman's"
}

case_a_daemon_that_hangs_is_not_waited_for() {
	docker_answers
	answer timeout 'case $1 in 1) ;; *) exit 124 ;; esac'
	docker_sh 0 probe
	has /run/out stopped
	called "timeout 10 docker version --format {{.Server.Version}}"
}

case_old_timeout_is_not_used() {
	docker_answers
	answer timeout 'exit 127'
	docker_sh 0 probe
	has /run/out "answers 26.1.5"
}

# --- packages ----------------------------------------------------------------------------------------

case_dnf_of_fedora() {
	os fedora ''
	with_packages dnf ''
	docker_sh 0 install
	called "dnf -y install moby-engine docker-cli docker-buildx"
	n_calls 0 "dnf -y install moby-engine"
}

case_dnf_of_amazon() {
	os amzn fedora
	with_packages dnf 'case $* in *moby*) exit 1 ;; esac'
	docker_sh 0 install
	called "dnf -y install docker"
}

case_dnf_that_brings_podman() {
	os new-one ''
	answer docker 'case $* in --version) echo podman version 5.2 ;; esac'
	rm $bin/docker
	with_packages dnf 'case $* in *moby*) exit 1 ;; esac'
	docker_sh 3 install
	says "Podman's"
}

case_dnf_of_rhel_with_dockers_repository() {
	local like
	for like in "rocky:rhel centos fedora" "rhel:fedora" "ol:fedora" "centos:rhel fedora"; do
		os "${like%:*}" "${like#*:}"
		rm -f $bin/docker
		with_packages dnf 'case $* in *repoquery*) echo docker-ce-3:28.0.1-1.el9.x86_64 ;; esac'
		docker_sh 0 install
		called "dnf -y install --allowerasing docker-ce docker-ce-cli containerd.io docker-buildx-plugin"
		not_called moby-engine
	done
}

case_dnf_of_rhel_alone() {
	os almalinux "rhel centos fedora"
	with_packages dnf 'case $* in *repoquery*) echo Updating Subscription Management repositories. ;; esac'
	docker_sh 3 install
	says "none of its repositories offers docker-ce"
	not_called install
	with_packages dnf 'case $* in *repoquery*) echo Failed to download metadata >&2; exit 1 ;; esac'
	docker_sh 1 install
	says "Failed to download metadata"
}

apt_install="apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 install"

case_apt_of_the_distribution() {
	with_packages apt-get ''
	installed
	offers docker.io
	docker_sh 0 install
	called "$apt_install docker.io iptables ca-certificates xz-utils"
	offers docker.io docker-cli docker-buildx docker-buildx-plugin docker-ce docker-ce-cli containerd.io
	docker_sh 0 install
	called "$apt_install docker.io iptables ca-certificates xz-utils docker-cli docker-buildx"
	installed docker-buildx-plugin
	docker_sh 0 install
	called "$apt_install docker.io iptables ca-certificates xz-utils docker-cli"
}

case_apt_of_docker() {
	local there
	with_packages apt-get ''
	installed
	offers docker-buildx docker-buildx-plugin docker-ce docker-ce-cli containerd.io
	docker_sh 0 install
	called "$apt_install docker-ce iptables ca-certificates xz-utils docker-ce-cli containerd.io docker-buildx-plugin"
	for there in docker-ce containerd.io; do
		installed $there
		offers docker.io docker-buildx docker-buildx-plugin docker-ce docker-ce-cli containerd.io
		docker_sh 0 install
		called "$apt_install docker-ce iptables ca-certificates xz-utils docker-ce-cli containerd.io docker-buildx-plugin"
	done
}

locked='echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 412 (apt-get)" >&2; exit 100'

case_apt_waits_for_its_lists() {
	offers docker.io
	installed
	with_packages apt-get "case \$* in *update) [ \$(grep -c update $calls) -gt 3 ] || { $locked; } ;; esac"
	docker_sh 0 install
	n_calls 3 "sleep 2"
	called "$apt_install docker.io iptables ca-certificates xz-utils"
}

case_apt_does_not_wait_for_ever() {
	offers docker.io
	with_packages apt-get "case \$* in *update) $locked ;; esac"
	docker_sh 1 install
	says "It is held by process 412"
	n_calls 59 "sleep 2"
	with_packages apt-get 'case $* in *update) echo "E: The repository is not signed." >&2; exit 100 ;; esac'
	docker_sh 1 install
	says "not signed"
	not_called sleep
	not_called install
}

case_apk_waits() {
	with_packages apk 'case $* in *--help) echo "  --wait TIME  Wait for TIME seconds" ;; esac'
	docker_sh 0 install
	called "apk add --no-progress --wait 120 docker docker-cli-buildx"
	with_packages apk 'case $* in *--wait* | *--help) exit 1 ;; *buildx) exit 1 ;; esac'
	docker_sh 0 install
	called "apk add --no-progress docker"
}

case_zypper_waits() {
	with_packages zypper "echo \"waits \${ZYPP_LOCK_TIMEOUT-not}\" >> $calls"
	docker_sh 0 install
	called "zypper --non-interactive install docker"
	called "waits 120"
}

case_packages_by_the_proxy() {
	proxy=http://p:3128 mirror=http://m.example:5000
	with_packages zypper "echo \"by \$https_proxy but \$no_proxy \$NO_PROXY\" >> $calls"
	docker_sh 0 install
	called "by http://p:3128 but localhost,127.0.0.1,::1,m.example localhost,127.0.0.1,::1,m.example"
}

# --- what the daemon is told ---------------------------------------------------------------------------

case_a_mirror() {
	docker_answers
	with_systemd
	mirror=https://m.example
	docker_sh 0 start
	is /etc/docker/daemon.json '{"registry-mirrors":["https://m.example"]}'
	docker_sh 0 start
	is /etc/docker/daemon.json '{"registry-mirrors":["https://m.example"]}'
}

case_a_mirror_beside_the_guests_own_keys() {
	docker_answers
	with_systemd
	mkdir /etc/docker
	printf '{\n  "log-level": "warn",\n  "log-opts": { "max-size": "10m" }\n}\n' > /etc/docker/daemon.json
	mirror=http://m.example:5000/x
	docker_sh 0 start
	is /etc/docker/daemon.json '{"insecure-registries":["m.example:5000"],"registry-mirrors":["http://m.example:5000/x"],'`
		`'"log-level":"warn","log-opts":{"max-size":"10m"}}'
	cp /etc/docker/daemon.json /run/before
	docker_sh 0 start
	cmp /run/before /etc/docker/daemon.json || fail "written again"
	for text in '' ' { } ' ' '; do
		echo "$text" > /etc/docker/daemon.json
		docker_sh 0 start
		is /etc/docker/daemon.json \
			'{"insecure-registries":["m.example:5000"],"registry-mirrors":["http://m.example:5000/x"]}'
	done
}

case_a_mirror_of_the_guests_own() {
	docker_answers
	with_systemd
	mkdir /etc/docker
	echo '{ "registry-mirrors": [ "https://other" ] }' > /etc/docker/daemon.json
	mirror=https://m.example
	docker_sh 3 start
	says 'docker.mirror: /etc/docker/daemon.json has "registry-mirrors" of its own'
	is /etc/docker/daemon.json '{"registry-mirrors":["https://other"]}'
	echo '{ "insecure-registries": [ "other" ] }' > /etc/docker/daemon.json
	docker_sh 0 start
	echo '{ "insecure-registries": [ "other" ] }' > /etc/docker/daemon.json
	mirror=http://m.example
	docker_sh 3 start
	says 'has "insecure-registries" of its own'
	echo 'mirror: m' > /etc/docker/daemon.json
	docker_sh 3 start
	says "is no object of JSON"
}

# The daemon starts at the second try only.
case_a_second_try_meets_the_files_of_the_first() {
	docker_answers
	with_systemd
	mirror=https://m.example proxy=http://p:3128
	answer systemctl 'case $* in
*start\ docker*) [ -e /run/tried ] || { : > /run/tried; exit 1; } ;;
*is-failed*) exit 1 ;;
esac'
	docker_sh 1 start
	docker_sh 0 start
}

case_a_proxy() {
	local list=localhost,127.0.0.1,::1
	docker_answers
	with_systemd
	proxy=http://p:3128
	docker_sh 0 start
	is /run/home/.docker/config.json '{"proxies":{"default":{"httpProxy":"http://p:3128","httpsProxy":"http://p:3128",'`
		`"\"noProxy\":\"$list\"}}}"
	has /etc/systemd/system/docker.service.d/bmvm.conf \
		"Environment=\"HTTP_PROXY=http://p:3128\" \"HTTPS_PROXY=http://p:3128\" \"NO_PROXY=$list\""
	called "systemctl daemon-reload"
}

# excepts MIRROR LIST: who is asked without the proxy
excepts() {
	rm -rf /etc/docker /run/home
	mirror=$1
	docker_sh 0 start
	grep -qF "\"noProxy\": \"localhost,127.0.0.1,::1,$2\"" /run/home/.docker/config.json ||
		fail "$mirror: $(cat /run/home/.docker/config.json)"
	grep -qF "\"NO_PROXY=localhost,127.0.0.1,::1,$2\"" /etc/systemd/system/docker.service.d/bmvm.conf ||
		fail "$mirror: $(cat /etc/systemd/system/docker.service.d/bmvm.conf)"
}

case_a_mirror_is_asked_without_the_proxy() {
	docker_answers
	with_systemd
	proxy=http://p:3128
	excepts https://m.example m.example
	excepts http://m.example:5000/x m.example
	excepts http://u:p@10.0.0.1:5000 10.0.0.1
	excepts 'http://[fd00::1]:5000' fd00::1
}

case_a_proxy_with_percent_signs() {
	docker_answers
	with_systemd
	proxy=http://u:a%20b@p:3128
	docker_sh 0 start
	has /etc/systemd/system/docker.service.d/bmvm.conf 'Environment="HTTP_PROXY=http://u:a%%20b@p:3128" '`
		`'"HTTPS_PROXY=http://u:a%%20b@p:3128" "NO_PROXY=localhost,127.0.0.1,::1"'
	grep -qF '"httpProxy": "http://u:a%20b@p:3128"' /run/home/.docker/config.json || fail "config.json has another"
}

case_a_proxy_beside_the_users_own_keys() {
	docker_answers
	with_systemd
	proxy=http://p:3128
	mkdir -p /run/home/.docker
	echo '{ "auths": {} }' > /run/home/.docker/config.json
	docker_sh 0 start
	grep -qF '"httpProxy": "http://p:3128"' /run/home/.docker/config.json || fail "no proxy for containers"
	grep -qF '"auths": {}' /run/home/.docker/config.json || fail "the user's own key is gone"
	echo '{ "proxies": { "default": {} } }' > /run/home/.docker/config.json
	docker_sh 0 start
	says 'has "proxies" of its own'
	is /run/home/.docker/config.json '{"proxies":{"default":{}}}'
}

case_a_proxy_without_systemd() {
	local file
	docker_answers
	fake rc-service
	mkdir /etc/conf.d /etc/default
	echo 'DOCKER_OPTS="--x"' > /etc/conf.d/docker
	proxy='http://u:$x@p:3128'
	docker_sh 0 start
	called "rc-service docker restart"
	docker_sh 0 start
	for file in /etc/conf.d/docker /etc/default/docker; do
		[ "$(grep -c "^export HTTPS_PROXY='http://u:\$x@p:3128' # bmvm$" $file)" = 1 ] || fail "$file: $(cat $file)"
		[ "$(sh -c ". $file"' && env | grep ^HTTP_PROXY=')" = "HTTP_PROXY=$proxy" ] || fail "$file: $(cat $file)"
		has $file "export NO_PROXY='localhost,127.0.0.1,::1' # bmvm"
	done
	has /etc/conf.d/docker 'DOCKER_OPTS="--x"'
	[ "$(grep -c . /etc/conf.d/docker)" = 4 ] || fail "other lines"
	[ ! -e /etc/systemd ] || fail "there is a unit of systemd"
}

# --- starting it ---------------------------------------------------------------------------------------

case_nothing_to_start() {
	docker_answers
	with_systemd
	docker_sh 0 start
	not_called systemctl
}

case_a_unit_is_started_without_waiting_for_systemctl() {
	with_systemd
	answer docker "case \$* in version*) [ \$(grep -c ^sleep $calls) -lt 3 ] || echo 26.1.5 ;; esac"
	docker_sh 0 start
	called "systemctl reset-failed docker.service docker.socket"
	called "systemctl --no-block start docker.service"
	n_calls 3 "sleep 1"
}

# Until the restart is done, the daemon that answers is the one of before.
case_a_restart_is_waited_for() {
	docker_answers
	with_systemd
	mirror=https://m.example
	answer systemctl "case \$* in show*) [ \$(grep -c ^sleep $calls) -ge 4 ] || echo Job=77 ;; *is-failed*) exit 1 ;; esac"
	docker_sh 0 start
	called "systemctl --no-block restart docker.service"
	n_calls 4 "sleep 1"
}

case_a_unit_that_has_failed_is_not_waited_for() {
	with_systemd
	answer docker 'exit 1'
	answer systemctl "case \$* in *is-failed*) [ \$(grep -c ^sleep $calls) -ge 2 ] ;; esac"
	docker_sh 1 start
	n_calls 2 "sleep 1"
	says "words of the journal"
	says "Docker's daemon does not start"
}

case_a_daemon_that_never_answers() {
	with_systemd
	answer docker 'exit 1'
	answer timeout "case \$1 in 1) ;; *) sleep \$1; exit 124 ;; esac"
	docker_sh 1 start
	says "does not answer within 90 s"
	n_calls 10 "sleep 10"
}

case_a_start_that_never_ends() {
	with_systemd
	answer docker 'exit 1'
	answer sleep 'read -r now _ < /run/uptime; echo "$((${now%%.*} + 30)).00 0.00" > /run/uptime'
	answer systemctl 'case $* in show*) echo Job=77 ;; *is-failed*) exit 1 ;; esac'
	docker_sh 1 start
	says "does not answer within 90 s"
	n_calls 13 "sleep 1"
}

case_no_such_unit() {
	with_systemd
	answer docker 'exit 1'
	answer systemctl 'case $* in *start*) echo Unit docker.service not found. >&2; exit 5 ;; *is-failed*) exit 1 ;; esac'
	docker_sh 1 start
	says "Unit docker.service not found."
	not_called sleep
}

case_last_words_without_systemd() {
	answer docker 'exit 1'
	answer service 'exit 1'
	answer journalctl 'echo words of another'
	echo "failed to start daemon" > /var/log/docker.log
	docker_sh 1 start
	says "failed to start daemon"
	not_called journalctl
}

# a_daemon NAME COMMAND: process $daemon, of that name, with Docker's file of its id; only real time lets it end
a_daemon() {
	cp "$(readlink -f "$(type -P sleep)")" /run/nap
	answer sleep 'read -r now _ < /run/uptime; echo "$((${now%%.*} + $1)).00 0.00" > /run/uptime; /run/nap 0.1'
	cp "$(readlink -f "$(type -P sh)")" "/run/$1"
	"/run/$1" -c "$2; while :; do /run/nap 0.1; done" &
	daemon=$!
	echo $daemon > /run/docker.pid
	until [ "$(cat /proc/$daemon/comm)" = "$1" ]; do :; done
}

# New settings want a new daemon; it needs the lock of the one before.
case_a_daemon_without_any_service_is_replaced() {
	docker_answers
	a_daemon dockerd :
	answer dockerd "[ -d /proc/$daemon ] || : > /run/alone"
	docker_sh 0 start
	not_called dockerd
	[ -d /proc/$daemon ] || fail "a daemon that does is ended"
	mirror=https://m.example
	docker_sh 0 start
	[ ! -d /proc/$daemon ] || fail "the old daemon is still there"
	/run/nap 1
	called "dockerd "
	[ -e /run/alone ] || fail "the new one meets the old one"
}

case_a_daemon_without_any_service_that_does_not_end() {
	docker_answers
	a_daemon dockerd 'trap "" TERM'
	mirror=https://m.example
	/run/nap 0.5
	docker_sh 1 start
	says "Docker's daemon of before, process $daemon, does not end within 60 s"
	not_called dockerd
	kill -KILL $daemon
}

case_another_process_of_that_number_is_left_alone() {
	docker_answers
	a_daemon other :
	fake dockerd
	mirror=https://m.example
	docker_sh 0 start
	[ -d /proc/$daemon ] || fail "it is ended"
	/run/nap 0.5
	called "dockerd "
	kill -KILL $daemon
}

# --- a container that proves it --------------------------------------------------------------------------

case_the_proof() {
	answer docker 'case $1 in import) cat > /run/image.tar ;; run) echo it runs ;; esac'
	docker_sh 0 prove
	called "docker import - bmvm-proof"
	called "docker run --rm --network host --security-opt label=disable bmvm-proof /bin/sh -c echo it runs"
	called "docker image rm -f bmvm-proof"
	tar -tvf /run/image.tar > /run/list
	grep -q '^-r.x.* bin/sh$' /run/list || fail "no program bin/sh in the image: $(cat /run/list)"
	answer docker 'case $1 in import) cat > /run/image.tar ;; run) echo permission denied >&2; exit 1 ;; esac'
	docker_sh 1 prove
	says "a container does not run: permission denied"
}

# --- GPUs ------------------------------------------------------------------------------------------------

# with_nvidia CDI RUNTIMES: as docker info has them
with_nvidia() {
	with_systemd
	answer docker "case \$* in version*) echo 28.3 ;; *CDISpecDirs*) echo '$1' ;; *Runtimes*) echo '$2' ;; esac"
	fake nvidia-smi
	answer nvidia-ctk 'case $* in cdi*) echo devices > "${3#--output=}" ;; esac'
}

runtimes='{"nvidia":{"path":"nvidia-container-runtime"},"runc":{"path":"runc"}}'

case_nvidia_without_the_hook() {
	with_nvidia '[]' "$runtimes"
	docker_sh 3 gpu nvidia
	says "no nvidia-container-runtime-hook in the guest"
	says "nvidia-container-toolkit-base is not enough"
}

case_nvidia_by_cdi() {
	local dirs
	for dirs in '["/etc/cdi","/var/run/cdi"]' '["/etc/cdi/"]'; do
		with_nvidia "$dirs" "$runtimes"
		docker_sh 0 gpu nvidia
		called "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
		not_called restart
	done
}

case_nvidia_of_another_machine() {
	with_nvidia '["/etc/cdi"]' "$runtimes"
	answer nvidia-ctk 'case $* in cdi*) exit 1 ;; esac'
	mkdir /etc/cdi
	echo devices > /etc/cdi/nvidia.yaml
	docker_sh 3 gpu nvidia
	[ ! -e /etc/cdi/nvidia.yaml ] || fail "the old description is still there"
}

case_nvidia_with_its_links() {
	with_nvidia '[]' "$runtimes"
	fake nvidia-container-runtime-hook
	answer nvidia-ctk 'case $* in system*) exit 1 ;; esac'
	docker_sh 0 gpu nvidia
	called "nvidia-ctk system create-dev-char-symlinks --create-all"
}

case_nvidia_that_docker_knows() {
	with_nvidia '[]' "$runtimes"
	fake nvidia-container-runtime-hook
	touch -d "@$(($(date +%s) + 1000))" /run/docker.pid
	docker_sh 0 gpu nvidia
	not_called configure
	not_called restart
}

case_nvidia_that_docker_does_not_know() {
	with_nvidia '[]' '{"runc":{"path":"runc"}}'
	fake nvidia-container-runtime-hook
	docker_sh 0 gpu nvidia
	called "nvidia-ctk runtime configure --runtime=docker"
	called "systemctl --no-block restart docker.service"
}

# The daemon was told of the runtime, but has looked for the hook before it was there.
case_nvidia_that_came_late() {
	with_nvidia '[]' "$runtimes"
	fake nvidia-container-runtime-hook
	touch -d "@1000000000" /run/docker.pid
	docker_sh 0 gpu nvidia
	called "systemctl --no-block restart docker.service"
}

# --- one namespace for each --------------------------------------------------------------------------------

if [ "${1-}" = inside ]; then
	case=$2 failures=0
	for folder in /run /etc /var/log; do
		mount -t tmpfs none $folder || exit 1
	done
	mkdir $bin $answers /run/home
	echo "1000.00 0.00" > /run/uptime
	mount --bind /run/uptime /proc/uptime || exit 1
	answer sleep 'read -r now _ < /run/uptime; echo "$((${now%%.*} + $1)).00 0.00" > /run/uptime'
	"case_$case"
	exit $((failures > 0))
fi

namespace=(unshare --user --map-root-user --mount)
"${namespace[@]}" mount -t tmpfs none /run 2> /dev/null || namespace=(unshare --mount)
"${namespace[@]}" mount -t tmpfs none /run 2> /dev/null ||
	{ echo "SKIP: no mount namespace can be made here"; exit 77; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export BMVM_FAKES=$work
mkdir "$work/real"
# Links that lead through /etc would be cut.
for name in cat grep head ldd ln mkdir readlink rm sed setsid sh sort stat tail tar timeout tr true; do
	ln -s "$(readlink -f "$(type -P $name)")" "$work/real/$name"
done
cat > "$work/fake" << END
#!/bin/sh
name=\${0##*/}
echo "\$name \$*" >> $calls
[ ! -e $answers/\$name ] || . $answers/\$name
END
chmod +x "$work/fake"

failed=0
for case in $(compgen -A function case_); do
	"${namespace[@]}" "$0" inside "${case#case_}" || failed=$((failed + 1))
done
[ $failed -eq 0 ] || { echo "$failed cases failed"; exit 1; }
