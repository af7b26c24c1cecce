#!/bin/bash
# Wants --batch-size, from the tag: demo_args:batch-size=32
batch=
while [ $# -gt 0 ]; do
	case $1 in
	--batch-size) batch=$2 && shift ;;
	--precision) precision=$2 && shift ;;
	esac
	shift
done
if [ -z "$batch" ]; then
	echo "run.sh: --batch-size is missing; select me as demo_args:batch-size=32" >&2
	exit 2
fi
echo "performance: $((batch * 100)) ${precision}_tokens_per_second"
