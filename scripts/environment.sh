#!/usr/bin/env bash
# Makes a virtual environment with kbert_tasks in it, or brings an existing one up to date. Called by the Makefile:
#
#   scripts/environment.sh FOLDER NEWEST "PYTHON..." PIP-OPTIONS...
#
# Takes the first of the named Pythons that runs, is 3.10 to 3.NEWEST and can make environments.
# Runs on bash 3.2 (macOS) and in Git's bash on Windows.
set -euo pipefail

folder=$1 newest=$2 candidates=$3
shift 3

environment_python() {
    local python
    for python in "$folder/bin/python" "$folder/Scripts/python.exe"; do
        if [ -x "$python" ]; then echo "$python"; fi
    done
}

usable() { # PYTHON MODULES: it runs, its version is in the range, and it has the modules
    "$1" -c "import $2, sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $newest))" >/dev/null 2>&1
}

python=$(environment_python)
if [ -z "$python" ] || ! "$python" -c "" >/dev/null 2>&1; then
    chosen=""
    for candidate in $candidates; do
        if usable "$candidate" "venv, ensurepip"; then
            chosen=$candidate
            break
        fi
    done
    if [ -z "$chosen" ]; then
        echo "$folder needs a Python 3.10 to 3.$newest that has the modules venv and ensurepip" \
            "(Debian and Ubuntu: apt install python3-venv); tried: $candidates." \
            "Name one: make PYTHON=/path/to/python3" >&2
        exit 2
    fi
    echo "making $folder with $("$chosen" --version) ($chosen); about 2.5 GB, a few minutes"
    "$chosen" -m venv --clear "$folder"
    python=$(environment_python)
elif ! usable "$python" sys; then
    echo "$folder has $("$python" --version), but 3.10 to 3.$newest is needed: delete $folder and try again" >&2
    exit 2
elif ! usable "$python" pip; then # an interrupted start, or made without pip
    "$python" -m ensurepip >/dev/null
fi

echo "installing into $folder: $*"
# --use-pep517: keras-bert comes as source, and without it an old pip builds that in a way of its own, with warnings.
"$python" -m pip install -qq --disable-pip-version-check --use-pep517 "$@"
