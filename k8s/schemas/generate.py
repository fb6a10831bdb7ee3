"""Writes the schemas beside it, of Python models that others generate from the operators' own definitions.

Needed only for a newer version of an operator, in an environment with:
cloudcoil-models-keda==2.16.1.0 cloudcoil-models-prometheus-operator==0.80.1.0 cloudcoil-models-cert-manager==1.17.1.0
(KEDA 2.16.1, Prometheus operator 0.80.1, cert-manager 1.17.1). HTTPRoute.json is written by hand, after the Gateway
API 1.2, as no package has it; of it there is only what is used here.
"""

import json
from pathlib import Path

from cloudcoil.models.cert_manager import v1 as cert_manager
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus

MODELS = [
    (keda.ScaledObject, "KEDA 2.16.1"),
    (prometheus.ServiceMonitor, "Prometheus operator 0.80.1"),
    (prometheus.PrometheusRule, "Prometheus operator 0.80.1"),
    (cert_manager.Certificate, "cert-manager 1.17.1"),
    (cert_manager.Issuer, "cert-manager 1.17.1"),
]
# What people read, and what the models fill in.
WORDS = ("title", "description", "default", "examples")


def strict(schema, is_names=False):
    """Without words; an object has no property that is not named. Names of properties are no words."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    choices = schema.get("anyOf", [])
    if not is_names and {"type": "null"} in choices:
        # A field that may be left out; nobody writes null.
        others = [choice for choice in choices if choice != {"type": "null"}]
        return strict(others[0] if len(others) == 1 else {"anyOf": others})
    kept = {
        key: strict(value, is_names=key in ("properties", "$defs"))
        for key, value in schema.items()
        if is_names or key not in WORDS
    }
    if not is_names and "properties" in kept:
        kept.setdefault("additionalProperties", False)
    return kept


for model, source in MODELS:
    schema = strict(model.model_json_schema(by_alias=True))
    # The status is the cluster's to fill in.
    schema["properties"].pop("status", None)
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    schema = {"$comment": f"{source}; written by generate.py", **schema}
    path = Path(__file__).with_name(f"{model.__name__}.json")
    path.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
