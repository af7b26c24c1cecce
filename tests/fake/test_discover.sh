#!/bin/bash
# SPDX-License-Identifier: MIT
# bmvm discover: what is on stdout, on stderr, and the exit code; MODEL_DIR; without python3.
set -u
package=$BMVM_SOURCE/tests/data/mad
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
unset MODEL_DIR

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# discover CODE ARGUMENT...: runs it in the current folder; out and err are files in $work
discover() {
	local want=$1 code=0
	shift
	"$BMVM" discover "$@" > "$work/out" 2> "$work/err" || code=$?
	[ $code -eq "$want" ] || { fail "discover $*: exit code $code, not $want"; cat "$work/err"; }
}

# says FILE TEXT
says() {
	grep -qF -- "$2" "$work/$1" || { fail "no \"$2\" in $1:"; cat "$work/$1"; }
}

empty() {
	[ ! -s "$work/$1" ] || { fail "$1 is not empty:"; cat "$work/$1"; }
}

mkdir "$work/none"
cd "$package" || exit 1

# --- without python3: only its models are refused ---------------------------------------------------

PATH=$work/none "$BMVM" discover > "$work/out" 2> "$work/err" || fail "without python3: $?"
PATH=$work/none "$BMVM" discover --tags all > "$work/out2" 2> "$work/err2" && fail "all without python3 is fine"
PATH=$work/none "$BMVM" discover --tags group_1 --json > "$work/json" 2> /dev/null || fail "group_1 without python3"
diff - "$work/out" << 'END' || fail "the list without python3"
Available Models (4 total):
  plain
  Sleeper
  two/model1
  two/model2
END
says err "scripts/three/get_models_json.py: its models are left out, as there is no python3"
empty out2
says err2 'Model discovery failed: --tags: "all" needs scripts/three/get_models_json.py, which needs python3'
grep -q '"two/model1"' "$work/json" || fail "group_1 without python3 misses two/model1"

# --- lists ------------------------------------------------------------------------------------------

discover 1 --tags nothing
empty out
says err 'Model discovery failed: --tags: "nothing" selects no model'
discover 0 --help
says out "Usage: bmvm discover"
(cd "$work/none" && "$BMVM" discover) > "$work/out" 2> "$work/err" && fail "a folder that is no package is fine"
empty out
says err "this folder is no MAD package"
says err "MODEL_DIR"

discover 0 -t two/model1:x=3:y
diff - "$work/out" << 'END' || fail "a selected model"
Selected Models (1 models):
[
    {
        "name": "two/model1",
        "dockerfile": "docker/plain",
        "scripts": "scripts/two/run.sh",
        "tags": [
            "group_1"
        ],
        "args": "OLD --x 3 --y"
    }
]
END
says err "Model discovery completed successfully"

# --- MODEL_DIR --------------------------------------------------------------------------------------

mkdir "$work/here" && cd "$work/here" || exit 1
MODEL_DIR=$package discover 0 --tags Sleeper --json
cmp "$package/scripts/two/models.json" scripts/two/models.json || fail "MODEL_DIR was not copied"
copy=scripts/three/docker/plain.ubuntu.amd.Dockerfile
[[ -f $copy && ! -L $copy ]] || fail "a link of MODEL_DIR was not followed"
rm models.json && ln -s ../precious models.json && echo kept > ../precious
MODEL_DIR=$package discover 1
says err "models.json is not copied: here it is a symbolic link"
[ "$(cat ../precious)" = kept ] || fail "written through a link"
cd "$package" || exit 1
MODEL_DIR=/nonexistent discover 0 --tags Sleeper --json
says err "MODEL_DIR: /nonexistent: No such file or directory; what is in the current folder is taken as it is"

# --- with python3 -----------------------------------------------------------------------------------

command -v python3 > /dev/null || { [ $failures -eq 0 ] && echo "SKIP: no python3" && exit 77; exit 1; }
cd "$package" || exit 1
discover 0 --json
empty err
python3 - "$work/out" << 'END' || fail "the JSON of all models"
import json, sys
models = json.load(open(sys.argv[1]))
assert [m["name"] for m in models] == ["plain", "Sleeper", "two/model1", "two/model2", "three/model3", "three/model4"]
assert models[4]["scripts"] == "scripts/three/run.sh"
assert models[1]["x_unknown"] == {"kept": [1, 2.5, None]}
END
discover 0 --tags group_1,Sleeper --tags three/all --json
empty err
python3 - "$work/out" << 'END' || fail "the JSON of selected models"
import json, sys
models = json.load(open(sys.argv[1]))
assert [m["name"] for m in models] == ["plain", "two/model1", "three/model4", "Sleeper", "three/model3", "three/model4"]
assert models[2]["args"] == "--late three/model4" and models[2]["scripts"] == "scripts/three/run.sh"
END
[ ! -e scripts/three/__pycache__ ] || fail "python3 left its cache behind"

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
