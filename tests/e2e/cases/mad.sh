# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# MAD models with Docker in a guest: the package of examples/mad-package, whose base image is made of the guest's own
# files. The guest of the first case has no Docker and installs it; those of the others, which are for --full, start
# from an image that has it.

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../examples" && pwd)

# outside COMMAND...: with the machine's network, for a guest that wants packages.
outside() {
	nsenter --net="/proc/self/fd/$BMVM_E2E_HOST_NET" -- "$@"
}

package() {
	cp -r "$examples/mad-package" package
	cd package || exit
}

# add_model JSON: one more in the package's list.
add_model() {
	jq ". + [$1]" models.json > more.json
	mv more.json models.json
}

# run_models OPTION...: in the package's folder, with an image that has Docker.
run_models() {
	"$BMVM" run --hypervisor "$HV" -f vm.json "$@"
}

# seen_or_over SECONDS TEXT FILE: until the text is in the file; a run that ends before it fails the case.
seen_or_over() {
	# shellcheck disable=SC2016 # for the shell that waits
	wait_until "$1" sh -c 'grep -qs -- "$1" "$2" || ! kill -0 "$3"' sh "$2" "$3" $front
	has "$3" "$2"
}

# rows: perf.csv with what differs from run to run named: T is a time, HOST this machine.
rows() {
	sed 's/"demo,quick"/demo;quick/' perf.csv | awk -F , -v OFS=, -v host="$(hostname)" '
		NR > 1 { for (i = 22; i <= 23; i++) if ($i > 0) $i = "T"; if ($14 == host) $14 = "HOST" } { print }'
}

base_columns=model,n_gpus,nnodes,gpus_per_node,training_precision,pipeline,args,tags,docker_file,base_docker,docker_sha
base_columns+=,docker_image,git_commit,machine_name,deployment_type,launcher,gpu_architecture,performance,metric
base_columns+=,relative_change,status,build_duration,test_duration,dataname,data_provider_type,data_size
base_columns+=,data_download_duration,build_number,additional_docker_run_options

# row MODEL PRECISION ARGS TAGS DOCKERFILE IMAGE PERFORMANCE METRIC STATUS TEST_DURATION: of a model that had a container.
row() {
	echo "$1,0,1,0,$2,,$3,$4,docker/$5.ubuntu.amd.Dockerfile,bmvm-guest,,ci-$6.ubuntu.amd,,HOST,baremetal_vm,docker,,$7,$8,,$9,T,${10},,,,,0,"
}

setup() {
	[ -n "$BMVM_TEST_FULL" ] || return 0
	outside "$BMVM" image build --name docker --docker
}

teardown() {
	[ -z "$BMVM_TEST_FULL" ] || "$BMVM" image rm docker
}

# --- without a guest ----------------------------------------------------------------------------------

# The configurations of the user's guide: read as they are, and refused where there is no such GPU.
test_guides_configurations_without_gpus() {
	local name file
	package
	for file in docker/*.amd.Dockerfile; do
		sed 's/AMD/NVIDIA/' "$file" > "${file/.amd./.nvidia.}"
	done
	for name in single-gpu-amd multi-gpu-amd single-gpu-nvidia; do
		expect 3 "$BMVM" run --tags demo -f "$examples/$name.json" --hypervisor "$HV" --image default \
			--vcpus 1 --memory 512M -s summary.json > out 2> err
		has err 'IOMMU|GPU|0000:'
		holds summary.json '.overall_success == false and .run_phase.session_row_count == 0'
		has_not err 'Create the VM'
		[ ! -e perf.csv ] || fail "$name: a row of what was not run"
	done
}

test_mistakes_are_told_before_anything_is_made() {
	package
	expect 2 run_models --tags nobody 2> err
	has err 'nobody'
	expect 4 run_models --tags demo --timeout -5 2> err
	expect 4 run_models --tags demo --keep-alive 2> err
	has err 'preserve'
	expect 4 run_models --tags demo -c '{"tools": [{"name": "rocprof"}]}' 2> err
	has err 'rocprof'
	has err 'hint: .*scripts/common'
	expect 4 run_models --tags demo -c '{"docker_mounts": {"/etc/x": "'"$PWD"'/vm.json"}}' 2> err
	has err 'vm.json is not a folder'
	expect 4 run_models --tags demo -c '{"log_error_patterns": "x"}' 2> err
	has err 'model "demo": log_error_patterns'
	echo '[{' > perf_super.json
	expect 3 run_models --tags demo 2> err
	has err 'perf_super.json'
	rm perf_super.json
	ln -s /etc/hostname perf.csv
	expect 3 run_models --tags demo 2> err
	has err 'symbolic link'
	rm perf.csv
	cp models.json whole.json
	add_model '{ "name": "Demo", "dockerfile": "docker/demo", "scripts": "scripts/demo/run.sh", "args": "", "tags": ["demo"] }'
	expect 2 run_models --tags demo 2> err
	has err '"Demo": its image ci-demo_demo.ubuntu.amd would be that of model "demo", too'
	mv whole.json models.json
	sed -i '/CONTEXT/d' docker/demo.ubuntu.amd.Dockerfile
	expect 2 run_models --tags demo 2> err
	has err 'docker/demo.ubuntu.amd.Dockerfile'
	has_not err 'Create the VM'
	same "$(find . -name '*.log' -o -name '*.csv')" ''
}

test_dry_run_tells_images_and_models() {
	package
	expect 0 run_models --image default --tags demo --dry-run > out 2> err
	has out '^would build ci-demo_two_demo_two.b.ubuntu.amd of docker/demo_two.b.ubuntu.amd.Dockerfile$'
	has out '^would run   model demo in ci-demo_demo.ubuntu.amd$'
	expect 0 run_models --image default --tags demo --dry-run --json > out 2> err
	holds out '.models | length == 4'
	expect 0 run_models --image default --tags demo --dry-run -c "{'MAD_CONTAINER_IMAGE': 'mine:1'}" > out 2> err
	has out '^would run   model demo_two in mine:1$'
	has_not out 'would build'
	expect 0 run_models --image default --tags demo --dry-run -c '{"docker_mounts": {"/in": "'"$PWD"'", "/tmp": "/tmp"}}' > out 2> err
	has out "path=$PWD"
	has_not out 'path=/tmp,'
	has err "models can write to $PWD of this host, as /in"
	[ ! -e build_manifest.json ] || fail "a dry run wrote"
}

# --- all models, until the VM dies under one ----------------------------------------------------------

# The columns of demo_multi.csv that perf.csv does not have, and "configs", are behind its own.
expected_rows() {
	echo "$base_columns,configs,batch_size"
	echo "demo_broken,-1,1,-1,,,,failing,docker/demo_broken.ubuntu.amd.Dockerfile,bmvm-guest,,ci-demo_broken_demo_broken.ubuntu.amd,,HOST,baremetal_vm,,,,,,FAILURE,,,,,,,0,,,"
	{
		row demo fp32 '' 'demo;quick' demo demo_demo 14164 samples_per_second SUCCESS T
		row demo_multi_small fp32 '' demo demo demo_multi_demo 120.5 samples_per_second SUCCESS T
		row demo_multi_large fp32 '' demo demo demo_multi_demo 33 samples_per_second SUCCESS T
		row demo_two '' '' demo demo_two.a demo_two_demo_two.a 14164 samples_per_second SUCCESS T
		row demo_two '' '' demo demo_two.b demo_two_demo_two.b 14164 samples_per_second SUCCESS T
		row demo_args '' '--precision fp16 --batch-size 32' arguments demo demo_args_demo 3200 fp16_tokens_per_second SUCCESS T
		row demo_fails '' '' failing demo demo_fails_demo '' '' FAILURE 0.0
		row demo_sleeps '' '' failing demo demo_sleeps_demo '' '' FAILURE 0.0
		row demo_waits '' '' waiting demo demo_waits_demo '' '' FAILURE 0.0
	} | sed 's/$/,,/; /^demo_multi_small,/s/$/8/; /^demo_multi_large,/s/$/64/'
}

expected_logs() {
	local name
	for name in demo_args_demo demo_demo demo_fails_demo demo_multi_demo demo_sleeps_demo demo_two_demo_two.a demo_two_demo_two.b demo_waits_demo; do
		printf '%s.live.log\n' "$name.ubuntu.amd.build" "$name.ubuntu.amd" "$name.ubuntu.amd.run"
	done
	echo demo_broken_demo_broken.ubuntu.amd.build.live.log
}

limit_test_models_until_the_vm_dies=1500
test_models_until_the_vm_dies() {
	package
	mkdir scripts/demo_waits
	printf '#!/bin/bash\necho "the last line of a VM that dies"\nsleep 36000\n' > scripts/demo_waits/run.sh
	add_model '{ "name": "demo_waits", "dockerfile": "docker/demo", "scripts": "scripts/demo_waits", "args": "", "n_gpus": "-1", "tags": ["waiting"] }'
	jq '(.[] | select(.name == "demo_sleeps") | .timeout) = 40' models.json > more.json && mv more.json models.json

	outside "$BMVM" run --hypervisor "$HV" -f vm.json --image default --vcpus 2 --memory 1G --live-output \
		--tags demo,demo_args:batch-size=32 --tags failing,waiting --receipt receipt.json -s summary.json > out 2> err < /dev/null &
	front=$!
	seen_or_over 1200 'the last line of a VM that dies' out
	kill -KILL "$(qemu_of)"
	ended $front
	same $code 3
	no_vm_left

	rows > found
	expected_rows > expected
	diff expected found || fail "rows are not as expected"
	same "$(find . -name "*.log" -printf "%P\n" | sort)" "$(expected_logs | sort)"
	holds receipt.json '.clean and .outcome == "infrastructure" and .docker.installed'
	holds receipt.json '[.models.failed_runs[].kind] == ["model", "model", "infrastructure"]'
	holds summary.json '.run_phase.total_runs == 8 and (.build_phase.failed_builds | length == 1) and .overall_success == false'
	holds perf_super.json 'length == 9'
	holds build_manifest.json '.built_images | length == 8'
	same "$(head -1 demo_multi.csv)" model,performance,metric,batch_size

	has out '^performance: 14164 samples_per_second$'
	has demo_waits_demo.ubuntu.amd.run.live.log 'the last line of a VM that dies'
	has demo_fails_demo.ubuntu.amd.live.log 'the last words of a model that fails'
	has demo_sleeps_demo.ubuntu.amd.run.live.log 'Setting timeout to 40 seconds.'
	has demo_broken_demo_broken.ubuntu.amd.build.live.log 'this image cannot be built'
	has err 'demo_sleeps: FAILURE: .*not done in time'

	same "$("$BMVM" report to-html --csv-file perf.csv)" perf.html
	has perf.html 'Bring the images|build'
	has perf.html 'demo_multi_large'
}

# --- with an image that has Docker --------------------------------------------------------------------

status_of() {
	awk -F , -v name="$1" '$1 == name { print $21 }' "${2:-perf.csv}"
}

# Nothing of a model's output on the screen unless it is asked for; a second run adds to the books.
full_test_two_runs_one_after_the_other() {
	package
	expect 0 run_models --tags demo_two -o books/perf.csv --cleanup-perf > out 2> err
	same "$(cat out)" ''
	same "$(status_of demo_two books/perf.csv)" "$(printf 'SUCCESS\nSUCCESS')"
	same "$(find . -name 'perf_entry*')" ''
	holds perf_super.json 'length == 2'
	cp build_manifest.json first.json
	# images are not kept: those of a manifest that are nowhere are the models' failed setup
	expect 3 run_models --manifest-file first.json -o books/perf.csv -s summary.json > out 2> err
	same "$(wc -l < books/perf.csv)" 5
	holds summary.json '[.failed_runs[].kind] == ["setup", "setup"]'
	has err 'docker pull ci-demo_two_demo_two.a.ubuntu.amd'
}

# An archive made by docker save in one VM, loaded in another and run as a manifest says.
full_test_manifest_with_an_archive() {
	package
	expect 0 run_models --collect image.tar -- docker save -o image.tar bmvm-guest 2> err
	jq -n '{
		built_images: { "bmvm-guest": { docker_image: "bmvm-guest", dockerfile: "docker/demo.ubuntu.amd.Dockerfile", base_docker: "bmvm-guest", build_duration: 1.5, gpu_vendor: "AMD" } },
		built_models: { "bmvm-guest": { name: "loaded", scripts: "scripts/demo/run.sh", args: "", tags: "quick", n_gpus: "-1" } },
		context: {}
	}' > manifest.json
	jq '.baremetal_vm.docker = { load: ["image.tar"] }' vm.json > load.json && mv load.json vm.json
	expect 0 run_models --manifest-file manifest.json --live-output > out 2> err
	has out '^performance: 14164 samples_per_second$'
	same "$(status_of loaded)" SUCCESS
	[ -s loaded_bmvm-guest.run.live.log ] || fail "no log"
}

# The first Ctrl-C ends the run: what was printed is in the log, the model has its row.
full_test_interrupted() {
	package
	env --default-signal=INT "$BMVM" run --hypervisor "$HV" -f vm.json --tags demo_sleeps --timeout 0 --receipt r.json > out 2> err < /dev/null &
	front=$!
	seen_or_over 400 '^sleeping$' demo_sleeps_demo.ubuntu.amd.run.live.log
	kill -INT $front
	ended $front
	same $code 130
	same "$(status_of demo_sleeps)" FAILURE
	holds r.json '.clean and .outcome == "interrupted"'
	no_vm_left
}

# The same model twice, and another: no row is lost, no log is mixed up.
limit_full_test_three_at_once_in_one_folder=1500
full_test_three_at_once_in_one_folder() {
	local first second
	package
	run_models --tags quick,demo_multi > out1 2> err1 &
	first=$!
	run_models --tags quick,demo_multi --manifest-output second.json > out2 2> err2 &
	second=$!
	run_models --tags demo_fails --manifest-output third.json > out 2> err &
	ended $!
	same $code 3
	ended $first
	same $code 0
	ended $second
	same $code 0
	same "$(tail -n +2 perf.csv | cut -d , -f 1 | sort | uniq -c | awk '{ print $1, $2 }' | tr '\n' ' ')" \
		'2 demo 1 demo_fails 2 demo_multi_large 2 demo_multi_small '
	same "$(grep -c '^RUN PHASE LOG' demo_demo.ubuntu.amd.live.log)" 1
	holds perf_super.json 'length == 7'
}

full_test_kept_container() {
	package
	expect 0 run_models --name kept --preserve --keep-alive --skip-model-run --tags demo_two -s summary.json > out 2> err
	holds summary.json '[.run_phase.successful_runs[].status] == ["SKIPPED", "SKIPPED"]'
	[ ! -e perf.csv ] || same "$(wc -l < perf.csv)" 1
	"$BMVM" ssh kept -- docker ps --format '{{.Names}}' > names
	has names '^container_ci-demo_two_demo_two.a.ubuntu.amd$'
	"$BMVM" ssh kept -- docker exec container_ci-demo_two_demo_two.a.ubuntu.amd bash run_directory/run.sh > out
	has out '^performance: 14164'
	"$BMVM" destroy kept
	no_vm_left
}

# A table in a folder, one that is a pattern, one with a name of ours; files that were there, and more than may be
# collected; a folder that is kept.
full_test_what_models_leave() {
	local name before
	package
	mkdir scripts/tables scripts/large run_directory
	echo old > run_directory/old
	echo input > ref_output.csv
	touch -d '2 days ago' ref_output.csv
	before=$(stat -c '%i %Y' ref_output.csv)
	cat > scripts/tables/run.sh <<- 'SCRIPT'
		#!/bin/bash
		[ -e ../ref_output.csv ] || exit 1
		mkdir out
		printf 'model,performance,metric\na,1,x\n' > out/t.csv
		echo t > a_trace.csv
		echo no > ../X_output.csv
	SCRIPT
	printf '#!/bin/bash\nhead -c 3000000 /dev/zero > big_output.csv\necho "performance: 5 x"\n' > scripts/large/run.sh
	for name in out/t.csv '*.csv' perf.csv; do
		add_model '{ "name": "t'${#name}'", "dockerfile": "docker/demo", "scripts": "scripts/tables", "args": "", "tags": ["t"], "multiple_results": "'"$name"'" }'
	done
	add_model '{ "name": "large", "dockerfile": "docker/demo", "scripts": "scripts/large", "args": "", "tags": ["t"] }'
	jq '.baremetal_vm.results.max_size = "1M"' vm.json > v.json && mv v.json vm.json
	expect 3 run_models --tags t --keep-model-dir -o X_output.csv -s s.json 2> err
	same "$(status_of t9_a X_output.csv)" SUCCESS
	same "$(status_of large X_output.csv)" SUCCESS
	[ -s out/t.csv ] || fail "no out/t.csv"
	holds s.json '[.run_phase.failed_runs[].kind] == ["setup", "setup"]'
	has err 'not a pattern'
	has err 'another file|name'
	has err 'not collected: X_output.csv'
	has err 'max_size'
	same "$(stat -c '%i %Y' ref_output.csv)" "$before"
	same "$(cat a_trace.csv)" t
	[ ! -e big_output.csv ] || fail "more than max_size"
	[ ! -e run_directory/old ] || fail "the old folder was not replaced"
	same "$(find . -maxdepth 1 -name '.bmvm-*')" ''
}

# The VM dies while an image is built: nothing was run, and each model has its row.
full_test_vm_dies_while_building() {
	package
	echo 'RUN sleep 600' >> docker/demo_two.b.ubuntu.amd.Dockerfile
	"$BMVM" run --hypervisor "$HV" -f vm.json --tags demo_two -s summary.json --receipt receipt.json > out 2> err < /dev/null &
	front=$!
	seen_or_over 400 'building ci-demo_two_demo_two.b' err
	kill -KILL "$(qemu_of)"
	ended $front
	same $code 3
	holds summary.json '.overall_success == false and ([.run_phase.failed_runs[].kind] | unique == ["infrastructure"])'
	same "$(status_of demo_two)" "$(printf 'FAILURE\nFAILURE')"
	holds receipt.json '(.models.failed_runs | length == 2) and (.perf_csv | endswith("/perf.csv"))'
	[ -s build_manifest.json ] || fail "no manifest"
	no_vm_left
}
