# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What scripts/test and scripts/quickstart share. Sourced; sets $top, the checkout.
#
# Nothing is written into the checkout: builds, images and logs live in the work folder.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "${0##*/}: $*"
	exit 1
}

# work_folder: where builds, images and logs may stay between runs.
work_folder() {
	if [ -n "${BMVM_TEST_DIR:-}" ]; then
		echo "$BMVM_TEST_DIR"
	elif [ "$(id -u)" = 0 ]; then
		echo /var/cache/bmvm-test
	else
		echo "${XDG_CACHE_HOME:-$HOME/.cache}/bmvm-test"
	fi
}

# build_folder KIND: one folder for each checkout and kind of build.
build_folder() {
	local id
	id=$(printf '%s' "$top" | sha256sum | cut -c1-8)
	echo "$(work_folder)/build-$id-$1"
}

# build KIND [CMAKE-OPTION...]: configure and build; prints only what went wrong.
build() {
	local kind=$1 folder log
	shift
	folder=$(build_folder "$kind")
	log=$folder.log
	mkdir -p "$folder"
	if ! { cmake -S "$top" -B "$folder" -G Ninja "$@" && ninja -C "$folder"; } > "$log" 2>&1; then
		grep -E -A12 'FAILED:|CMake Error' "$log" | head -100 >&2
		say "the whole log: $log"
		return 1
	fi
}

# --- packages ------------------------------------------------------------------------------------

# Each set is what one job needs, by Debian's package names.
packages_of() {
	case $1 in
	build) echo gcc libc6-dev cmake ninja-build pkg-config libjson-c-dev libssh-dev libkmod-dev libssl-dev ;;
	run) echo qemu-system-x86 qemu-utils ovmf ;;
	image) echo mmdebstrap debian-archive-keyring mtools dosfstools fdisk e2fsprogs uidmap zstd ;;
	test) echo git python3 libcriterion-dev clang libclang-rt-dev procps util-linux bsdutils openssh-server ;;
	browser) echo chromium jq ;;
	lint) echo clang-tidy clang-format shellcheck git ;;
	e2e) echo iproute2 openssh-client jq ;;
	lab) echo util-linux e2fsprogs ;;
	esac
}

# install_packages SET...: install what is missing, from wherever this machine's apt gets packages.
install_packages() {
	local installed set package missing=()
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
	for set; do
		for package in $(packages_of "$set"); do
			grep -qx "$package" <<< "$installed" || missing+=("$package")
		done
		# Debian 12 has virtiofsd inside its QEMU packages, later ones apart.
		if [ "$set" = run ] && [ ! -x /usr/lib/qemu/virtiofsd ] && [ ! -x /usr/libexec/virtiofsd ]; then
			missing+=(virtiofsd)
		fi
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "packages are missing; as root: apt-get install ${missing[*]}"
	say "installing: ${missing[*]}"
	apt_quietly update
	if ! apt-cache show virtiofsd > /dev/null 2>&1; then
		missing=("${missing[@]/%virtiofsd/qemu-system-common}")
	fi
	apt_quietly install --no-install-recommends "${missing[@]}"
}

apt_quietly() {
	local log
	log=$(mktemp)
	if ! DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@" < /dev/null > "$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "apt-get $1 failed"
	fi
	rm -f "$log"
}

# --- images --------------------------------------------------------------------------------------

# image_key: changes with everything a built image depends on; docker.sh comes into a guest later.
image_key() {
	(cd "$top" && cat scripts/guest/*-hook.sh src/image/build*.c && . /etc/os-release && echo "$VERSION_CODENAME") |
		sha256sum | cut -c1-16
}
