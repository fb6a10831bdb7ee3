#!/usr/bin/env bash
# All that a change has to pass: format, lints, docs, manifests, unit and integration tests on private servers, and newman
# end to end, in one process and through the gateway. Ends with `N passed, N failed`; every step runs, also after one that
# failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

document() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

check_newman() {
    local report=$reports/newman status=0 sums="0 0"
    run_step "newman end to end" scripts/newman-e2e.sh "$report" || status=$?
    [ ! -s "$report" ] || sums=$(<"$report")
    # shellcheck disable=SC2086 # two numbers
    count_report "newman end to end" "$status" $sums
}

# The data of all servers that tests run at a time. Without it tests fail by the dozen, each with another word.
SPACE_MIB=6000
has_space() {
    local free_mib
    free_mib=$(df --output=avail --block-size=1M "${CARGO_TARGET_DIR:-target}" | tail -n 1)
    echo "$((free_mib)) MiB are free where cargo builds, and the tests' servers take up to $SPACE_MIB"
    [ "$free_mib" -ge "$SPACE_MIB" ]
}

check "servers" scripts/install-servers.sh tests
check "format" cargo fmt --all --check
check "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
check "docs" document
check "dashboards" node grafana/build.mjs --check
check "manifests" scripts/check-manifests.sh
missing=""
if ! run_step "build" cargo test --workspace --locked --no-run; then
    missing="the build failed"
elif ! run_step "space" has_space; then
    missing="there is too little space on the disk"
fi
if [ -z "$missing" ]; then
    check_cargo_tests "tests" cargo test --workspace --locked --no-fail-fast
    check_newman
    # Of the whole workspace: of one package alone dependencies would have other features, and be built once more.
    check_cargo_tests "newman through the gateway" cargo test --workspace --locked --test system -- \
        --ignored --exact newman::the_collections_pass_through_the_gateway --nocapture
else
    give_up "tests" "$missing"
    give_up "newman end to end" "$missing"
    give_up "newman through the gateway" "$missing"
fi
finish
