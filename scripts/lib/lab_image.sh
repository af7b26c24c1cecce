# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The lab's host images: one folder for each suite and recipe, made by scripts/lab-host/build. Sourced
# after common.sh.
#
# Builds take a lock, work beside the folder's final name, and get that name as their last step, so
# one that was cut off never counts. SHA256SUMS is checked before every use. A lab that runs holds the
# lock shared. Nobody removes a lock's file.
# shellcheck disable=SC2154 # $top is common.sh's

lab_folder=$(work_folder)/lab

# lab_key: changes with everything a host image depends on, but for the packages' own versions.
lab_key() {
	(cd "$top/scripts" && cat lab-host/build lab-host/init lab-host/bmvm_slow.c lab-host/initramfs.* guest/setup-hook.sh &&
		packages_of build) | sha256sum | cut -c1-12
}

# host_folder SUITE
host_folder() {
	echo "$lab_folder/$1-$(lab_key)"
}

host_is_whole() {
	[ -f "$1/SHA256SUMS" ] && (cd "$1" && sha256sum --quiet --check SHA256SUMS) >&2
}

# remove_old_hosts SUITE: images of other recipes that no lab has run from for three days (another
# checkout may have its own), and what a build left that was cut off.
remove_old_hosts() {
	local folder lock fd
	for folder in "$lab_folder/$1"-*/; do
		folder=${folder%/}
		lock=${folder%.new}.lock
		[ "$folder" != "$(host_folder "$1")" ] || continue
		[[ "$folder" == *.new || -n "$(find "$lock" -mtime +2 2> /dev/null)" ]] || continue
		exec {fd}>> "$lock"
		! flock --nonblock "$fd" || rm -rf --one-file-system "$folder"
		exec {fd}>&-
	done
}

# build_host SUITE FOLDER: with the lock held.
build_host() {
	local suite=$1 folder=$2 log=$2.log start=$SECONDS
	[ "$(id -u)" = 0 ] || die "the lab's host image is not built yet, and building it needs root"
	say "building the lab's $suite host (once, some minutes); log: $log"
	rm -rf --one-file-system "$folder" "$folder.new"
	mkdir "$folder.new"
	# in a mount namespace of its own: nothing stays mounted if it is killed
	if ! unshare --mount --propagation private -- "$top/scripts/lab-host/build" "$suite" "$folder.new" > "$log" 2>&1; then
		tail -30 "$log" >&2
		rm -rf --one-file-system "$folder.new"
		die "the lab's $suite host could not be built; the whole log: $log"
	fi
	sync -f "$folder.new"
	mv -T "$folder.new" "$folder"
	remove_old_hosts "$suite"
	say "the lab's $suite host is built: $((SECONDS - start)) s"
}

# provide_host SUITE: make sure that the image is there and whole, and hold it until this process ends.
lab_provided=
provide_host() {
	local suite=$1 folder
	[ "$lab_provided" != "$suite" ] || return 0
	folder=$(host_folder "$suite")
	mkdir -p "$lab_folder"
	exec {lab_lock}>> "$folder.lock"
	touch "$folder.lock" # when it was used last
	flock --shared "$lab_lock"
	if ! host_is_whole "$folder"; then
		flock "$lab_lock"
		host_is_whole "$folder" || build_host "$suite" "$folder"
		flock --shared "$lab_lock"
	fi
	lab_provided=$suite
}
