#!/usr/bin/env bash
# Whether the manifests of k8s/ and the Dockerfile are well, without a cluster: every overlay renders, is valid for the
# oldest and the newest Kubernetes that is meant, breaks no rule of checkov but those excused in it, and custom resources
# fit their schemas. Then each of these checks is shown something broken, which it has to find. What manifests say of
# Rondo itself (arguments, ports, paths, names) is compared with the programs by rondo/tests/cluster/.
#
# What was rendered stays in the folder that is given, target/manifests if none is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly oldest=1.30 newest=1.37
readonly tools=.rondo/tools
readonly python=$tools/manifests/bin/python
readonly rendered=${1:-${CARGO_TARGET_DIR:-target}/manifests}
# Nothing is fetched, neither by checkov nor by kubectl.
export BC_SKIP_MAPPING=TRUE KUBECTL_KUBERC=false

say() { printf 'manifests: %s\n' "$*" >&2; }

render() { # <folder> <file>
    "$tools/kubectl" kustomize "$1" >"$2"
}

valid() { # <file>...
    local version
    for version in $oldest $newest; do
        "$python" -m kubernetes_validate --strict --quiet --no-warn --kubernetes-version "$version" "$@" || return 1
    done
}

custom() { # <file>...
    "$python" k8s/check.py "$@"
}

# Excuses are annotations checkov.io/skipN: CHECK=reason.
secure() { # <file>...
    local file files=()
    for file in "$@"; do files+=(--file "$file"); done
    "$python" -m checkov.main --framework kubernetes --skip-download --quiet --compact "${files[@]}"
}

excused() { # <file>...
    ! grep -hE 'checkov\.io/skip[0-9]+: *"?CKV[A-Z0-9_]+=? *"?$' "$@"
}

image() { # <Dockerfile>
    "$tools/hadolint" --failure-threshold info "$1" \
        && "$python" -m checkov.main --framework dockerfile --skip-download --quiet --compact --file "$1"
}

# What a check says of a broken file has to have the given words.
finds() { # <words> <check> <file>
    local words=$1 output
    shift
    if output=$("$@" 2>&1); then
        say "$1 takes what is broken: $words"
        return 1
    fi
    grep -qF -- "$words" <<<"$output" || { say "$1 says of something broken not \"$words\" but: $output"; return 1; }
}

# The rendered file with one thing changed. That it changed is made sure.
broken() { # <sed script> <file>
    sed -E "$1" "$2" >"$rendered/broken.yaml"
    ! cmp -s "$2" "$rendered/broken.yaml" || { say "nothing of $2 is like $1"; return 1; }
}

check_checks() {
    local all=$rendered/production.yaml
    mkdir -p "$rendered/broken"
    cat >"$rendered/broken/kustomization.yaml" <<<'resources: [nothing.yaml]'
    finds "nothing.yaml" render "$rendered/broken" /dev/null
    broken 's/^( +)readOnlyRootFilesystem: true/\1readOnlyRootFileSystem: true/' "$all"
    finds "readOnlyRootFileSystem" valid "$rendered/broken.yaml"
    broken 's/^( +)maxUnavailable: 0$/&\n\1maxUnavailble: 0/' "$all"
    finds "maxUnavailble" valid "$rendered/broken.yaml"
    broken 's/minReplicaCount/minReplicas/' "$all"
    finds "minReplicas" custom "$rendered/broken.yaml"
    broken 's/jobLabel/joblabel/' "$all"
    finds "joblabel" custom "$rendered/broken.yaml"
    broken 's/^( +)issuerRef:/\1issuer:/' "$all"
    finds "issuerRef" custom "$rendered/broken.yaml"
    broken 's/type: PathPrefix/type: Prefix/' "$all"
    finds "Prefix" custom "$rendered/broken.yaml"
    broken 's/^kind: ScaledObject/kind: ScaledThing/' "$all"
    finds "no schema" custom "$rendered/broken.yaml"
    # The second: an excuse is needed where it stands.
    broken 's/readOnlyRootFilesystem: true/readOnlyRootFilesystem: false/; s/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/; s/CKV_K8S_11=a CPU/CKV_K8S_1=a CPU/' "$all"
    secure "$rendered/broken.yaml" >"$rendered/broken.txt" || true
    local check
    for check in CKV_K8S_22 CKV_K8S_20 CKV_K8S_11; do
        grep -qF "$check:" "$rendered/broken.txt" || { say "secure does not find $check"; return 1; }
    done
    broken 's/CKV_K8S_15=.*/CKV_K8S_15=/' "$all"
    finds "CKV_K8S_15" excused "$rendered/broken.yaml"
    broken 's/^(FROM [^ ]+):[^ ]+/\1:latest/; s/^USER .*//' Dockerfile
    mv "$rendered/broken.yaml" "$rendered/broken/Dockerfile"
    finds "DL3007" image "$rendered/broken/Dockerfile"
}

[ -x "$tools/kubectl" ] && [ -x "$python" ] || { say "scripts/install-servers.sh manifests comes first"; exit 1; }
rm -rf "$rendered"
mkdir -p "$rendered"
files=()
for overlay in k8s/overlays/*/; do
    name=$(basename "$overlay")
    render "$overlay" "$rendered/$name.yaml"
    files+=("$rendered/$name.yaml")
done
valid "${files[@]}"
custom "${files[@]}"
secure "${files[@]}"
excused "${files[@]}"
image Dockerfile
check_checks
say "${#files[@]} overlays are well, and the checks find what is broken"
