"""Values that the operations of the API description take."""

from __future__ import annotations

import httpx

from tui.sandbox.server import RunningSandbox

HELLO = "replicate/hello-world"


def good_values(sandbox: RunningSandbox, http: httpx.Client) -> dict[str, str]:
    """Path parameters that name something."""
    version = sandbox.core.registry.models[HELLO].versions[0].id
    body = {"version": version, "input": {"text": "x"}}
    prediction = http.post("predictions", json=body).json()
    training = http.post(
        f"models/{HELLO}/versions/{version}/trainings",
        json={"destination": "sandbox/my-lora", "input": {"text": "x"}},
    ).json()
    file = http.post("files", files={"content": ("a", b"x")}).json()
    http.post(
        "deployments",
        json={
            "name": "mine",
            "model": HELLO,
            "version": version,
            "hardware": "cpu",
            "min_instances": 0,
            "max_instances": 1,
        },
    )
    return {
        "model_owner": "replicate",
        "model_name": "hello-world",
        "version_id": version,
        "prediction_id": prediction["id"],
        "training_id": training["id"],
        "file_id": file["id"],
        "collection_slug": "training",
        "deployment_owner": "sandbox",
        "deployment_name": "mine",
    }
