#!/usr/bin/env bash
# Makes a virtual environment for each peer of benchmarks/speed.py, or brings existing ones up to date.
#
#   bash benchmarks/peers.sh [FOLDER]        FOLDER is benchmarks/.peers if not told; PYTHON=python3.12 chooses a Python
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/.peers}
mkdir -p "$folder"
for requirements in "$here"/peers/*.txt; do
    bash "$here/../scripts/environment.sh" "$folder/$(basename "$requirements" .txt)" 13 \
        "${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}" -r "$requirements"
done
