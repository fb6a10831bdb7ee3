# shellcheck shell=bash
# Sourced by test.sh and proof.sh: runs named steps, tells how long each took, and keeps count of what passed.

passed=0
failed=0
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

count() { # <passed> <failed>
    passed=$((passed + $1))
    failed=$((failed + $2))
}

# Runs a command under a heading; its status is the command's, and nothing is counted.
run_step() { # <name> <command>...
    local name=$1 started=$SECONDS status=0
    shift
    printf '\n=== %s\n' "$name"
    "$@" || status=$?
    local verdict=good
    [ "$status" -eq 0 ] || verdict=FAILED
    printf '=== %s: %s after %d s (%d s in all)\n' "$name" "$verdict" $((SECONDS - started)) "$SECONDS"
    return "$status"
}

# A step that counts as one.
check() { # <name> <command>...
    if run_step "$@"; then count 1 0; else count 0 1; fi
}

# Says that a step is pointless now, which counts as its failure.
give_up() { # <name> <reason>
    printf '\n=== %s: not run, because %s\n' "$1" "$2"
    count 0 1
}

# Counts what cargo's test programs report. A run that fails without a failed test (one that crashed, say) counts as one.
check_cargo_tests() { # <name> <command>...
    local report=$reports/cargo-test status=0 sums
    run_step "$1" tee_into "$report" "${@:2}" || status=$?
    sums=$(awk '/^test result: / { passed += $4; failed += $6 } END { print passed + 0, failed + 0 }' "$report")
    # shellcheck disable=SC2086 # two numbers
    count_report "$status" $sums
}

# Counts <passed> and <failed> of a step with this exit status.
count_report() { # <status> <passed> <failed>
    local failures=$3
    if [ "$1" -ne 0 ] && [ "$failures" -eq 0 ]; then failures=1; fi
    count "$2" "$failures"
}

tee_into() { # <file> <command>...
    "${@:2}" 2>&1 | tee "$1"
}

# The last line, and the script's exit status.
finish() {
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
