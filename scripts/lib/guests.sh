# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the layers that start guests share: a place for bmvm's folders, the image, the accelerator.
# Sourced after common.sh; expects $BMVM and $BMVM_TEST_RESULTS.

guest_cache=$(work_folder)/images-$(image_key)

# why_no_worlds: why no small world can be made here; nothing if it can.
why_no_worlds() {
	if [ "$(id -u)" != 0 ]; then
		echo "needs root for its private mounts, processes and network"
	elif ! unshare --mount --pid --fork --net true 2> /dev/null; then
		echo "unshare(2) is not allowed here"
	fi
}

# Mount points for private folders; unmake_mount_points removes those that this made.
made_mount_points=()
make_mount_points() {
	local folder
	for folder in /run/bmvm /var/lib/bmvm; do
		[ -d $folder ] || { mkdir $folder && made_mount_points=("$folder" "${made_mount_points[@]}"); }
	done
}

unmake_mount_points() {
	[ ${#made_mount_points[@]} = 0 ] || rmdir "${made_mount_points[@]}" 2> /dev/null || true
}

# in_cache COMMAND...: with a private /run/bmvm, and the image cache as /var/lib/bmvm.
in_cache() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private -- sh -euc '
		mount -t tmpfs -o mode=700 none /run/bmvm
		mount --bind "$1" /var/lib/bmvm
		shift
		exec "$@"' in_cache "$guest_cache" "$@"
}

# provide_image: the image is built once for each recipe, and hashed again before every use. Its
# folder is $guest_cache/images.
provide_image() {
	local log=$guest_cache.log
	mkdir -p "$guest_cache"
	chmod 711 "$guest_cache"
	exec 9> "$guest_cache.lock"
	flock 9
	if ! in_cache "$BMVM" image verify default > "$log" 2>&1 < /dev/null; then
		say "building the image of the guests (once)"
		rm -rf "$guest_cache/images/default"
		if ! in_cache "$BMVM" image build --name default > "$log" 2>&1 < /dev/null; then
			tail -30 "$log" >&2
			printf 'fail\timage build\tno image for the guests\n' >> "$BMVM_TEST_RESULTS"
			return 1
		fi
		printf 'pass\timage build\t\n' >> "$BMVM_TEST_RESULTS"
	fi
	exec 9>&-
}

# guest_hypervisor: kvm only where a guest kernel really runs on it: /dev/kvm alone proves nothing.
guest_hypervisor() {
	if [ -n "${BMVM_TEST_HYPERVISOR:-}" ]; then
		echo "$BMVM_TEST_HYPERVISOR"
	elif in_cache "$BMVM" check --boot --json --hypervisor kvm < /dev/null 2> /dev/null |
		jq -e '.[] | select(.id == "boot") | .status == "ok"' > /dev/null; then
		echo kvm
	else
		echo tcg
	fi
}
