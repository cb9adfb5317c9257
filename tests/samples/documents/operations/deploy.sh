#!/bin/sh
# Rolls out a classifier configuration to one region (sample).
set -eu
region=$1
echo "rolling out image-safety to $region"
