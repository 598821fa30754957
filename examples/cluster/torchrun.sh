#!/bin/bash
# Trains with torchrun, which starts the ranks anew where one is lost.
#
# On one machine, with two ranks:
#   examples/cluster/torchrun.sh recipes/fashion-mnist/pad30.yaml runs/pad30
# On two machines, one rank each, on both:
#   NNODES=2 NODE_RANK=0 NPROC=1 MASTER_ADDR=10.0.0.1 examples/cluster/torchrun.sh …   # on 10.0.0.1
#   NNODES=2 NODE_RANK=1 NPROC=1 MASTER_ADDR=10.0.0.1 examples/cluster/torchrun.sh …   # on the other
# Further arguments go to `padnet train`.
set -euo pipefail

recipe=${1:?expected a recipe}
run=${2:?expected a folder for the run}
shift 2

nnodes=${NNODES:-1}
nproc=${NPROC:-2}

# torchrun gives each rank one thread where this is not set.
cores=$(nproc)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores > nproc ? cores / nproc : 1))}

# torchrun listens at this port, and rank 0 at the next one: a firewall has to let both through.
port=${MASTER_PORT:-29500}

# The program itself rather than `npx padnet`: npx does not pass on the SIGTERM of torchrun 1.13. Debian's torchrun 1.13
# needs `--redirects 1 --tee 1` beside these. --resume starts the run where there is none, and goes on with it where
# there is one.
exec torchrun --no-python --nnodes "$nnodes" --node_rank "${NODE_RANK:-0}" --nproc_per_node "$nproc" \
  --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "$port" --max_restarts "${MAX_RESTARTS:-3}" \
  node_modules/.bin/padnet train "$recipe" --out "$run" --resume "$@"
