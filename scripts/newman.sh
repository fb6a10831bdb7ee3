#!/usr/bin/env bash
# Runs the collections in postman/ against a running Rondo and shows every request and response.
# newman.sh [public URL] [internal URL] [file for "<passed> <failed>"]
#
# COLLECTIONS says which: `rondo` (the eight steps), `scenarios`, or both, as without it. The scenarios need somebody
# who may make couriers: RONDO_OPERATOR_EMAIL and RONDO_OPERATOR_PASSWORD, else the operator of the data folder of
# `rondo up` (RONDO_DATA_DIR).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly base_url=${1:-http://127.0.0.1:8080}
readonly internal_url=${2:-http://127.0.0.1:8081}
readonly counts=${3:-}
readonly collections=${COLLECTIONS:-rondo scenarios}

# Only its owner can read what is in it: the operator's password, too.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# As the lock file says, and only when that has changed.
if ! cmp -s postman/package-lock.json postman/node_modules/.installed-lock.json; then
    npm ci --prefix postman --no-audit --no-fund --loglevel=error
    mkdir -p postman/node_modules
    cp postman/package-lock.json postman/node_modules/.installed-lock.json
fi

# In a file, for arguments can be seen by everybody.
write_globals() {
    local kept=${RONDO_DATA_DIR:-.rondo}/operator-password
    export RONDO_OPERATOR_EMAIL=${RONDO_OPERATOR_EMAIL:-operator@arch.homework}
    if [ -z "${RONDO_OPERATOR_PASSWORD:-}" ] && [ -r "$kept" ]; then
        RONDO_OPERATOR_PASSWORD=$(<"$kept")
    fi
    export RONDO_OPERATOR_PASSWORD=${RONDO_OPERATOR_PASSWORD:-}
    node -e '
        const { RONDO_OPERATOR_EMAIL, RONDO_OPERATOR_PASSWORD } = process.env;
        const values = { operatorEmail: RONDO_OPERATOR_EMAIL, operatorPassword: RONDO_OPERATOR_PASSWORD };
        const variable = ([key, value]) => ({ key, value, enabled: true });
        console.log(JSON.stringify({ name: "operator", values: Object.entries(values).map(variable) }));
    ' >"$work/globals.json"
}

# A request without an answer or a script with an error is a failure that no assertion counts.
write_counts() {
    node -e '
        const runs = process.argv.slice(1).map((file) => JSON.parse(require("fs").readFileSync(file, "utf8")).run);
        const sum = (of) => runs.reduce((total, run) => total + of(run), 0);
        const passed = sum(({ stats }) => stats.assertions.total - stats.assertions.failed);
        console.log(passed, sum(({ failures }) => failures.length));
    ' "$work"/*.report.json >"$counts"
}

write_globals
status=0
for collection in $collections; do
    npm run --prefix postman --silent newman -- "$collection.postman_collection.json" \
        --env-var "baseUrl=$base_url" --env-var "internalUrl=$internal_url" --globals "$work/globals.json" \
        --reporter-json-export "$work/$collection.report.json" || status=$?
done
[ -z "$counts" ] || write_counts
exit "$status"
