#!/usr/bin/env bash
# Trains three tasks with the included checkpoint and sample data, without any options, and predicts with them.
#
#   scripts/demo.sh [.venv/bin]     (called by make demo; without an argument, the commands on PATH are used)
#
# Nothing is downloaded. The trained tasks are saved in demo/runs.
set -euo pipefail
export PYTHONUTF8=1 # so that every console can print Chinese
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
predict() { # RUN TEXT...
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

step "Relation extraction: who wrote, directed or founded something, where somebody was born or studied"
train relation
predict runs/relation \
    "《远山的灯》的作者是林晓舟，他1982年出生于云溪县。" \
    "电影《夏夜》由周明执导，陈安安主演。"

step "Subject extraction: which company is the event about? (text, tab, event type)"
train subject
predict runs/subject \
    $'海岚电器宣布召回三万台电饭煲，原因是内胆涂层脱落。\t产品召回' \
    $'金泰证券的研报称，鸿图股份上半年净利润同比下降四成。\t业绩下滑'

cat <<END

== Next steps
The trained tasks are the folders demo/runs/*. Each contains report.html with the scores, the curves and the worst mistakes.
They need neither the checkpoint nor a network.
${bin:+The commands are in $bin: source $bin/activate
}To train on your own data, use a file with the columns text and label (CSV, TSV, JSONL, Excel, Parquet):
  kbert-train --task classify --train mine.csv --output runs/mine
The checkpoint used here, tiny-zh, is small. A released one predicts better (about 400 MB; English texts need an English one):
  kbert-checkpoint get bert-base-chinese
  kbert-train --task classify --checkpoint bert-base-chinese --train mine.csv --output runs/mine
All checkpoints: kbert-checkpoint list      All options: kbert-train --task classify --help
END
