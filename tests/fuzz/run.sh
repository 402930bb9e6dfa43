#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for SECONDS_EACH (60): fuzz/run.sh [BUILD_FOLDER]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${1:-$root/build/fuzz}
seconds=${SECONDS_EACH:-60}
mkdir -p "$build"
cmake -G Ninja -S "$root" -B "$build" -DRIDGELINE_FUZZ=ON -DRIDGELINE_CUDA=OFF -DRIDGELINE_BENCHMARKS=OFF \
  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER="${CXX:-clang++-19}" > "$build/configure.log" 2>&1 ||
  { cat "$build/configure.log"; exit 1; }
cmake --build "$build" --target fuzzers
for source in "$here"/*_fuzz.cc; do
  name=$(basename "$source" .cc)
  found=$build/corpus/$name
  mkdir -p "$found"
  echo "$name: $seconds s"
  # What it finds goes to the build folder; the seeds in the source tree stay as they are.
  "$build/tests/fuzz/$name" -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=2048 -timeout=10 \
    -artifact_prefix="$found-" -print_final_stats=1 "$found" "$here/corpus/${name%_fuzz}" 2>&1 | tail -n 12
done
