#!/usr/bin/env bash
# Each extra of a wheel alone: without it what needs it says so, with it that works. Needs a package registry; Linux, macOS.
#
#   scripts/extras.sh dist/kbert_tasks-0.1.0-py3-none-any.whl [FOLDER [EXTRA...]]      (default: all extras)
#
# FOLDER/plain gets the wheel without extras (about 2.5 GB; kept, where FOLDER is given). On top of it each extra has an
# environment of its own, which sees plain's packages through a .pth file. Nothing of the repository is used.
set -euo pipefail
export PYTHONUTF8=1
if [ $# -eq 0 ]; then
    echo "name a wheel: scripts/extras.sh WHEEL [FOLDER [EXTRA...]]" >&2
    exit 2
fi
wheel=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
if [ $# -gt 1 ]; then
    mkdir -p "$2"
    cd "$2"
    shift
else
    temporary=$(mktemp -d)
    trap 'rm -rf "$temporary"' EXIT
    cd "$temporary"
fi
shift # what is left are names of extras

packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
install() { # ENVIRONMENT WHAT...
    "$1/bin/python" -m pip install -q --disable-pip-version-check --use-pep517 "${@:2}"
}
wheel_alone() { install "$1" --no-deps --force-reinstall "$wheel"; } # this wheel, whatever was there
overlay() {                                                       # an environment on top of plain
    plain/bin/python -m venv --clear "$1"
    packages plain >"$(packages "$1")/plain.pth"
    wheel_alone "$1"
}
lacks() { # EXTRA COMMAND...: it fails with exit status 2, no traceback, and the name of the extra
    local status=0
    "${@:2}" >said.txt 2>&1 || status=$?
    if [ "$status" -ne 2 ] || ! grep -qF "pip install 'kbert-tasks[$1]'" said.txt || grep -q Traceback said.txt; then
        echo "without $1, '${*:2}' should end with status 2 and name the extra; status $status:" >&2
        cat said.txt >&2
        exit 1
    fi
    echo "  without: $(grep -F "kbert-tasks[$1]" said.txt)"
}
works() { # COMMAND...
    if ! "$@" >said.txt 2>&1; then
        echo "'$*' failed:" >&2
        cat said.txt >&2
        exit 1
    fi
    echo "  with: $*"
}

echo "plain: $(basename "$wheel")"
[ -x plain/bin/python ] || python3 -m venv plain
install plain "$wheel"
wheel_alone plain
rm -rf run ./*.xlsx ./*.parquet prepared
works plain/bin/kbert-train --task classify --epochs 1 --output run
sample=$(packages plain)/kbert_tasks/samples/classify.zh.test.csv
vocabulary=$(packages plain)/kbert_tasks/checkpoints/tiny-zh/vocab.txt
cut -d, -f1 "$sample" | tail -n +2 >text.txt

names='from importlib.metadata import metadata; print(*metadata("kbert-tasks").get_all("Provides-Extra"))'
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046  # names without spaces
    set -- $(plain/bin/python -c "$names")
fi
for extra in "$@"; do
    echo "$extra"
    overlay "$extra"
    install "$extra" "$wheel[$extra]"
    "$extra/bin/python" -m pip check >said.txt || { cat said.txt >&2 && exit 1; }
    case $extra in
    tables)
        made='import sys, kbert_tasks as kb; t = kb.read(sys.argv[1])'
        made+='; t.to_excel("test.xlsx", index=False); t.to_parquet("test.parquet")'
        "$extra/bin/python" -c "$made" "$sample"
        for kind in xlsx parquet; do
            lacks tables plain/bin/kbert-evaluate run "test.$kind"
            works "$extra/bin/kbert-evaluate" run "test.$kind"
        done
        ;;
    openvino)
        lacks openvino plain/bin/kbert-predict run "$sample" --engine openvino
        works "$extra/bin/kbert-predict" run "$sample" --engine openvino
        ;;
    jieba)
        options=(data --text text.txt --vocab "$vocabulary" --whole-word-mask --output prepared)
        lacks jieba plain/bin/kbert-pretrain "${options[@]}"
        works "$extra/bin/kbert-pretrain" "${options[@]}"
        ;;
    *) echo "  installs, and nothing conflicts (pip check)" ;;
    esac
done
