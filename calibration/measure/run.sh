#!/usr/bin/env bash
# Measures everything that one host can, family by family, within a time; see README.md.
#
#     run.sh PROGRAM OUT_FOLDER [SECONDS] [FAMILIES]
#
# PROGRAM is ridgeline_measure, SECONDS the time in all (default 570), FAMILIES a comma-separated list
# out of check,host,sustained,gemm,hbm,moe,experts,attention,paged,beside,peer,collectives,beside-ranks
# (default: all that the number of GPUs allows). `paged` wants FlashInfer's modules in the folder that
# RIDGELINE_FLASHINFER names (flashinfer_modules.py) and skips its points without them. Started again
# with the same folder it goes on where it stopped. A family that fails is noted and the others run: the
# exit code is 0 unless the arguments are wrong.
set -u
if [ $# -lt 2 ]; then
  echo "usage: run.sh PROGRAM OUT_FOLDER [SECONDS] [FAMILIES]" >&2
  exit 2
fi
program=$1
out=$2
total=${3:-570}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
mkdir -p "$out"
began=$(date +%s)
gpus=$("$program" --list 2>>"$out/log.txt" | grep -c '"kind":"device"')
if [ "$gpus" -eq 0 ]; then
  tail -n 2 "$out/log.txt"
  echo "no GPU: nothing measured"
  exit 0
fi
"$program" --list > "$out/devices.jsonl"
families=${4:-}
if [ -z "$families" ]; then
  families=check,host,hbm,sustained,moe,experts,paged,beside,attention,gemm
  [ "$gpus" -ge 2 ] && families=peer,collectives,beside-ranks
fi

points=$out/points
"$python" "$here/points.py" "$points" > "$out/points.txt" || exit 2
"$python" "$here/points.py" "$out/points-check" --scale 0.03 > /dev/null
if [ "$gpus" -ge 2 ]; then
  "$python" "$here/points.py" "$out/points-ranks" --ranks "$gpus" --ranks-per-node "$gpus" >> "$out/points.txt"
fi

left() { echo $((total - $(date +%s) + began)); }

# One process a GPU, on this host. All of them see the id through a file.
ranks() {  # points results seconds
  local id=$out/nccl-id.$$ pids=() rank code=0
  rm -f "$id"
  for ((rank = 0; rank < gpus; ++rank)); do
    timeout $(($3 + 90)) "$program" --points "$1" --out "$2" --seconds "$3" --device $rank \
      --rank $rank --ranks "$gpus" --ranks-per-node "$gpus" --id-file "$id" --check &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || code=$?; done
  rm -f "$id"
  return $code
}

one() {  # family seconds
  local file=$out/$1.jsonl family=$1 limit=$2
  timed() {
    timeout $((limit + 60)) "$python" "$1" --points "$points/$family.jsonl" --out "$file" \
      --seconds "$limit"
  }
  case $1 in
    check)
      for family in gemm hbm; do
        timeout $(($2 + 60)) "$program" --points "$out/points-check/$family.jsonl" \
          --out "$out/check-$family.jsonl" --seconds "$2" --check || return $?
      done
      timeout $(($2 + 60)) "$python" "$here/attention.py" --points "$out/points-check/attention.jsonl" \
        --out "$out/check-attention.jsonl" --seconds "$(($2 + 8))" --check || return $?
      timeout $(($2 + 60)) "$python" "$here/expert_gemm.py" --points "$out/points-check/experts.jsonl" \
        --out "$out/check-experts.jsonl" --seconds "$(($2 + 8))" --check || return $?
      timeout $(($2 + 60)) "$python" "$here/paged_attention.py" --points "$out/points-check/paged.jsonl" \
        --out "$out/check-paged.jsonl" --seconds "$(($2 + 8))" --check ;;
    attention|decode) timed "$here/attention.py" ;;
    paged) timed "$here/paged_attention.py" ;;
    experts) timed "$here/expert_gemm.py" ;;
    collectives) ranks "$out/points-ranks/collectives.jsonl" "$file" "$2" ;;
    beside-ranks) ranks "$out/points-ranks/beside.jsonl" "$file" "$2" ;;
    peer) timeout $(($2 + 60)) "$program" --points "$out/points-ranks/peer.jsonl" --out "$file" --seconds "$2" ;;
    *) timeout $(($2 + 60)) "$program" --points "$points/$1.jsonl" --out "$file" --seconds "$2" ;;
  esac
}

# Each family's most, in thousandths of what is left when its turn comes. The last takes the rest.
share() {
  case $1 in
    "${families##*,}") echo 1000 ;;
    check) echo 30 ;; host) echo 20 ;; peer) echo 60 ;;
    sustained) echo 200 ;; hbm) echo 150 ;; moe) echo 100 ;; beside) echo 100 ;;
    experts) echo 100 ;; paged) echo 150 ;;
    attention) echo 380 ;; collectives) echo 500 ;; *) echo 1000 ;;
  esac
}

for family in ${families//,/ }; do
  seconds=$(($(left) * $(share "$family") / 1000))
  [ "$seconds" -lt 2 ] && { echo "$family: no time left" >> "$out/log.txt"; continue; }
  for try in 1 2 3; do  # a point that breaks the GPU's context is on record: go on behind it
    echo "$(date -u +%T) $family, $seconds s, try $try" >> "$out/log.txt"
    one "$family" "$seconds" >> "$out/log.txt" 2>&1
    code=$?
    [ $code -eq 0 ] && break
    echo "$family: exit code $code" >> "$out/log.txt"
    seconds=$(($(left) * $(share "$family") / 1000))
    [ "$seconds" -lt 5 ] && break
  done
done

"$python" - "$out" <<'SUMMARY'
import collections, glob, json, os, statistics, sys
print(f"{'family':14}{'measured':>9}{'skipped':>8}{'throttled':>10}{'spread':>8}  first reason to skip")
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.jsonl"))):
    family = os.path.basename(path)[:-6]
    if family == "devices":
        continue
    measured, reasons, throttled = [], collections.Counter(), 0
    for line in open(path, encoding="utf-8"):
        try:
            point = json.loads(line)
        except ValueError:
            continue
        if "skipped" in point:
            reasons[point["skipped"][:60]] += 1
        else:
            measured.append(point["spread"])
            throttled += point.get("throttled", False)
    spread = statistics.median(measured) if measured else 0
    words = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(2))
    print(f"{family:14}{len(measured):9}{sum(reasons.values()):8}{throttled:10}{spread:8.4f}  {words}")
SUMMARY
echo "took $(($(date +%s) - began)) s of $total; log: $out/log.txt"
tail -n 12 "$out/log.txt"
exit 0
