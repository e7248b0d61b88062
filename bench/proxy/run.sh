#!/usr/bin/env bash
# Measures this proxy beside nginx, HAProxy and Envoy on one core; see README.md next to this file.
# All arguments go to the runner: `bench/proxy/run.sh --help` lists them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! command -v python3 >/dev/null; then
    echo "python3 is missing: apt-get install python3" >&2
    exit 2
fi

# No bytecode files in the tree; `exec` so that Ctrl-C and SIGTERM reach the runner itself.
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/harness" "$@"
