#!/usr/bin/env bash
# From nothing to three trained tasks, with the checkpoint and the samples that come with the package and without any option.
#
#   scripts/demo.sh [.venv/bin]     (make demo calls it; without an argument the commands on PATH are used)
#
# Nothing is downloaded. The trained tasks are kept in demo/runs.
set -euo pipefail
export PYTHONUTF8=1 # Chinese on every console
cd "$(dirname "$0")/.."
bin=${1:-}
if [ -n "$bin" ]; then
    PATH="$(cd "$bin" && pwd):$PATH"
fi
mkdir -p demo
cd demo

step() { printf '\n== %s\n' "$*"; }
train() {
    printf '$ kbert-train --task %s\n' "$1"
    kbert-train --task "$1"
}
predict() { # RUN, then one text an argument
    local run=$1
    shift
    printf "\$ printf '%%s\\\\n'%s | kbert-predict %s -\n" "$(printf ' "%s"' "$@")" "$run"
    printf '%s\n' "$@" | kbert-predict "$run" -
}

step "Text classification: is a review positive (好评) or negative (差评)?"
train classify
predict runs/classify \
    "房间很干净，老板也热情，下次还来住。" \
    "快递晚了一个星期，盒子还被压坏了，太差了。" \
    "味道真好，孩子吃得很开心。" \
    "客服态度恶劣，退款拖了半个月都不处理。"

step "Relation extraction: who wrote, directed, founded what; who was born, studied where"
train relation
predict runs/relation \
    "《远山的灯》的作者是林晓舟，他1982年出生于云溪县。" \
    "电影《夏夜》由周明执导，陈安安主演。"

step "Subject extraction: which company is the event about? (text, tab, type of the event)"
train subject
predict runs/subject \
    $'海岚电器宣布召回三万台电饭煲，原因是内胆涂层脱落。\t产品召回' \
    $'金泰证券的研报称，鸿图股份上半年净利润同比下降四成。\t业绩下滑'

cat <<END

== What next
The trained tasks are the folders demo/runs/*; report.html in each shows the scores, the curves and the worst mistakes. They need
neither the checkpoint nor a network.
${bin:+The commands are in $bin: source $bin/activate
}Your own data, a file with the columns text and label (CSV, TSV, JSONL, Excel, Parquet):
  kbert-train --task classify --train mine.csv --output runs/mine
tiny-zh, the checkpoint used here, is small. A released one gives better answers (about 400 MB; English texts need an English one):
  kbert-checkpoint get bert-base-chinese
  kbert-train --task classify --checkpoint bert-base-chinese --train mine.csv --output runs/mine
All checkpoints: kbert-checkpoint list      All options: kbert-train --task classify --help
END
