#!/bin/bash
# SPDX-License-Identifier: MIT
echo "performance: 100 samples_per_second"
