#!/usr/bin/env bash
# Where the processor time of the benchmark's workloads goes, with user functions in this process.
#
#     bench/profile.sh DATA            needs Linux perf, and data of the benchmark kit
#
# interpreter: CPython, user functions and their objects; objects: our making of objects from cells
# and back; native: everything else of ours; kernel: reading, writing, memory.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
data=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for workload in webuv wordcnt gtopn gbayes join pagerank; do
    perf record -q -F 499 -o "$work/samples" -- "$root/.venv/bin/python" "$root/bench/nestflow_peer.py" \
        local "$workload" --host in_process --data "$data" --out "$work/out" > "$work/log" 2>&1
    printf '%-9s' "$workload"
    perf report -i "$work/samples" --no-children --sort dso,symbol 2> "$work/log" | awk '
        /^#/ || !NF { next }
        {
            share = $1; sub("%", "", share)
            if ($2 ~ /kernel/) kind = "kernel"
            else if ($2 ~ /python|_decimal|libc\.so/ && $0 !~ /memmove|memset/) kind = "interpreter"
            else if ($0 ~ /nestflow_host/) kind = "objects"
            else kind = "native"
            sum[kind] += share
        }
        END { for (kind in sum) printf " %s %.0f %%", kind, sum[kind]; print "" }'
done
