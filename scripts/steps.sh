# shellcheck shell=bash
# Sourced by test.sh and proof.sh: runs named steps, tells how long each took, and keeps count of what passed.

passed=0
failed=0
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
# What failed, for the end of a long output.
failures=$reports/failures
touch "$failures"

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
    local status=0
    run_step "$@" || status=$?
    count_report "$1" "$status" $((status == 0)) 0
}

# Says that a step is pointless now, which counts as its failure.
give_up() { # <name> <reason>
    printf '\n=== %s: not run, because %s\n' "$1" "$2"
    count_report "$1" 1 0 0
}

# Counts what cargo's test programs report. A run that fails without a failed test (one that crashed, say) counts as one.
check_cargo_tests() { # <name> <command>...
    local report=$reports/cargo-test status=0 sums
    run_step "$1" tee_into "$report" "${@:2}" || status=$?
    sums=$(awk '/^test result: / { passed += $4; failed += $6 } END { print passed + 0, failed + 0 }' "$report")
    # shellcheck disable=SC2086 # two numbers
    count_report "$1" "$status" $sums
    if [ "$status" -ne 0 ]; then
        # The names, and the words that each ended with.
        grep -aE -A1 '^test .* FAILED$|panicked at ' "$report" | grep -av '^--$\|\.\.\. ok$' >>"$failures" || true
    fi
}

# Counts <passed> and <failed> of a step with this exit status; one that failed without counting has one failure.
count_report() { # <name> <status> <passed> <failed>
    local missed=$4
    if [ "$2" -ne 0 ] && [ "$missed" -eq 0 ]; then missed=1; fi
    [ "$missed" -eq 0 ] || printf '%s: FAILED\n' "$1" >>"$failures"
    count "$3" "$missed"
}

tee_into() { # <file> <command>...
    "${@:2}" 2>&1 | tee "$1"
}

# What failed, then the last line, and the script's exit status.
finish() {
    [ ! -s "$failures" ] || printf '\n=== what failed\n%s\n' "$(<"$failures")"
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
