#!/usr/bin/env bash
# Creates or updates a virtual environment with kbert_tasks. Called by the Makefile:
#
#   scripts/environment.sh FOLDER NEWEST "PYTHON..." PIP-OPTIONS...
#
# Uses the first of the given Pythons that runs, has a version from 3.10 to 3.NEWEST and can create environments.
# Works with bash 3.2 (macOS) and with Git Bash on Windows.
set -euo pipefail

folder=$1 newest=$2 candidates=$3
shift 3

environment_python() {
    local python
    for python in "$folder/bin/python" "$folder/Scripts/python.exe"; do
        if [ -x "$python" ]; then echo "$python"; fi
    done
}

usable() { # PYTHON MODULES: whether it runs, has a supported version and can import the modules
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
        echo "$folder needs Python 3.10 to 3.$newest with the modules venv and ensurepip" \
            "(Debian and Ubuntu: apt install python3-venv); tried: $candidates." \
            "To use another one: make PYTHON=/path/to/python3" >&2
        exit 2
    fi
    echo "creating $folder with $("$chosen" --version) ($chosen); this takes about 2.5 GB and a few minutes"
    "$chosen" -m venv --clear "$folder"
    python=$(environment_python)
elif ! usable "$python" sys; then
    echo "$folder has $("$python" --version), expected 3.10 to 3.$newest: delete $folder and try again" >&2
    exit 2
elif ! usable "$python" pip; then # the creation was interrupted, or the environment was created without pip
    "$python" -m ensurepip >/dev/null
fi

echo "installing into $folder: $*"
# --use-pep517: keras-bert is a source package, and an old pip builds it the deprecated way, with warnings, without this option.
"$python" -m pip install -qq --disable-pip-version-check --use-pep517 "$@"
