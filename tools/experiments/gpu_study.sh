#!/usr/bin/env bash
# The study on photographs in minutes of one GPU: many short runs side by side, on images and
# batches that were prepared before. Where the data is:
#
#   gpu_study.sh prepare DATA STUDY    packs images, weights, wheels and this commit into STUDY
#
# where the GPU is, with STUDY carried there:
#
#   gpu_study.sh start STUDY [options of the queue]   leaves the queue running behind
#   gpu_study.sh wait SECONDS          shows progress; records come to $OUT, where that is set
#   gpu_study.sh stop
#
# The images may not be passed on: STUDY is never committed. PYTHON, STUDY_BASE (code) and STUDY_WORK
# (data and batches, 45 GB) change where things are; STUDY_MPS=0 does without CUDA MPS.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-python3}
base=${STUDY_BASE:-/tmp/gpu_study}
export OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
export PYTHONPATH="$base/repo:$base/repo/tools:$base/site"
export CUDA_MPS_PIPE_DIRECTORY=$base/mps/pipe CUDA_MPS_LOG_DIRECTORY=$base/mps/log
PATH=$PATH:/usr/local/nvidia/bin

prepare() {
    local data=$1 study=$2
    mkdir -p "$study/whl"
    rm -rf "$study/repo" && mkdir "$study/repo"
    git -C "$repo" archive HEAD ddan_torchreid tools configs | tar -x -C "$study/repo"
    git -C "$repo" rev-parse HEAD > "$study/commit"
    "$python" -m pip wheel -q --no-deps -w "$study/whl" torchreid==0.2.5 yacs==0.1.8 gdown==6.5.1 \
        beautifulsoup4==4.15.0 soupsieve==4.1.3
    # 0.9.7 is twenty times as large.
    "$python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp --platform manylinux_2_28_x86_64 -d "$study/whl" POT==0.9.6.post1
    [ -e "$study/pack.zip" ] || PYTHONPATH="$repo:$repo/tools" TORCH_HOME=$data/torch_home "$python" \
        -c 'import sys, pathlib; from experiments.gpu_study import pack
pack.write(*map(pathlib.Path, sys.argv[1:]))' "$data" "$study/pack.zip"
    du -sb "$study"/*
}

# One server for the kernels of all runs, which would otherwise take turns on the GPU.
start_mps() {
    local check='import torch; assert torch.ones(9, device="cuda").sum().item() == 9'
    command -v nvidia-smi > /dev/null && [ "${STUDY_MPS:-1}" = 1 ] || return 1
    command -v nvidia-cuda-mps-control > /dev/null || { echo "no nvidia-cuda-mps-control"; return 1; }
    mkdir -p "$CUDA_MPS_PIPE_DIRECTORY" "$CUDA_MPS_LOG_DIRECTORY"
    setsid nvidia-cuda-mps-control -d || return 1
    if timeout 90 "$python" -c "$check" && echo get_server_list | nvidia-cuda-mps-control | grep -q '[0-9]'
    then
        return 0
    fi
    echo "MPS does not work here:"
    tail -n 5 "$CUDA_MPS_LOG_DIRECTORY"/*.log || true
    stop_mps
    return 1
}

stop_mps() {
    echo quit | timeout 20 nvidia-cuda-mps-control > /dev/null 2>&1 || true
}

start() {
    local study workers work
    study=$(realpath "$1")
    shift
    stop
    # The carried copy may be replaced by the next call.
    mkdir -p "$base"
    rm -rf "$base/repo" && cp -r "$study/repo" "$base/repo"
    if ! "$python" -c 'import torchreid, ot, yacs' 2>/dev/null; then
        "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
            --target "$base/site" "$study"/whl/*.whl
    fi
    # The same place again, or memory that has room, which batches of 45 GB do not wear out.
    if [ "$(df --output=avail -B1 /dev/shm | tail -n 1)" -ge 45000000000 ]; then
        work=/dev/shm/gpu_study
    fi
    work=${STUDY_WORK:-$(cat "$base/where" 2>/dev/null || echo "${work:-$base/work}")}
    mkdir -p "$work"
    echo "$work" > "$base/where"
    cp "$study/pack.zip" "$work/pack.zip"
    if start_mps; then
        workers=15
    else
        unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
        workers=$(command -v nvidia-smi > /dev/null && echo 6 || echo 2)
    fi
    export STUDY_COMMIT TORCH_HOME=$work/data/torch_home
    STUDY_COMMIT=$(cat "$study/commit")
    echo "$workers workers, files in $work ($(df -h --output=avail "$work" | tail -n 1) free), commit $STUDY_COMMIT"
    cd "$base"
    setsid "$python" -m experiments.gpu_study.queue "$work" --workers "$workers" "$@" \
        > "$work/queue.log" 2>&1 < /dev/null &
    echo $! > "$base/pid"
}

watch() {
    local until=$((SECONDS + $1)) work
    work=$(cat "$base/where")
    while kill -0 "$(cat "$base/pid")" 2>/dev/null && [ $SECONDS -lt $until ]; do
        sleep 10
        tail -n 1 "$work/queue.log"
    done
    tail -n 20 "$work/queue.log"
    if [ -n "${OUT:-}" ] && [ -e "$work/results/results.jsonl" ]; then
        cp "$work/queue.log" "$work/results/results.jsonl" "$OUT"
        (cd "$work/results" && tar -czf "$OUT/logs.tar.gz" runs/*/train.log)
    fi
}

stop() {
    # The queue leads a session: its workers end with it.
    if [ -e "$base/pid" ]; then
        kill -KILL -- "-$(cat "$base/pid")" 2>/dev/null || true
        rm -f "$base/pid"
        stop_mps
    fi
}

command=${1:-}
[ $# -gt 0 ] && shift
case $command in
    prepare | start | stop) "$command" "$@" ;;
    wait) watch "$@" ;;
    *) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
