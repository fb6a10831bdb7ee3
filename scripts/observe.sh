#!/usr/bin/env bash
# A private Prometheus beside `make up`: reads its metrics and judges its alerts, until Ctrl-C. Data and log are kept in
# .rondo/prometheus for the next start.
#
# INTERNAL_URL: the internal listener that is read, http://127.0.0.1:8081; several may be given, with spaces.
# RUNBOOKS_URL: where the links of the alerts lead, /runbooks of the first internal listener.
# PROMETHEUS_ADDR: where Prometheus listens, 127.0.0.1:9090.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly internal_urls=${INTERNAL_URL:-http://127.0.0.1:8081}
readonly address=${PROMETHEUS_ADDR:-127.0.0.1:9090}
readonly data=.rondo/prometheus

fail() { echo "observe: $*" >&2; exit 1; }
is_port() { ((10#$1 >= 1 && 10#$1 <= 65535)); }

targets='' runbooks=''
for url in $internal_urls; do
    [[ $url =~ ^(http://)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})/?$ ]] \
        && is_port "${BASH_REMATCH[3]}" || fail "INTERNAL_URL: \"$url\" is not like http://127.0.0.1:8081"
    runbooks=${runbooks:-http://${BASH_REMATCH[2]}:${BASH_REMATCH[3]}/runbooks}
    targets="$targets${targets:+, }\"${BASH_REMATCH[2]}:${BASH_REMATCH[3]}\""
done
[ -n "$targets" ] || fail "INTERNAL_URL names nothing to read"
runbooks=${RUNBOOKS_URL:-$runbooks}
[[ $runbooks =~ ^https?://[][A-Za-z0-9._~:/@%+-]+$ ]] \
    || fail "RUNBOOKS_URL: \"$runbooks\" is not like https://wiki.example.com/rondo/runbooks"
[[ $address =~ ^([A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})$ ]] && is_port "${BASH_REMATCH[2]}" \
    || fail "PROMETHEUS_ADDR: \"$address\" is not like 127.0.0.1:9090"

scripts/install-servers.sh observe
mkdir -p "$data"
# Before anything is written: a Prometheus that runs here has its configuration and its data in this folder.
exec 9>"$data/lock"
flock -n 9 || fail "a Prometheus runs on $data already"
# One line of the configuration is about this machine.
sed "s|targets: .*|targets: [$targets]|" grafana/prometheus.yml >"$data/prometheus.yml"
sed "s|http://127.0.0.1:8081/runbooks|$runbooks|" grafana/alerts.yml >"$data/alerts.yml"
.rondo/tools/promtool check config "$data/prometheus.yml" >/dev/null

cat <<EOF

Prometheus reads $targets.
  Graphs, alerts  http://$address/graph  http://$address/alerts
  Runbooks        $runbooks
  Data, log       $data
To see the dashboards in a Grafana that you have:
  by hand         Dashboards, New, Import, each file of grafana/dashboards; it asks which Prometheus
                  (a data source of the type Prometheus at http://$address)
  provisioned     copy grafana/provisioning into Grafana's provisioning folder, and
                  grafana/dashboards to /var/lib/grafana/dashboards/rondo
Ctrl-C stops Prometheus; the data stays.
EOF
.rondo/tools/prometheus --config.file="$data/prometheus.yml" --storage.tsdb.path="$data/data" \
    --storage.tsdb.retention.time=7d --web.listen-address="$address" >"$data/prometheus.log" 2>&1 &
readonly prometheus=$!
trap 'kill "$prometheus" 2>/dev/null || true' INT TERM
status=0
wait "$prometheus" || status=$?
# By the signal that stopped it: waited for once more, until it has written what it has.
wait "$prometheus" 2>/dev/null || status=$?
if ((status != 0 && status <= 128)); then
    echo "Prometheus ended; the end of $data/prometheus.log:" >&2
    tail -n 3 "$data/prometheus.log" >&2
    exit "$status"
fi
