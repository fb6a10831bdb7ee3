#!/usr/bin/env bash
# The long crash and race runs, for before a release: the tests marked `#[ignore = "long: make proof"]`, one at a time.
# Arguments go to the test programs, e.g. a part of a test's name. Ends with `N passed, N failed`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

check "servers" scripts/install-servers.sh tests
if run_step "build" cargo test --release --locked -p rondo --test system --no-run; then
    check_cargo_tests "proof" cargo test --release --locked -p rondo --test system -- \
        --ignored --test-threads=1 --nocapture "$@"
else
    give_up "proof" "the build failed"
fi
check_cargo_tests "model" cargo test --release --locked -p model -- \
    --ignored --test-threads=1 --nocapture "$@"
finish
