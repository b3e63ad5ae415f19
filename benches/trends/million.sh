#!/usr/bin/env bash
# How long trends of a million simulated patients over ten years take, and how much memory. The export
# takes some 3 GB in the folder that is named and is kept there for the next run.
#   benches/trends/million.sh /tmp/million [PATIENTS]
set -euo pipefail
cd "$(dirname "$0")/../.."
folder="$1"
patients="${2:-1000000}"
program=target/release/prodrome-train
mkdir -p "$folder"
cargo build --release --bin prodrome-train
if [ ! -d "$folder/export/data" ]; then
  "$program" simulate --patients "$patients" --years 10 --format meds --out "$folder/export"
fi
for run in 1 2 3; do
  rm -f "$folder/release.json"
  /usr/bin/time -f "run $run: %e s, %U s of the processors, %M KB" "$program" --quiet trends \
    --export "$folder/export" --spec benches/trends/spec.toml --data-until 2023-12-31 \
    --out "$folder/release.json" --report "$folder/report.html" > "$folder/summary.txt"
done
