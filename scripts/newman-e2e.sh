#!/usr/bin/env bash
# Starts everything in one process, on free ports with a data folder of its own, runs newman against it, and stops it.
# newman-e2e.sh [file for "<passed> <failed>"]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly target=${CARGO_TARGET_DIR:-target}
readonly rondo=$target/debug/rondo
readonly data=$target/newman-e2e
readonly log=$target/newman-e2e.log
readonly ready_within_s=120
readonly stopped_within_s=30

say() { printf 'newman-e2e: %s\n' "$*" >&2; }

# Two free ports from below the range of outgoing connections, one of which could take them again before rondo does.
free_ports() {
    node -e '
        const { createServer } = require("net");
        const isFree = (port) => new Promise((resolve) => {
            const server = createServer();
            server.once("error", () => resolve(false));
            server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
        });
        (async () => {
            const ports = new Set();
            while (ports.size < 2) {
                const port = 10000 + Math.floor(Math.random() * 22000);
                if (await isFree(port)) ports.add(port);
            }
            console.log([...ports].join(" "));
        })();
    '
}

# Whether GET answers with a 2xx.
answers() {
    node -e 'fetch(process.argv[1], { signal: AbortSignal.timeout(2000) })
        .then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))' "$1"
}

wait_until_ready() {
    local deadline=$((SECONDS + ready_within_s))
    until answers "$internal_url/readyz"; do
        kill -0 "$pid" 2>/dev/null || { say "rondo up ended before it was ready"; return 1; }
        [ "$SECONDS" -lt "$deadline" ] || { say "not ready within $ready_within_s s"; return 1; }
        sleep 0.2
    done
}

# Fails when it does not stop by itself, or not with success.
stop() {
    local deadline=$((SECONDS + stopped_within_s)) status=0
    kill -TERM "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            say "rondo up did not stop within $stopped_within_s s"
            kill -KILL "$pid"
        fi
        sleep 0.1
    done
    wait "$pid" || status=$?
    [ "$status" -eq 0 ] || say "rondo up ended with status $status"
    return "$status"
}

[ -x "$rondo" ] || cargo build --locked -p rondo
rm -rf "$data"
mkdir -p "$data"
read -r public_port internal_port <<<"$(free_ports)"
readonly base_url=http://127.0.0.1:$public_port internal_url=http://127.0.0.1:$internal_port

"$rondo" up --public-addr "127.0.0.1:$public_port" --internal-addr "127.0.0.1:$internal_port" --data-dir "$data" \
    >"$log" 2>&1 &
pid=$!
trap 'kill -TERM "$pid" 2>/dev/null || true' EXIT

status=0
if wait_until_ready; then
    RONDO_DATA_DIR=$data scripts/newman.sh "$base_url" "$internal_url" "${1:-}" || status=$?
else
    status=1
fi
stop || status=1
if [ "$status" -ne 0 ]; then
    say "the end of $log:"
    tail -n 40 "$log" >&2
fi
exit "$status"
