#!/usr/bin/env bash
# From raw text to a fine-tuned classifier: vocabulary, prepared text, pretraining, checks, fine-tuning.
#
#   docs/own_text.sh TEXT...                       (.txt, .jsonl, .csv, ...: docs/pretraining.md says how they are read)
#   STEPS=20000 LONG_STEPS=8000 CONFIG=mini docs/own_text.sh a.txt b.jsonl
#   TRAIN=train.csv TEST=test.csv docs/own_text.sh a.txt
#
# The same command goes on after a stop: of steps 1 to 3 what is done is not done again. For other text or other values take
# another folder: OUTPUT=runs/second docs/own_text.sh ...
set -euo pipefail
export PYTHONUTF8=1 # Chinese on every console

TEXTS=("$@")                              # raw text, without labels
OUTPUT=${OUTPUT:-runs/own_text}           # everything is made in here
SIZE=${SIZE:-8000}                        # tokens of the vocabulary, at most
CONFIG=${CONFIG:-tiny}                    # tiny, mini, small, medium, base, or a bert_config.json
STEPS=${STEPS:-7000}                      # of pretraining with texts of 32 tokens, 128 in a step: from these it learns fastest
LONG_STEPS=${LONG_STEPS:-3000}            # then with texts of LENGTH tokens, 32 in a step
LENGTH=${LENGTH:-128}                     # of the texts that the classifier is to read
SAVE_EVERY=${SAVE_EVERY:-1000}            # steps from one save to the next
RATE=${RATE:-5e-4}                        # of pretraining; the larger the model, the lower
TRAIN=${TRAIN:-}                          # labelled texts, columns text and label; none: the sample of the package
TEST=${TEST:-}                            # the same, for the scores at the end
EPOCHS=${EPOCHS:-10}                      # of fine-tuning
TUNE_RATE=${TUNE_RATE:-1e-3}              # of fine-tuning, at its highest; the larger the model, the lower
MASKED=${MASKED:-今天的天[MASK]很好。}    # to see what the checkpoint has learned

if [ ${#TEXTS[@]} -eq 0 ]; then
    echo "name files of raw text: docs/own_text.sh TEXT..." >&2
    exit 2
fi
if [ -n "$TEST" ] && [ -z "$TRAIN" ]; then
    echo "TRAIN is needed where TEST is given" >&2
    exit 2
fi
for file in "${TEXTS[@]}" ${TRAIN:+"$TRAIN"} ${TEST:+"$TEST"}; do # told now, and not after hours of pretraining
    if [ ! -f "$file" ]; then
        echo "$file is not there" >&2
        exit 2
    fi
done

step() { printf '\n== %s\n' "$*"; }
run() {
    printf '$ %s\n' "$*"
    "$@"
}

mkdir -p "$OUTPUT"
vocabulary=$OUTPUT/vocab.txt data=$OUTPUT/data checkpoint=$OUTPUT/checkpoint classifier=$OUTPUT/classifier

step "1. A vocabulary from the text"
[ -f "$vocabulary" ] || run kbert-pretrain vocab --text "${TEXTS[@]}" --size "$SIZE" --output "$vocabulary"

step "2. The text, tokenized once"
[ -d "$data" ] || run kbert-pretrain data --text "${TEXTS[@]}" --vocab "$vocabulary" --output "$data"

pretrain() { # the folder, and what is its own
    if [ ! -f "$1/pretraining.json" ] || [ -d "$1/progress" ]; then
        run kbert-pretrain train --data "$data" --save-every "$SAVE_EVERY" --learning-rate "$RATE" --output "$@"
    fi
}

step "3. Pretraining: masked words and next sentences, short texts first"
pretrain "$OUTPUT/short" --config "$CONFIG" --max-length 32 --batch-size 128 --steps "$STEPS"
pretrain "$checkpoint" --checkpoint "$OUTPUT/short" --max-length "$LENGTH" --batch-size 32 --steps "$LONG_STEPS"

step "4. The checkpoint, checked"
run kbert-checkpoint inspect "$checkpoint"

step "5. The words that it would put in place of [MASK]"
run python -c 'import sys, kbert_tasks as kb; print(kb.fill_mask(*sys.argv[1:]))' "$checkpoint" "$MASKED"

step "6. Fine-tuning on labelled texts"
run kbert-train --task classify --checkpoint "$checkpoint" ${TRAIN:+--train "$TRAIN"} ${TEST:+--test "$TEST"} \
    --max-length "$LENGTH" --epochs "$EPOCHS" --learning-rate "$TUNE_RATE" --schedule linear --output "$classifier"

printf '\nThe checkpoint is %s, the classifier %s.\n' "$checkpoint" "$classifier"
