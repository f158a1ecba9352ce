#!/usr/bin/env bash
# Tests each extra of a wheel alone: commands that need it fail with a clear message without it and work with it.
# Needs a package registry. Works on Linux and macOS.
#
#   scripts/extras.sh dist/kbert_tasks-0.1.0-py3-none-any.whl [FOLDER [EXTRA...]]      (default: all extras)
#
# FOLDER/plain is an environment with the wheel and no extras (about 2.5 GB; it is kept if FOLDER is given). Each extra has its
# own environment, which imports the packages of plain through a .pth file. The files of the repository are not used.
set -euo pipefail
export PYTHONUTF8=1
if [ $# -eq 0 ]; then
    echo "a wheel is missing: scripts/extras.sh WHEEL [FOLDER [EXTRA...]]" >&2
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
shift # the remaining arguments are names of extras

packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
install() { # ENVIRONMENT PIP-ARGUMENTS...
    "$1/bin/python" -m pip install -q --disable-pip-version-check --use-pep517 "${@:2}"
}
wheel_alone() { install "$1" --no-deps --force-reinstall "$wheel"; } # this wheel, even if another build is installed
overlay() {                                                       # an environment on top of plain
    plain/bin/python -m venv --clear "$1"
    packages plain >"$(packages "$1")/plain.pth"
    wheel_alone "$1"
}
lacks() { # EXTRA COMMAND...: checks that it fails with exit status 2 and a message that names the extra, without a traceback
    local status=0
    "${@:2}" >output.txt 2>&1 || status=$?
    if [ "$status" -ne 2 ] || ! grep -qF "pip install 'kbert-tasks[$1]'" output.txt || grep -q Traceback output.txt; then
        echo "without $1, '${*:2}' should exit with status 2 and name the extra, but exited with status $status:" >&2
        cat output.txt >&2
        exit 1
    fi
    echo "  without: $(grep -F "kbert-tasks[$1]" output.txt)"
}
works() { # COMMAND...: checks that it succeeds
    if ! "$@" >output.txt 2>&1; then
        echo "'$*' failed:" >&2
        cat output.txt >&2
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
    "$extra/bin/python" -m pip check >output.txt || { cat output.txt >&2 && exit 1; }
    case $extra in
    tables)
        code='import sys, kbert_tasks as kb; t = kb.read(sys.argv[1])'
        code+='; t.to_excel("test.xlsx", index=False); t.to_parquet("test.parquet")'
        "$extra/bin/python" -c "$code" "$sample"
        for kind in xlsx parquet; do
            lacks tables plain/bin/kbert-evaluate run "test.$kind"
            works "$extra/bin/kbert-evaluate" run "test.$kind"
        done
        ;;
    int8)
        lacks int8 plain/bin/kbert-export run int8 --format openvino --int8
        works "$extra/bin/kbert-export" run int8 --format openvino --int8
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
    audit)
        lacks audit plain/bin/kbert-audit "$sample" --texts-only --output audited
        works "$extra/bin/kbert-audit" "$sample" --texts-only --output audited
        ;;
    *) echo "  can be installed without conflicts (pip check)" ;;
    esac
done
