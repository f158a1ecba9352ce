#!/usr/bin/env bash
# From nothing to a trained classifier, with the checkpoint that comes with the package: tiny-zh, small and Chinese.
#
#   scripts/demo.sh [.venv/bin]     (make demo calls it; without an argument the commands on PATH are used)
#
# Nothing is downloaded. The trained classifier is kept in demo/run.
set -euo pipefail
export PYTHONUTF8=1 # Chinese on every console
cd "$(dirname "$0")/.."
bin=${1:-}
if [ -n "$bin" ]; then
    PATH="$(cd "$bin" && pwd):$PATH"
fi
# For a small checkpoint and 320 texts: the mean of all tokens, more passes and a higher rate than the defaults, which are
# for Google's checkpoints.
options="--pooling mean --epochs 10 --learning-rate 1e-3 --schedule linear"

step() { printf '\n== %s\n' "$*"; }
run() {
    printf '$ %s\n' "$*"
    "$@"
}

step "What tiny-zh is, and that it is whole"
run kbert-checkpoint inspect tiny-zh

step "The words that it would put in place of [MASK]"
run python -c 'import kbert_tasks as kb; print(kb.fill_mask("tiny-zh", "他笑[MASK]说道：“你来了。”", top=3))'

step "Train on the package's Chinese sample: is a review positive or negative?"
# All texts train: the best of ten epochs, by the 32 that would be held out, would be one of chance.
# shellcheck disable=SC2086  # options are several words
run kbert-train --task classify $options --dev-share 0 --output demo/run

step "Evaluate on its test file"
run kbert-evaluate demo/run kbert_tasks/samples/classify.zh.test.csv

step "Predict four new sentences"
sentences=(
    "房间很干净，老板也热情，下次还来住。"
    "快递晚了一个星期，盒子还被压坏了，太差了。"
    "味道真好，孩子吃得很开心。"
    "客服态度恶劣，退款拖了半个月都不处理。"
)
printf "\$ printf '%%s\\\\n'%s | kbert-predict demo/run -\n" "$(printf ' %s' "${sentences[@]}")"
printf '%s\n' "${sentences[@]}" | kbert-predict demo/run -

cat <<END

== What next
The trained classifier is the folder demo/run; it needs neither the checkpoint nor a network any more.
${bin:+The commands are in $bin: source $bin/activate
}Your own data, a file with the columns text and label (CSV, TSV, JSONL, Excel, Parquet):
  kbert-train --task classify --train mine.csv $options --output runs/mine
tiny-zh is small: some seven of ten such answers are right, as the test score tells. For better ones take a released
checkpoint, here Google's (about 400 MB), with the default options; English texts need an English one (bert-base-uncased):
  kbert-checkpoint get bert-base-chinese
  kbert-train --task classify --checkpoint bert-base-chinese --train mine.csv --output runs/mine
A checkpoint from your own raw text: docs/own_text.sh, docs/pretraining.md
All checkpoints: kbert-checkpoint list      All options: kbert-train --help
END
