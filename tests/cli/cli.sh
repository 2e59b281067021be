#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command line: cli.sh WEFT. Exit codes, messages, JSON, and that a run interrupted or
# killed at any moment and resumed ends with the same bytes.
set -u
weft=$(realpath "$1")
tests=$(dirname "$(realpath "$0")")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir/cache LC_ALL=C TERM=dumb COLUMNS=80
unset WEFT_DEVICE NO_COLOR
# One driver, so that a sanitizer does not report leaks of others.
export OCL_ICD_VENDORS=/etc/OpenCL/vendors/pocl.icd
cd "$dir" || exit 1
python3 "$tests/cli_data.py" . || exit 1
passed=0 failed=0 skipped=0
# A build with sanitizers leaves out what runs no other C code.
scope=${TESTS_SCOPE:-usual} epochs=60
[ "$scope" != sanitized ] || epochs=12

wrong() {
    failed=$((failed + 1))
    echo "FAILED: $1"
    [ $# -lt 2 ] || sed 's/^/    | /' "$2" | head -20
}

right() {
    passed=$((passed + 1))
}

# too_wide COMMAND...: prints human-readable lines in `out` that are wider than COLUMNS.
# Not checked: other formats, texts of networks, images, commands to be copied.
too_wide() {
    case " $* " in
    *" -f "* | *" --text "* | *" --export "*) ;;
    " train "* | *" $weft "*) awk '!/\033/ && !/^Repeat: / && length > 80' out ;;
    esac
}

# expect CODE REGEX COMMAND...: checks the exit code, one line of stdout or stderr, and
# the width
expect() {
    local code=$1 regex=$2 got
    shift 2
    "$@" >out 2>err </dev/null
    got=$?
    cat out err >both
    if [ $got -ne "$code" ]; then
        wrong "$* : exit code $got, should be $code" both
    elif ! grep -qE -- "$regex" both; then
        wrong "$* : lacks '$regex'" both
    elif [ "$code" -ne 0 ] && [ ! -s err ]; then
        wrong "$* : fails without a message on stderr" both
    elif [ -n "$(too_wide "$@")" ]; then
        too_wide "$@" >both
        wrong "$* : wider than 80 columns" both
    else
        right
    fi
}

# says REGEX: checks another line of the previous command
says() {
    if grep -qE -- "$1" both; then right; else wrong "lacks '$1'" both; fi
}

# json SCHEMA PYTHON COMMAND...: stdout is one JSON document j for which PYTHON is true
json() {
    local schema=$1 test=$2
    shift 2
    "$@" >out 2>err </dev/null
    if python3 -c '
import json, sys
j = json.load(open("out"), parse_constant=lambda name: sys.exit(name + " is no JSON"))
assert j["schema"] == sys.argv[1], j["schema"]
assert eval("(" + sys.argv[2] + ")"), sys.argv[2]' "$schema" "$test" 2>why; then
        right
    else
        cat why err >both
        wrong "$* : JSON" both
    fi
}

same() {
    if cmp -s "$1" "$2"; then right; else wrong "$1 and $2 differ ($3)"; fi
}

nothing_left() {
    local left
    left=$(find "$1" -mindepth 1 ! -name '*t.safetensors' ! -name log.jsonl \
        ! -name report.html)
    if [ -z "$left" ]; then right; else wrong "left behind in $1: $left"; fi
}

train() {
    "$weft" train -d cpu --data data --net tiny.net "$@"
}

# --- usage
expect 2 'weft train' "$weft"
expect 0 'weft train' "$weft" help
expect 0 'resume' "$weft" help train
expect 0 'resume' "$weft" train --help
expect 0 'NPY   .*integers' "$weft" help data
expect 0 'dense UNITS' "$weft" help net
expect 0 ' \\$' "$weft" help training
expect 0 '^weft [0-9]+\.[0-9]+' "$weft" --version
expect 2 'did you mean train' "$weft" trian
expect 2 'did you mean --epochs' "$weft" train --epocs 3
expect 2 'did you mean --time-limit' "$weft" train --time 5s
expect 2 'there is no option -z' "$weft" train -z
expect 2 'needs a value' "$weft" train --epochs
expect 2 'an integer' "$weft" train --epochs many
expect 2 'an integer from 1' "$weft" train --epochs 0
expect 2 'number' "$weft" train --lr nan
expect 2 'one of human' "$weft" eval m --format yaml
expect 2 'missing operand: MODEL' "$weft" eval
expect 2 "unexpected operand 'b'" "$weft" eval a b
expect 2 "operand 1 is '', but must be a non-empty text: MODEL" "$weft" eval ""
expect 2 "operand 2 is '', but must be" "$weft" predict a ""
expect 2 'did you mean train' "$weft" bench tain
expect 2 'like float32,float16' \
    "$weft" bench inference -d cpu --data data --precision half
expect 2 'one of float32' "$weft" eval m --precision half
expect 2 '128 or 1,32' "$weft" bench train -d cpu --data data --batch 1,x
expect 2 'there is no op' "$weft" verify -d cpu --op cnov
expect 2 'resume needs --out' "$weft" train --resume
expect 2 'command before it' "$weft" --epochs 3

# --- devices, and none
json weft.devices/2 'j["devices"][j["default"]]["kind"] == "host" and j["diagnostics"]' \
    env OCL_ICD_VENDORS=/nonexistent/ "$weft" devices -f json
expect 0 'No usable OpenCL device' env OCL_ICD_VENDORS=/nonexistent/ "$weft" devices
says 'OCL_ICD_VENDORS points to'
says '/nonexistent/, which does not exist'
if grep -qE 'apt install|install [a-z-]+-icd' both; then
    wrong "suggests a driver's package, but only a variable is wrong" both
else
    right
fi
expect 3 'gpu' env OCL_ICD_VENDORS=/nonexistent/ "$weft" devices -d gpu
expect 3 'nosuchthing' env OCL_ICD_VENDORS=/nonexistent/ WEFT_DEVICE=nosuchthing \
    "$weft" eval nothing
expect 0 'index,default,name' "$weft" devices -f csv
says ',cpu,.*,C$'
expect 0 '\|' "$weft" devices -f md

# --- bad input
expect 4 'nosuch' train --data nosuch --out r/0
expect 4 'did you mean fashion-mnist' "$weft" train -d cpu --data fashon-mnist --out r/0
printf 'input 8 8 1\nconvv 3 3x3\n' >misspelt.net
expect 4 'did you mean conv' "$weft" show misspelt.net
printf 'input 8 8 1\nmaxpool 2x2\n' >misspelt.net
expect 4 'did you mean max-pool' "$weft" show misspelt.net
expect 4 'did you mean small' "$weft" train -d cpu --data data --net smal --out r/0
expect 4 'line 3' "$weft" train -d cpu --data data --net wrong.net --out r/0
expect 4 'truncated' "$weft" show cut.idx
printf 'input 8 8 1\nconv 4 3x3 rleu\n' >spelling.net
expect 4 'line 2: "rleu" is no activation' "$weft" show spelling.net
expect 4 'huge.idx' "$weft" show huge.idx
mkdir empty hollow
: >hollow/t10k-images-idx3-ubyte
expect 4 'empty' train --data empty --out r/0
expect 4 'hollow' "$weft" show hollow --split test
expect 4 'nosuch.safetensors' "$weft" eval -d cpu nosuch.safetensors
head -c 100 /dev/urandom >noise.safetensors
expect 4 'noise.safetensors' "$weft" eval -d cpu noise.safetensors
expect 4 'noise.safetensors' "$weft" show noise.safetensors
expect 2 'only 640' train --val-split 700 --out r/0
expect 1 'tiny.net: Not a directory' train --out tiny.net/r
if grep -q Device both; then wrong "--out is checked too late" both; else right; fi
expect 1 'step ([0-9]+) \(epoch \1\).*smaller --lr' train --net explodes.net \
    --batch 640 --val-split 0 --out r/explodes
expect 1 'smaller --lr .*--precision float32: .*65,504' train --net explodes.net \
    --batch 640 --val-split 0 --precision float16 --out r/explodes-half
if [ -e r/0 ]; then wrong "a rejected run left r/0"; else right; fi

# --- a whole run
expect 0 'Saved' train --epochs 3 --seed 5 --out r/a
nothing_left r/a
expect 2 'already holds a run' train --epochs 3 --out r/a
expect 0 'Accuracy' "$weft" eval -d cpu r/a/best.safetensors
says 'upper +[0-9]'
expect 4 'must be constant, step, linear' train --schedule triangle --out r/sched
expect 0 'learning rate 0.01 cosine warmup=0.25,' train --epochs 4 --seed 5 \
    --schedule "cosine warmup=0.25" --out r/sched
expect 0 'Saved' train --epochs 4 --seed 5 --schedule "cosine warmup=0.25" --out r/part \
    --time-limit 0.001s
expect 0 'Saved' "$weft" train -d cpu --resume --out r/part
same r/sched/last.safetensors r/part/last.safetensors "a schedule, resumed"
printf '# own\nepoch, rate\n0,0.01\n1.5,0.05\n1.5,0.005\n4,0\n' >rates.csv
expect 0 'learning rate from a table,' train --epochs 4 --rates rates.csv --out r/rates
expect 0 'Saved' train --epochs 4 --rates rates.csv --out r/rates2 --time-limit 0.001s
expect 0 'Saved' "$weft" train -d cpu --resume --out r/rates2
same r/rates/last.safetensors r/rates2/last.safetensors "a table of rates, resumed"
printf 'step,rate\n0,0.01\n9\n' >rates.csv
expect 4 'rates.csv, line 3: must be two numbers' train --rates rates.csv --out r/never
printf '0,0.01\n' >rates.csv
expect 4 'line 1: the names of the columns' train --rates rates.csv --out r/never
expect 2 'remove --schedule and --lr' train --rates rates.csv --lr 1 --out r/never
expect 2 'needs validation images' train --patience 2 --val-split 0 --out r/never
json weft.train/2 'j["stopped"] == "patience" and j["best_epoch"] == 1 and
    [e["epoch"] for e in j["epochs"]] == [1, 2, 3]' \
    train --epochs 9 --lr 1e-9 --patience 2 --out r/patient -f json
expect 0 'Saved' train --epochs 9 --lr 1e-9 --patience 2 --out r/patient2 \
    --time-limit 0.001s
expect 0 'no epoch after epoch 1 ' "$weft" train -d cpu --resume --out r/patient2
same r/patient/last.safetensors r/patient2/last.safetensors "patience, resumed"
expect 0 'no epoch after epoch 1 ' "$weft" train -d cpu --resume --out r/patient2
expect 0 '"step": 144, "learning_rate": 2.115[0-9]*e-06' cat r/sched/log.jsonl
expect 4 'has no "rotate"' train --augment rotate --out r/aug
expect 0 'Augment flip shift=1' train --epochs 4 --seed 5 --augment "flip shift=1" \
    --out r/aug
expect 0 'Saved' train --epochs 4 --seed 5 --augment "flip shift=1" --out r/aug2 \
    --time-limit 0.001s
expect 0 'Saved' "$weft" train -d cpu --resume --out r/aug2
same r/aug/last.safetensors r/aug2/last.safetensors "an augmented run, resumed"
expect 0 'class,precision' "$weft" eval -d cpu r/a/best.safetensors -f csv
json weft.eval/2 '0.6 < j["accuracy"] < 1 and len(j["confusion"]) == 3 and
    sum(map(sum, j["confusion"])) == j["count"] == 100 and
    j["images_per_second"] > 0 and
    j["classes"][1] == "middle, \"so\"" and 0 < j["standard_error"] < 0.05 and
    j["loss"] > 0' \
    "$weft" eval -d cpu r/a/best.safetensors -f json
expect 0 'float16 (was [0-9.]+ times as fast|changed predicted)|inaccurate|far slower' \
    "$weft" eval -d cpu r/a/best.safetensors --precision auto
json weft.eval/2 'j["precision"] == "float16" and 0.6 < j["accuracy"] < 1' \
    "$weft" eval -d cpu r/a/best.safetensors --precision float16 -f json
expect 0 'epochs, float16' train --epochs 1 --seed 5 --precision float16 --out r/half
expect 2 'continues with --precision float16, which cannot change' \
    "$weft" train -d cpu --resume --out r/half --epochs 2 --precision float32
expect 0 'Saved' "$weft" train -d cpu --resume --out r/half --epochs 2
says 'epochs, float16'
expect 0 'was [0-9.]+ times as fast as float32|far slower' \
    train --epochs 1 --precision auto --out r/auto
expect 5 'less than' "$weft" eval -d cpu r/a/best.safetensors --min-accuracy 99.9%
expect 4 'noise' "$weft" eval -d cpu r/a/best.safetensors --data noise.safetensors
if grep -q 'class names differ' both; then wrong "its own classes" both; else right; fi
mkdir renamed && cp data/t10k-* renamed && printf 'up\nmid\nlow\n' >renamed/classes.txt
expect 0 'class 0 is "upper" in the model, "up" in' \
    "$weft" eval -d cpu r/a/best.safetensors --data renamed
sed 's/"run\.data"/"ran.data"/' r/a/best.safetensors >mute.safetensors
"$weft" eval -d cpu mute.safetensors --force >out 2>both
says 'does not name its training dataset .*fashion-mnist is used'
head -c 3000 r/a/last.safetensors >cut.safetensors
expect 4 'cut.safetensors' "$weft" eval -d cpu cut.safetensors
expect 4 'cut.safetensors' "$weft" predict -d cpu cut.safetensors images
python3 - <<'PYTHON'
import json
lines = [json.loads(line) for line in open("r/a/log.jsonl")]
assert lines[0]["schema"] == "weft.log/2"
assert [e["epoch"] for e in lines[1:4]] == [1, 2, 3]
words = "weft train -d cpu --data data --net tiny.net --epochs 3 --seed 5 --out r/a"
assert lines[0]["command"] == words
assert len(lines) == 5 and lines[4]["results"]["test"]["count"] == 100
PYTHON
if [ $? -eq 0 ]; then right; else wrong "r/a/log.jsonl" r/a/log.jsonl; fi
json weft.train/2 '[e["epoch"] for e in j["epochs"]] == [1, 2, 3] and
    j["test"]["count"] == 100' \
    train --epochs 3 --seed 5 --out r/b -f json
same r/a/last.safetensors r/b/last.safetensors "two equal runs"
same r/a/best.safetensors r/b/best.safetensors "two equal runs"
expect 0 'Saved' train --epochs 3 --seed 6 --out r/other
if cmp -s r/a/last.safetensors r/other/last.safetensors; then
    wrong "another seed gives the same model: the comparisons above are worth nothing"
else
    right
fi
expect 5 'was not reached' train --epochs 1 --target-accuracy 99.99% --val-split 0 \
    --out r/target
expect 0 'conv1' "$weft" show r/a/best.safetensors
json weft.show/2 'j["net"]["weights"] > 0 and len(j["net"]["layers"]) == 6' \
    "$weft" show r/a/best.safetensors -f json
json weft.show/2 'j["count"] == 640 and sum(c["images"] for c in j["classes"]) == 640' \
    "$weft" show data -f json
expect 0 'upper' "$weft" show data --samples 3
expect 0 'upper' "$weft" show data --augment 'flip rotate=10' --samples 9 --out seen.png
expect 0 '[0-9]x[0-9]+x1' "$weft" show seen.png
expect 0 'upper' "$weft" show data --grid 3x4 --random --seed 9 --out grid.png
expect 0 '196x260x1' "$weft" show grid.png
expect 0 'upper' "$weft" show data --grid 3x4 --random --seed 9 --out again.png
same grid.png again.png 'the same seed'
expect 0 'The same images again: --seed [0-9]' "$weft" show data --random
expect 2 'must be ROWSxCOLUMNS' "$weft" show data --grid 3x
expect 2 'of at most 1000 images' "$weft" show data --grid 40x40
expect 2 'is no data' "$weft" show small --augment flip
expect 4 'has no "flop"' "$weft" show data --augment flop
expect 0 'dense2' "$weft" show small
expect 0 '^dense classes$' "$weft" show small --text
expect 0 ' 1,083,626 weights' "$weft" show resnet20-x2
expect 0 '^width-multiplier 0.5$' "$weft" show mobile-x0.5 --text
expect 4 'the factor is 99, must be 0.01 to 64' "$weft" show resnet20-x99
expect 4 'has this name; did you mean resnet20' "$weft" show resnet20-x
expect 0 '^dense 3$' "$weft" show r/a/best.safetensors --text
expect 2 'not for data' "$weft" show data --text
if [ "$scope" != sanitized ]; then
    "$weft" show medium --text >own.net
    expect 0 'Saved' "$weft" train -d cpu --data data --net own.net --epochs 1 --out r/own
    expect 0 'dense 3 bias=no' "$weft" show r/own/best.safetensors
fi

# --- train-test overlap is reported, and only where there is one
expect 0 'LEAK: 50 ' train --test leak.csv --epochs 1 --out r/leak
expect 0 'LEAK: 50 ' "$weft" eval -d cpu r/a/best.safetensors --data leak.csv
"$weft" eval -d cpu r/a/best.safetensors >out 2>&1
if grep -q LEAK out; then wrong "a leak where there is none" out; else right; fi

# --- predict
expect 0 '0.png' "$weft" predict -d cpu r/a/best.safetensors images/0.png
expect 0 '^file,rank,class_id,class,probability' \
    "$weft" predict -d cpu r/a/best.safetensors images -f csv
if [ "$(cut -d, -f1 out | tail -n +2 | uniq | tr '\n' ' ')" = \
    "images/0.png images/1.png images/2.png images/below/a.pgm " ]; then
    right
else
    wrong "the folder's images, in order" out
fi
# Images are made as the training set was; doubled pixels averaged back are the same.
expect 0 'Images +fit pad, trim no, invert no' "$weft" show r/a/best.safetensors
for f in frames doubled; do
    "$weft" predict -d cpu r/a/best.safetensors $f -f csv 2>err |
        sed -e 's,^[a-z]*/,,' -e 's/resized; //' -e 's/resized//' >$f.csv
done
same frames.csv doubled.csv 'doubled pixels'
expect 0 'resized; cropped; inverted' "$weft" predict -d cpu r/a/best.safetensors \
    doubled --trim yes --invert auto -f csv
json weft.predict/2 'j["preprocess"] == {"fit": "crop", "trim": True, "invert": "yes",
                           "filter": "area", "crop_fraction": 1} and
    j["images"][0]["cropped"] and j["images"][0]["inverted"]' \
    "$weft" predict -d cpu r/a/best.safetensors doubled/000.pgm --fit crop --trim yes \
    --invert yes -f json
expect 4 'doubled/000.pgm: image of 24x24 pixels instead of 12x12.*skipped' \
    "$weft" predict -d cpu r/a/best.safetensors doubled/000.pgm --fit none
expect 0 'Saved' train --epochs 1 --out r/crop --fit crop --invert yes
expect 0 'Images +fit crop, trim no, invert yes' "$weft" show r/crop/best.safetensors
expect 0 'Saved' "$weft" train -d cpu --resume --out r/crop --epochs 2 --trim yes
json weft.show/2 'j["preprocess"] == {"fit": "crop", "trim": True, "invert": "yes",
                           "filter": "area", "crop_fraction": 1}' \
    "$weft" show r/crop/last.safetensors -f json
expect 0 'resized; cropped; inverted' \
    "$weft" predict -d cpu r/crop/best.safetensors doubled -f csv
json weft.predict/2 'len(j["images"]) == 100 and
    len(j["images"][0]["predictions"]) == 2 and
    sum(p["probability"] for p in j["images"][0]["predictions"]) <= 1.0001' \
    "$weft" predict -d cpu r/a/best.safetensors whole.idx.gz --top 2 -f json
"$weft" predict -d cpu r/a/best.safetensors - <images/1.png >out 2>/dev/null
if grep -q '%' out; then right; else wrong "an image on stdin" out; fi
"$weft" predict -d cpu r/a/best.safetensors - -f csv <data/t10k-images-idx3-ubyte \
    >out 2>/dev/null
if [ "$(wc -l <out)" -eq 301 ]; then right; else wrong "an IDX on stdin" out; fi
expect 4 'cut.png.*skipped' \
    "$weft" predict -d cpu r/a/best.safetensors cut.png images/0.png
says 'images/0.png'
for bad in cut.idx huge.idx cut.idx.gz noise.safetensors nosuch.png tiny.net; do
    expect 4 "$bad.*skipped" "$weft" predict -d cpu r/a/best.safetensors $bad
done
expect 0 'Saved' "$weft" train -d cpu --data two.npy --net tiny.net --epochs 1 --out r/two
expect 4 'the model expects 2 channels' \
    "$weft" predict -d cpu r/two/best.safetensors images/0.png
expect 4 'no images' "$weft" predict -d cpu r/a/best.safetensors empty

# --- verify and bench
expect 0 'passed' "$weft" verify -d cpu --tiny --cases 2 --op pool
expect 0 'cases passed, 0 failed' "$weft" verify -d cpu --tiny --mixed 20 \
    --json report.json
json weft.verify/2 'j["result"] == "passed" and j["mixed"] == 20 and
    j["device"]["name"] == "cpu" and len({r["op"] for r in j["rows"]}) > 5' \
    cat report.json
expect 1 'nowhere/c.json cannot be written' "$weft" verify -d cpu --tiny --cases 1 \
    --op act --json nowhere/c.json
json weft.verify/2 'j["failed"] == 0 and j["rows"]' \
    "$weft" verify -d cpu --tiny --cases 2 --op softmax -f json
if command -v cc >/dev/null && ! ldd "$weft" | grep -q 'lib[at]san'; then
    # A machine whose exp is wrong at times, so that device and reference differ.
    echo 'double exp2(double); double exp(double x) { static int calls;
        return exp2(x * 1.4426950408889634) * (++calls % 7 ? 1 : 3); }' >wrong.c
    cc -w -O1 -fno-builtin -shared -fPIC -o wrong.so wrong.c -lm
    expect 5 'MISMATCH' env LD_PRELOAD="$dir/wrong.so" \
        "$weft" verify -d cpu --tiny --cases 2 --op softmax
    says 'softmax .*seed 1, case [01]'
    expect 5 '1 of 1 results failed' env LD_PRELOAD="$dir/wrong.so" \
        "$weft" bench memory -d cpu --shape 'softmax 64x10'
    says 'y\[[0-9]+\] is'
else
    skipped=$((skipped + 1))
    echo "skipped: a mismatch: there is no cc, or a sanitizer forbids LD_PRELOAD"
fi
json weft.bench/2 'all(0 < r["min"] <= r["median"] <= r["max"] and r["samples"] >= 3 and
    r["first_step_s"] > 0 and r["unit"] == "images/s" for r in j["rows"]) and
    [r["batch"] for r in j["rows"]] == [8, 16]' \
    "$weft" bench train -d cpu --data data --net tiny.net -b 8,16 --time 0.1s -f json
json weft.bench/2 '[r["workload"] for r in j["rows"]] == ["inference", "latency"] and
    all(r["passed"] and len(r["values"]) == r["samples"] for r in j["rows"]) and
    all(r.get("p99") is None or r["p95"] <= r["p99"] <= r["max"] for r in j["rows"]) and
    all((r.get("p95") is None) == (r["samples"] < 20) and
        (r.get("p99") is None) == (r["samples"] < 100) for r in j["rows"][1:]) and
    j["roofline"]["flops_per_second"] > 0 and
    0 < j["rows"][0]["roofline_fraction"] < 2' \
    env TMPDIR="$dir/empty" "$weft" bench inference latency -d cpu --data data \
    --net tiny.net -b 1 --time 0.1s -f json
json weft.bench/2 'len(j["rows"]) == 6 and all(r["passed"] for r in j["rows"])' \
    "$weft" bench gemm -d cpu --time 0.01s --shape 3x4x5,1x2x3:relu -f json
if [ "$scope" != sanitized ]; then
    expect 0 'pool +2x5x5x3:2x2 +backward .* ok' \
        "$weft" bench pool -d cpu --time 0.01s --shape 2x5x5x3:2x2
    expect 0 'conv +2x5x5x3:4x3x3:relu +backward-weights .* ok' \
        "$weft" bench conv -d cpu --time 0.01s --shape 2x5x5x3:4x3x3:relu
    expect 0 '^workload,net' "$weft" bench memory -d cpu --time 0.01s -f csv \
        --shape 'softmax 3x5,act 99:relu'
    expect 0 'launch overhead' "$weft" bench launch -d cpu -f md
fi
expect 0 '12x20' "$weft" bench train -d cpu --net tiny.net --input 12x20x1 -b 4 \
    --quick --time 0.1s
expect 2 'FILTERSxROWSxCOLUMNS' "$weft" bench conv -d cpu --shape 2x5x5x3
expect 2 'like 28x28x1' "$weft" bench train -d cpu --net tiny.net --input 28
expect 0 'Memory .* planned' "$weft" explain tiny.net -d cpu --data data -b 8
says 'conv1 +conv.*forward'
json weft.explain/2 'len(j["segments"]) > 5 and
    abs(sum(p["time_fraction"] for p in j["segments"]) - 1) <
        5e-9 * len(j["segments"]) and
    0.9 < j["planned_bytes"] / j["allocated_bytes"] < 1.1' \
    "$weft" explain tiny.net --layers -d cpu --data data -b 8 --time 0.01s -f json
[ "$scope" = sanitized ] ||
    json weft.bench/2 '[r["precision"] for r in j["rows"]] == ["float32", "float16"] and
    all(r["passed"] for r in j["rows"]) and j["rows"][1]["speedup"] > 0 and
    j["rows"][1]["planned_bytes"] > 0' \
        "$weft" bench inference -d cpu --data data --net tiny.net \
        --precision float32,float16 --time 0.1s -f json
# A float16 is off by 2^-11 of its value at most.
json weft.bench/2 '[r["precision"] for r in j["rows"]] == ["float32", "float16"] and
    all(r["passed"] for r in j["rows"]) and
    2**-13 < j["rows"][1]["relative_error"] < 2**-10' \
    "$weft" bench train -d cpu --data data --net tiny.net --precision float32,float16 \
    --time 0.1s -f json
json weft.explain/2 'j["precision"] == "float16" and
    0.9 < j["planned_bytes"] / j["allocated_bytes"] < 1.1' \
    "$weft" explain tiny.net -d cpu --data data -b 8 --precision float16 -f json
json weft.bench/2 'j["rows"][0]["workload"] == "inference"' \
    env TMPDIR="$dir/empty" \
    "$weft" bench inference -d cpu --data data --net tiny.net -b 1 --time 0.01s -f json
nothing_left empty
expect 1 "$dir/none: No such file" env TMPDIR="$dir/none" \
    "$weft" bench inference -d cpu --data data --net tiny.net

# --- human-readable tables that are not written elsewhere
for command in audience bench calibrate clean compare devices embed eval explain filter \
    predict serve show similar sweep teach train tune verify; do
    expect 0 'Options' "$weft" help $command
done
expect 0 'kernel family' "$weft" devices -v
expect 0 'Settings' "$weft" devices --doctor
expect 0 '^Step ' "$weft" explain tiny.net --layers -d cpu --data data -b 8 --time 0.01s
expect 0 'Images/s' "$weft" show r/a/log.jsonl
expect 0 '^mean' train --seeds 2 --epochs 1 --out r/seeds
expect 0 'train' "$weft" bench train -d cpu --data data --net tiny.net -b 8 --time 0.05s \
    --quick --json quick.json
expect 0 'same' "$weft" compare quick.json quick.json

# --- audits: the same weights as without.
expect 0 'Saved' train --epochs 2 --seed 3 --out r/plain
expect 0 'Saved' train --epochs 2 --seed 3 --audit 3 --out r/audited
same r/plain/last.safetensors r/audited/last.safetensors audit
expect 2 'audit' train --audit 0 --out r/none

# --- stopping and resuming. The long run takes about a second and is stopped within.
long="--epochs $epochs --seed 9"
expect 0 'Saved' train $long --out r/whole

# stop SIGNAL DELAY FOLDER: starts or resumes a run, sends the signal, prints the exit
# code
stop() {
    python3 - "$weft" $epochs "$@" <<'PYTHON'
import os, signal, subprocess, sys, time
weft, epochs, name, delay, out = sys.argv[1:6]
resumed = os.path.exists(out + "/last.safetensors")
begin = f"--data data --net tiny.net --epochs {epochs} --seed 9".split()
what = ["--resume"] if resumed else begin
run = subprocess.Popen([weft, "train", "-d", "cpu", "--out", out, *what],
                       stdout=subprocess.DEVNULL, stderr=open("stop.err", "w"))
time.sleep(float(delay))
if name != "SIGKILL":  # the run must have started to handle the signal
    until = time.monotonic() + 20
    while not os.path.exists(out + "/log.jsonl") and time.monotonic() < until:
        time.sleep(0.005)
run.send_signal(getattr(signal, name))
print(run.wait(60))
PYTHON
}

# finish FOLDER: resumes until the run is done, and compares it with the uninterrupted one
finish() {
    "$weft" train -d cpu --resume --out "$1" >out 2>err ||
        wrong "resuming $1" err
    same r/whole/last.safetensors "$1/last.safetensors" "$1 was stopped and resumed"
    same r/whole/best.safetensors "$1/best.safetensors" "$1 was stopped and resumed"
    if [ "$(grep -c '^{"epoch"' "$1/log.jsonl")" -eq $epochs ] &&
        [ "$(grep -c schema "$1/log.jsonl")" -eq 1 ]; then
        right
    else
        wrong "$1/log.jsonl has not one header and every epoch once" "$1/log.jsonl"
    fi
    nothing_left "$1"
}

for signal in SIGINT SIGTERM; do
    out=r/$signal interrupted=0 delay=0.05
    for attempt in 1 2 3 4 5 6 7 8; do
        [ $interrupted -lt 2 ] || break
        code=$(stop $signal $delay $out)
        case $code in
        130) ;;
        0) # it was over
            [ $interrupted -eq 0 ] || break
            rm -rf $out
            delay=0.05
            ;;
        -2 | -15) # before there was anything to save
            delay=$(awk "BEGIN { print 2 * $delay }")
            ;;
        *) wrong "$signal: exit code $code" stop.err ;;
        esac
        [ "$code" = 130 ] || continue
        interrupted=$((interrupted + 1))
        grep -q -- "weft train --resume --out $out" stop.err ||
            wrong "$signal: does not print the command that resumes" stop.err
        nothing_left $out
    done
    if [ $interrupted -gt 0 ]; then right; else wrong "$signal never came in time"; fi
    finish $out
done

if [ "$scope" != sanitized ]; then
    killed=0
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        delay=0.0$((RANDOM % 90 + 10))
        [ "$(stop SIGKILL $delay r/killed)" = -9 ] && killed=$((killed + 1))
    done
    for i in 1 2 3 4; do
        delay=0.$((RANDOM % 200 + 100))
        [ "$(stop SIGKILL $delay r/killed)" = -9 ] && killed=$((killed + 1))
    done
    if [ $killed -gt 5 ]; then right; else wrong "killed only $killed times"; fi
    [ -e r/killed/last.safetensors ] || train $long --out r/killed >out 2>err
    finish r/killed
fi

: >r/a/log.jsonl # as a kill between opening it and its header leaves it
expect 0 'Saved' "$weft" train -d cpu --resume --out r/a
if grep -q schema r/a/log.jsonl; then right; else wrong "an empty log gets no header"; fi
expect 4 'nothing to resume' "$weft" train -d cpu --resume --out r/never
expect 0 'resuming after epoch 3' "$weft" train -d cpu --resume --out r/b --epochs 5
expect 0 'Saved' train --epochs 5 --seed 5 --out r/five
same r/b/last.safetensors r/five/last.safetensors "3 epochs and then 5, against 5"
expect 130 'Resume with' python3 -c '
import signal, subprocess, sys, time
run = subprocess.Popen(sys.argv[1:])
time.sleep(1)
run.send_signal(signal.SIGINT)
sys.exit(run.wait())' \
    "$weft" train -d cpu --data data --net tiny.net --epochs 100000 --out r/time
expect 0 'Time limit reached' train --epochs 100000 --time-limit 0.5s --out r/limit
sed 's/^/ /' data/t10k-labels-idx1-ubyte >moved && mv data/train-labels-idx1-ubyte kept
expect 4 'train-labels' "$weft" train -d cpu --resume --out r/limit
mv kept data/train-labels-idx1-ubyte

# --- tuning: shows, caches, resets, and can be interrupted
export XDG_STATE_HOME=$dir/state
expect 2 'exclude each other' "$weft" tune --show --reset
expect 4 'nosuch' "$weft" tune --net nosuch
expect 2 'must be like 128' "$weft" tune --batch 1,x
if "$weft" devices 2>/dev/null | grep -q PoCL; then
    tune=("$weft" tune -d 0 --net tiny.net -b 4 --inference-batch 0)
    json weft.tune/2 'j["rows"] == []' "$weft" tune -d 0 --show -f json
    expect 0 'the tuned kernels' "${tune[@]}" --time-limit 10
    json weft.tune/2 'len(j["rows"]) > 0' "$weft" tune -d 0 --show -f json
    expect 0 '^Problem' "$weft" tune -d 0 --show
    expect 0 '^' "$weft" tune -d 0 --export
    expect 130 'Interrupted' timeout --preserve-status -s INT 2 "${tune[@]}" --full
    expect 0 '^' "$weft" tune -d 0 --reset
    json weft.tune/2 'j["rows"] == []' "$weft" tune -d 0 --show -f json
else
    skipped=$((skipped + 1))
    echo "skipped: tuning: there is no PoCL to tune"
fi

# --- drivers that crash, hang or do not exist
if command -v cc >/dev/null; then
    mkdir v
    echo 'int puts(const char *); void abort(void);
        __attribute__((constructor)) static void f(void) { abort(); }' >crash.c
    echo 'int pause(void);
        __attribute__((constructor)) static void f(void) { for (;;) pause(); }' >hang.c
    echo 'void abort(void); int clGetPlatformInfo(void) { return -30; }
        int clIcdGetPlatformIDsKHR(void) { abort(); }
        void *clGetExtensionFunctionAddress(const char *n) { return n[2] == 73 ?
            (void *)clIcdGetPlatformIDsKHR : (void *)clGetPlatformInfo; }' >late.c
    for name in crash hang late; do
        cc -w -shared -fPIC -o $name.so $name.c && echo "$dir/$name.so" >v/$name.icd
    done
    echo "$dir/nosuch.so" >v/gone.icd
    for icd in /etc/OpenCL/vendors/pocl.icd; do [ -e $icd ] && cp $icd v/; done
    export WEFT_DRIVER_TIMEOUT=2
    expect 0 'crash.icd crashes' env OCL_ICD_VENDORS="$dir/v" "$weft" devices
    says 'late.icd crashes'
    says 'hang.icd did not respond'
    says "$dir/v/gone.icd"
    says 'host'
    if grep -q "$XDG_CACHE_HOME" both; then wrong "names copies" both; else right; fi
    expect 0 'crash.icd crashes' env OCL_ICD_VENDORS="$dir/v/crash.icd" "$weft" devices
    unset WEFT_DRIVER_TIMEOUT
else
    skipped=$((skipped + 1))
    echo "skipped: drivers that crash: there is no cc to make them with"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
