#!/usr/bin/env bash
# Puts each bug of this folder into the client, one at a time, and has the simulator look for it:
#
#   conformance/mutations/run.sh [--scenario NAME] [--seeds A..B] [PATCH...]
#
# Says at which seed each was found, and what was reported there; exit code 1 if one was not found, or if the seed fails
# without the bug as well. A patch may name the scenario that it is looked for in, in a line `scenario: NAME` on top.
#
# All of it happens in a copy of the tracked files, in target/mutations, so that nothing here is ever changed.
set -euo pipefail

root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
scenario= seeds=0..1000 patches=()
while (($#)); do
    case $1 in
    --scenario) scenario=$2 && shift 2 ;;
    --seeds) seeds=$2 && shift 2 ;;
    *) patches+=("$(realpath "$1")") && shift ;;
    esac
done
((${#patches[@]})) || patches=("$root"/conformance/mutations/*.patch)

cd "$root"
export CARGO_TARGET_DIR=$root/target/mutations/build
# A bug may leave things unused.
export RUSTFLAGS=-Awarnings
tree=$root/target/mutations/tree simulate=$CARGO_TARGET_DIR/debug/milena-conformance clean=$root/target/mutations/clean
rm -rf "$tree" && mkdir -p "$tree"
# With their times, lest cargo builds all of it anew; but the core, which the last run may have left with a bug in it.
git ls-files -z | xargs -0 cp --parents --preserve=timestamps --target-directory="$tree"
cd "$tree"
touch core/src/lib.rs
build() { cargo build --quiet --locked --package milena-conformance; }
build && cp --remove-destination "$simulate" "$clean"

failed=0
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    in=${scenario:-$(sed -n 's/^scenario: //p' "$patch")}
    in=${in:-mixed}
    # Not git: the copy is no repository of its own.
    patch --quiet --strip=1 --input="$patch"
    build
    story=$("$simulate" simulate --seeds "$seeds" --scenario "$in" --first --shrink 0 2>&1) && code=0 || code=$?
    patch --quiet --strip=1 --reverse --input="$patch"
    # Of two that failed at the same time the smaller seed was first.
    found=$(grep --extended-regexp '^seed [0-9]+ of ' <<<"$story" | sort --numeric-sort --key=2 | head -n 1 || true)
    if [[ $found =~ ^seed\ ([0-9]+)\ of\ [a-z]+:\ (.*) ]]; then
        echo "$name: found at seed ${BASH_REMATCH[1]} of $in: ${BASH_REMATCH[2]}"
        ((code == 1)) || { echo "$name: but the exit code is $code" && failed=1; }
        if ! "$clean" simulate --seed "${BASH_REMATCH[1]}" --scenario "$in" --shrink 0 >/dev/null 2>&1; then
            echo "$name: but that seed fails without it, too" && failed=1
        fi
    else
        echo "$name: NOT FOUND in seeds $seeds of $in" && failed=1
    fi
done
exit $failed
