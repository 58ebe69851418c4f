"""Weights fetched from a hub that misbehaves: one clear error, or the whole file in the end."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

COMMIT = "c" * 40
HEADER = b'{"a":{"dtype":"F32","shape":[50000],"data_offsets":[0,200000]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + os.urandom(200_000)
UNET = "unet/diffusion_pytorch_model.safetensors"
FILES = {
    "model_index.json": json.dumps(
        {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    ).encode(),
    "unet/config.json": b"{}",
    UNET: WEIGHTS,
}
FETCH = """
import sys
from benchmark.errors import BenchError
from benchmark.generation.weights import check_files, fetch
try:
    folder = fetch("owner/name", None)
    check_files(folder, None, "prepare")
except BenchError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


class Hub(ThreadingHTTPServer):
    """A hub of one model; ``fault`` says how the weights are served."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault, self.asked = "", Counter[str]()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if "/tree/" in self.path:
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": "a" * 40}
                for name, data in FILES.items()
            ]
            self.send(200, json.dumps(tree).encode(), Content_Type="application/json")
            return
        if self.path.startswith("/api/models/owner/name"):
            names = [{"rfilename": name} for name in FILES]
            value = {"id": "owner/name", "modelId": "owner/name", "sha": COMMIT, "siblings": names}
            self.send(200, json.dumps(value).encode(), Content_Type="application/json")
            return
        name = self.path.split(f"/resolve/{COMMIT}/")[-1]
        data = FILES.get(name)
        if data is None:
            self.send(404, b"", X_Error_Code="EntryNotFound")
            return
        digest = hashlib.sha256(data).hexdigest()
        headers = {"ETag": f'"{digest}"', "X_Repo_Commit": COMMIT, "Accept_Ranges": "bytes"}
        if self.command == "GET" and name == UNET:
            self.server.asked[self.server.fault] += 1
            return self.weights(data, headers)
        return self.send(200, data, **headers)

    def weights(self, data: bytes, headers: dict[str, str]) -> None:
        first = self.server.asked[self.server.fault] == 1
        begin = int(self.headers.get("Range", "bytes=0-").split("=")[1].split("-")[0])
        fault = self.server.fault
        if fault == "busy" and first:
            return self.send(503, b"", Retry_After="0")
        if fault == "gone":
            return self.send(503, b"")
        part, status = data[begin:], 206 if begin else 200
        whole = str(len(part))
        if fault == "short":
            part = part[: len(part) // 2]
            whole = str(len(part))
        elif fault == "long":
            part = part + b"more"
            whole = str(len(part))
        elif fault in ("torn", "torn once") and (first or fault == "torn"):
            part = part[: len(part) // 2]
        self.send(status, part, **headers, Content_Length=whole)
        if fault == "hang":
            time.sleep(30)
        self.close_connection = True
        return None


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(hub: Hub, folder: Path) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {
        "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / "hub"),
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_HUB_DOWNLOAD_TIMEOUT": "2",
        "HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "no_proxy": "*",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FETCH], cwd=folder, env=env, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip


def whole(folder: Path) -> list[bytes]:
    """Contents of what counts as fetched."""
    return [path.read_bytes() for path in folder.rglob(f"snapshots/*/{UNET}")]


@pytest.mark.parametrize("fault", ["torn once", "busy"])
def test_a_fault_that_passes_is_overcome(fault: str, hub: Hub, tmp_path: Path) -> None:
    hub.fault = fault
    done = fetch(hub, tmp_path)
    if done.returncode:
        assert done.stderr.count("Expected to fetch owner/name") == 1
        done = fetch(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert whole(tmp_path) == [WEIGHTS]
    assert hub.asked[fault] >= 2


@pytest.mark.parametrize("fault", ["gone", "short", "long"])
def test_a_fault_that_stays_is_one_error_and_nothing_half_counts(
    fault: str, hub: Hub, tmp_path: Path
) -> None:
    hub.fault = fault
    done = fetch(hub, tmp_path)
    assert done.returncode in (3, 4), done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith(("Expected to fetch owner/name", "Expected a weights file of"))
    assert "Traceback" not in done.stderr and "; " in line
    hub.fault = ""
    again = fetch(hub, tmp_path)
    if again.returncode == 4:
        # what was kept is named, and is fetched again once it is deleted
        [path] = tmp_path.rglob(f"snapshots/*/{UNET}")
        path.resolve().unlink()
        again = fetch(hub, tmp_path)
    assert again.returncode == 0, again.stderr
    assert whole(tmp_path) == [WEIGHTS]


def test_no_hub_at_all_is_said_in_seconds(hub: Hub, tmp_path: Path) -> None:
    hub.server_close()
    begun = time.monotonic()
    done = fetch(hub, tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("Expected to fetch owner/name at revision None, but got ")
    assert time.monotonic() - begun < 30
