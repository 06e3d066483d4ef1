#!/bin/bash
# run.sh: the benchmark in one command (`make bench`): orosync against its floors, then what it costs beside what it may cost.
#   PEERS="orosync-v2 relay" SCEN="fan100 sat100" REPS=5 ./run.sh       (everything that compare.sh takes from the environment)
# Crossbar.io and fox-wamp join when PEERS names them: their first start installs them, which takes minutes.
set -eu
cd "$(dirname "$0")"
export PEERS=${PEERS:-orosync-v1 orosync-v2 floor-txd relay}
# sat100 first: the floor `relay` never forgets a subscriber, so its fan-out figures grow with each scenario before them.
export SCEN=${SCEN:-sat100 connect1k fan10 fan100 fan1000 topics10k rpc10}
export REPS=${REPS:-5} BASE=${BASE:-relay} OUT=${OUT:-results.jsonl}
rm -f "$OUT"
./compare.sh
echo
python3 ratios.py "$OUT"
