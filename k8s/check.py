"""Checks custom resources of rendered manifests against the schemas in k8s/schemas/: check.py FILE...

kubernetes-validate knows the cluster's own kinds only, and passes over all others. A kind that neither knows is an
error, so that nothing goes unchecked.
"""

import json
import sys
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

SCHEMAS = {
    path.stem: Draft202012Validator(json.loads(path.read_text()))
    for path in (Path(__file__).parent / "schemas").glob("*.json")
}
# Groups that belong to Kubernetes itself; those of others have a domain of their own.
OWN_GROUPS = ("k8s.io",)
OTHERS = ("gateway.networking.k8s.io",)


def is_own(resource):
    group = resource["apiVersion"].rpartition("/")[0]
    return group not in OTHERS and ("." not in group or group.endswith(OWN_GROUPS))


def errors(resource):
    if is_own(resource):
        return
    validator = SCHEMAS.get(resource["kind"])
    if validator is None:
        yield f"there is no schema of {resource['apiVersion']} {resource['kind']}"
        return
    for error in validator.iter_errors(resource):
        yield f"{error.json_path}: {error.message}"


def main():
    found = checked = 0
    for name in sys.argv[1:]:
        for resource in yaml.safe_load_all(Path(name).read_text()):
            checked += not is_own(resource)
            for error in errors(resource):
                found += 1
                print(f"{name}: {resource['kind']} {resource['metadata']['name']}: {error}", file=sys.stderr)
    print(f"{checked} custom resources checked, {found} errors")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
