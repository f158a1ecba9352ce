#!/usr/bin/env bash
# Makes a virtual environment for each library that benchmarks/speed.py compares, or updates existing ones.
#
#   bash benchmarks/peers.sh [FOLDER]        FOLDER defaults to benchmarks/.peers; PYTHON=python3.12 chooses a Python
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/.peers}
mkdir -p "$folder"
for requirements in "$here"/peers/*.txt; do
    bash "$here/../scripts/environment.sh" "$folder/$(basename "$requirements" .txt)" 13 \
        "${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}" -r "$requirements"
done
