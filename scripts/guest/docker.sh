#!/bin/sh
# SPDX-License-Identifier: MIT
# Docker in a guest: bmvm embeds this text, puts it into the guest and runs it there as root.
#
#   docker.sh probe            one line: "answers VERSION", "stopped" (there is a client, no daemon), "missing"
#   docker.sh install          from the guest distribution's own packages: apt-get, dnf, apk or zypper
#   docker.sh start            start the daemon, wait until it answers
#   docker.sh prove            run a container made of the guest's own files; no registry is asked
#   docker.sh gpu amd|nvidia   whether containers can be given the GPU; for NVIDIA, describe it to Docker
#
# Environment: BMVM_DOCKER_PROXY   http proxy for packages, the daemon and containers
#              BMVM_DOCKER_MIRROR  registry mirror for the daemon
# What is said goes to standard error; the exit code is 0, 1 (failed: can be tried again) or 3 (cannot work here,
# the last line says why).
set -eu

proxy=${BMVM_DOCKER_PROXY:-}
mirror=${BMVM_DOCKER_MIRROR:-}
start_seconds=90
end_seconds=60
job_seconds=300
lock_seconds=120
proof=bmvm-proof
changed=

say() {
	echo "$*" >&2
}

hopeless() {
	say "$*"
	exit 3
}

has() {
	command -v "$1" > /dev/null 2>&1
}

# A daemon that hangs shall not hang us. The timeout of old busybox has other arguments: there, none.
bounded() {
	if timeout 1 true 2> /dev/null; then
		timeout 10 "$@"
	else
		"$@"
	fi
}

answers() {
	bounded docker version --format '{{.Server.Version}}' 2> /dev/null
}

# Podman under Docker's name answers for a daemon that is not there, and does not know all of Docker's options.
refuse_podman() {
	has docker || return 0
	program=$(readlink -f "$(command -v docker)")
	case ${program##*/} in
	podman*) ;;
	*) docker --version 2> /dev/null | grep -qi podman || return 0 ;;
	esac
	hopeless "\"docker\" here is Podman's: put Docker into the base image, or set docker.script"
}

probe() {
	refuse_podman
	if ! has docker; then
		echo missing
	elif version=$(answers) && [ -n "$version" ]; then
		echo "answers $version"
	else
		echo stopped
	fi
}

# --- packages ------------------------------------------------------------------------------------------

# What is reached without the proxy: the guest itself and the mirror.
direct() {
	list=localhost,127.0.0.1,::1
	host=${mirror#*://}
	host=${host%%/*}
	host=${host##*@}
	case $host in
	\[*) host=${host#\[} host=${host%%\]*} ;;
	*) host=${host%%:*} ;;
	esac
	echo "$list${host:+,$host}"
}

use_proxy() {
	[ -n "$proxy" ] || return 0
	export http_proxy="$proxy" https_proxy="$proxy" HTTP_PROXY="$proxy" HTTPS_PROXY="$proxy"
	no_proxy=$(direct)
	export no_proxy NO_PROXY="$no_proxy"
}

# apt waits for dpkg's lock when told to, never for that of its lists, which the first minutes of a guest often hold.
apt_update() {
	left=$lock_seconds
	until said=$(LC_ALL=C apt-get -q update 2>&1 > /dev/null); do
		case $said in
		*"Could not get lock"*) left=$((left - 2)) ;;
		*) left=0 ;;
		esac
		if [ $left -le 0 ]; then
			say "$said"
			return 1
		fi
		sleep 2
	done
	[ -z "$said" ] || say "$said"
}

apt_offers() {
	LC_ALL=C apt-cache policy "$1" 2> /dev/null | grep -q '^ *Candidate: [^(]'
}

dpkg_has() {
	dpkg-query -W -f '${Status}' "$1" 2> /dev/null | grep -q 'ok installed$'
}

# The distribution's packages and those of Docker's own repository push each other out: what is there stays.
with_apt() {
	export DEBIAN_FRONTEND=noninteractive
	apt_update || return 1
	packages="docker.io iptables ca-certificates xz-utils"
	# the client and the builder are packages of their own in newer releases
	extras="docker-cli docker-buildx"
	! dpkg_has docker-buildx-plugin || extras=docker-cli
	if apt_offers docker-ce && { dpkg_has docker-ce || dpkg_has containerd.io || ! apt_offers docker.io; }; then
		packages="docker-ce iptables ca-certificates xz-utils"
		extras="docker-ce-cli containerd.io docker-buildx-plugin"
	fi
	for extra in $extras; do
		! apt_offers "$extra" || packages="$packages $extra"
	done
	# shellcheck disable=SC2086 # a list of words
	apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 install $packages
}

# The distribution and those it is made of, as "rocky rhel centos fedora".
distribution() {
	# shellcheck source=/dev/null
	[ ! -r /etc/os-release ] || (. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")
}

# RHEL and its kin have Podman instead, which their package "docker" is; Docker's own repository has packages for them.
with_dnf_of_docker() {
	found=$(dnf -q repoquery docker-ce) || return 1
	case $found in
	*docker-ce*) ;;
	*)
		hopeless "this distribution has no package of Docker, and none of its repositories offers docker-ce:" \
			"add Docker's repository to the base image, put Docker into it, or set docker.script"
		;;
	esac
	dnf -y install --allowerasing docker-ce docker-ce-cli containerd.io docker-buildx-plugin
}

with_dnf() {
	case " $(distribution) " in
	*" rhel "* | *" ol "* | *" centos "*) with_dnf_of_docker ;;
	*)
		dnf -y install moby-engine docker-cli docker-buildx || dnf -y install moby-engine docker-cli ||
			dnf -y install moby-engine || dnf -y install docker
		;;
	esac
}

with_apk() {
	patience=
	! apk --help 2>&1 | grep -q -e '--wait' || patience="--wait $lock_seconds"
	# shellcheck disable=SC2086 # two words or none
	apk add --no-progress $patience docker docker-cli-buildx || apk add --no-progress $patience docker
}

install_packages() {
	refuse_podman
	use_proxy
	if has apt-get; then
		with_apt
	elif has dnf; then
		with_dnf
	elif has apk; then
		with_apk
	elif has zypper; then
		ZYPP_LOCK_TIMEOUT=$lock_seconds zypper --non-interactive install docker
	else
		hopeless "no apt-get, dnf, apk or zypper here: put Docker into the base image, or set docker.script"
	fi
	has docker || { say "the packages are installed, but there is no program \"docker\""; return 1; }
	refuse_podman
}

# --- the daemon ----------------------------------------------------------------------------------------

squeezed() {
	printf %s "$1" | tr -d ' \t\r\n'
}

# add_member FILE KEY VALUE: put a member into an object of JSON, whose file may be missing, or have it from the last
# try. A key with another value is the guest's own: the file is left alone, and $why says so.
add_member() {
	member="\"$2\": $3"
	text=
	[ ! -e "$1" ] || text=$(cat "$1")
	[ -n "$(squeezed "$text")" ] || text="{}"
	case $(squeezed "$text") in
	*"$(squeezed "$member")"*) return 0 ;;
	*"\"$2\":"*)
		why="$1 has \"$2\" of its own"
		return 1
		;;
	"{"*) ;;
	*)
		why="$1 is no object of JSON"
		return 1
		;;
	esac
	rest=${text#*"{"}
	case $(squeezed "$rest") in
	"}"*) ;;
	*) member="$member," ;;
	esac
	why="$1 cannot be written"
	mkdir -p "${1%/*}" && printf '{ %s%s\n' "$member" "$rest" > "$1"
}

set_mirror() {
	add_member "$1" registry-mirrors "[\"$mirror\"]" || return 1
	case $mirror in
	http://*)
		address=${mirror#http://}
		add_member "$1" insecure-registries "[\"${address%%/*}\"]"
		;;
	esac
}

systemd_runs() {
	[ -d /run/systemd/system ]
}

# The daemon's environment: of systemd's unit, where % begins a specifier; else a file of shell text, which most
# services of OpenRC and sysvinit read.
set_proxy() {
	if systemd_runs; then
		escaped=$(printf %s "$proxy" | sed 's/%/%%/g')
		mkdir -p /etc/systemd/system/docker.service.d
		printf '[Service]\nEnvironment="HTTP_PROXY=%s" "HTTPS_PROXY=%s" "NO_PROXY=%s"\n' \
			"$escaped" "$escaped" "$1" > /etc/systemd/system/docker.service.d/bmvm.conf
		return
	fi
	for file in /etc/conf.d/docker /etc/default/docker; do
		[ -d "${file%/*}" ] || continue
		kept=
		[ ! -e "$file" ] || kept=$(sed '/ # bmvm$/d' "$file")
		printf '%s\n' ${kept:+"$kept"} "export HTTP_PROXY='$proxy' # bmvm" "export HTTPS_PROXY='$proxy' # bmvm" \
			"export NO_PROXY='$1' # bmvm" > "$file"
	done
}

configure() {
	why=
	if [ -n "$mirror" ]; then
		set_mirror /etc/docker/daemon.json || hopeless "docker.mirror: $why; set the mirror in the base image"
		changed=1
	fi
	[ -n "$proxy" ] || return 0
	set_proxy "$(direct)"
	urls="\"httpProxy\": \"$proxy\", \"httpsProxy\": \"$proxy\""
	add_member "${HOME:-/root}/.docker/config.json" proxies "{ \"default\": { $urls, \"noProxy\": \"$(direct)\" } }" ||
		say "containers get no docker.proxy: $why"
	changed=1
}

last_words() {
	if systemd_runs && has journalctl; then
		journalctl -q -b -u docker --no-pager -n 15 -o cat >&2 || true
		return
	fi
	for file in /var/log/dockerd.log /var/log/docker.log; do
		[ ! -s $file ] || tail -n 15 $file >&2
	done
}

# Docker's unit has no time limit, so systemctl is not waited for; and what failed before counts against the unit's
# start limit.
start_unit() {
	how=start
	if [ -n "$changed" ]; then
		how=restart
		systemctl daemon-reload || true
	fi
	systemctl reset-failed docker.service docker.socket 2> /dev/null || true
	systemctl --no-block $how docker.service
}

# Where no service does it: a daemon that is there ends first, or it would keep the new one from starting.
end_daemon() {
	pid=$(cat /run/docker.pid 2> /dev/null) || return 0
	[ "$(cat "/proc/$pid/comm" 2> /dev/null)" = dockerd ] || return 0
	kill "$pid" 2> /dev/null || return 0
	end=$(($(uptime_seconds) + end_seconds))
	while [ -d "/proc/$pid" ]; do
		if [ "$(uptime_seconds)" -ge $end ]; then
			say "Docker's daemon of before, process $pid, does not end within $end_seconds s"
			return 1
		fi
		sleep 1
	done
}

start_service() {
	if systemd_runs; then
		start_unit
	elif has rc-service; then
		rc-service docker restart
	elif has service; then
		service docker restart
	else
		end_daemon || return 1
		use_proxy
		setsid dockerd > /var/log/dockerd.log 2>&1 < /dev/null &
	fi
}

# systemd has not done yet what it was told: who answers is the daemon of before.
pending() {
	systemd_runs || return 1
	case $(systemctl show -p Job docker.service 2> /dev/null) in
	Job=[1-9]*) ;;
	*) return 1 ;;
	esac
}

failed() {
	systemd_runs && systemctl -q is-failed docker.service
}

# The guest's clock may jump when it is set.
uptime_seconds() {
	read -r seconds _ < /proc/uptime
	echo "${seconds%%.*}"
}

# Under emulation a start takes minutes.
launch() {
	start_service || { last_words; say "Docker's daemon does not start"; return 1; }
	end=$(($(uptime_seconds) + job_seconds))
	while pending && [ "$(uptime_seconds)" -lt $end ]; do
		sleep 1
	done
	end=$(($(uptime_seconds) + start_seconds))
	while [ -z "$(answers)" ]; do
		if failed; then
			last_words
			say "Docker's daemon does not start"
			return 1
		fi
		if [ "$(uptime_seconds)" -ge $end ]; then
			last_words
			say "Docker's daemon does not answer within $start_seconds s"
			return 1
		fi
		sleep 1
	done
}

start() {
	configure
	if [ -z "$changed" ] && [ -n "$(answers)" ]; then
		return 0
	fi
	launch
}

# A container of the guest's own shell and the libraries it wants. The shell keeps its name: busybox goes by that.
prove() {
	libraries=$(ldd /bin/sh 2> /dev/null | grep -o '/[^ )]*' | sort -u) || libraries=
	# shellcheck disable=SC2086 # a list of paths without blanks
	tar -chf - /bin/sh $libraries 2> /dev/null | docker import - $proof > /dev/null ||
		{ say "docker import failed"; return 1; }
	# as containers of models run, see docker_args.c
	said=$(docker run --rm --network host --security-opt label=disable $proof /bin/sh -c 'echo it runs' 2>&1) || true
	docker image rm -f $proof > /dev/null 2>&1 || true
	[ "$said" = "it runs" ] || { last_words; say "a container does not run: $said"; return 1; }
}

# --- GPUs ----------------------------------------------------------------------------------------------

gpu_amd() {
	[ -c /dev/kfd ] || hopeless "no /dev/kfd in the guest: its image needs the amdgpu driver (amdgpu-dkms) and firmware"
	for node in /dev/dri/renderD*; do
		[ ! -c "$node" ] || return 0
	done
	hopeless "no /dev/dri/renderD* in the guest: amdgpu has taken no GPU; see dmesg in it"
}

# Docker takes devices by the names in /etc/cdi.
has_cdi() {
	[ -s /etc/cdi/nvidia.yaml ] || return 1
	bounded docker info --format '{{json .CDISpecDirs}}' 2> /dev/null | grep -q '"/etc/cdi/*"'
}

# The daemon looks for the hook of --gpus once, when it starts. The time of a packaged file is that of its making: its
# inode tells when it came here.
came_after_start() {
	came=$(stat -L -c %Z "$(command -v "$1")" 2> /dev/null) || return 1
	started=$(stat -c %Y /run/docker.pid 2> /dev/null) || return 1
	[ "$came" -ge "$started" ]
}

gpu_nvidia() {
	has nvidia-smi || hopeless "no nvidia-smi in the guest: its image needs NVIDIA's driver"
	nvidia-smi -L >&2 || hopeless "nvidia-smi sees no GPU in the guest"
	has nvidia-ctk || hopeless "no nvidia-ctk in the guest: its image needs the package nvidia-container-toolkit"
	# without these a container loses its GPUs when systemd reloads its units
	nvidia-ctk system create-dev-char-symlinks --create-all >&2 || true
	mkdir -p /etc/cdi
	# an old description is of another machine
	nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml >&2 || rm -f /etc/cdi/nvidia.yaml
	if ! has nvidia-container-runtime-hook; then
		has_cdi || hopeless "no nvidia-container-runtime-hook in the guest, which --gpus needs: its image needs the" \
			"package nvidia-container-toolkit (nvidia-container-toolkit-base is not enough), or a Docker with CDI"
		return 0
	fi
	if came_after_start nvidia-container-runtime-hook ||
		! bounded docker info --format '{{json .Runtimes}}' 2> /dev/null | grep -q nvidia; then
		nvidia-ctk runtime configure --runtime=docker >&2 || hopeless "nvidia-ctk cannot configure Docker"
		changed=1
		launch
	fi
}

case ${1:-} in
probe) probe ;;
install) install_packages ;;
start) start ;;
prove) prove ;;
gpu) "gpu_${2:?amd or nvidia}" ;;
*) hopeless "docker.sh: no such action: ${1:-}" ;;
esac
