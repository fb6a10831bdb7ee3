#!/usr/bin/env bash
# Runs the collection in postman/ against a running Rondo and shows every request and response.
# newman.sh [public URL] [internal URL] [file for "<passed> <failed>"]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly base_url=${1:-http://127.0.0.1:8080}
readonly internal_url=${2:-http://127.0.0.1:8081}
readonly counts=${3:-}

report=$(mktemp)
trap 'rm -f "$report"' EXIT

# As the lock file says, and only when that has changed.
if ! cmp -s postman/package-lock.json postman/node_modules/.installed-lock.json; then
    npm ci --prefix postman --no-audit --no-fund --loglevel=error
    mkdir -p postman/node_modules
    cp postman/package-lock.json postman/node_modules/.installed-lock.json
fi

status=0
npm run --prefix postman --silent newman -- \
    --env-var "baseUrl=$base_url" --env-var "internalUrl=$internal_url" \
    --reporter-json-export "$report" || status=$?

if [ -n "$counts" ]; then
    # A request without an answer or a script with an error is a failure that no assertion counts.
    node -e '
        const { stats, failures } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")).run;
        console.log(stats.assertions.total - stats.assertions.failed, failures.length);
    ' "$report" >"$counts"
fi
exit "$status"
