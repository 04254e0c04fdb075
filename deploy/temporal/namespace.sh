#!/bin/sh
# Creates the namespace, or brings the retention of an existing one to the configured value.
set -eu
if temporal operator namespace describe -n "$NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace update -n "$NAMESPACE" --retention "$RETENTION"
else
  temporal operator namespace create -n "$NAMESPACE" --retention "$RETENTION"
fi
