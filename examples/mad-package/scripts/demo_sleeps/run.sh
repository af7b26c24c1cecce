#!/bin/bash
# Never ends by itself: its timeout of 60 s ends it.
echo "sleeping"
sleep 36000
