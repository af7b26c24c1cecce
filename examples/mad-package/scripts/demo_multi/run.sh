#!/bin/bash
# Several results in one table: a row each.
set -e
cat > demo_multi.csv << 'TABLE'
model,performance,metric,batch_size
small,120.5,samples_per_second,8
large,33,samples_per_second,64
TABLE
echo "two results are in demo_multi.csv"
