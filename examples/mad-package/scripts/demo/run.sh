#!/bin/bash
# Prints its result as every model does.
set -e
echo "model demo, variant ${DEMO_VARIANT:-none}, on ${MAD_RUNTIME_NGPUS:-no} GPUs"
echo "performance: 14164 samples_per_second"
