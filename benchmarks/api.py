"""One lead through the API in a warm process, beside an empty handler of the same uvicorn: medians in ms.

python benchmarks/api.py [STORE] [LEADS.csv]   (by default a store made on the fly from a documented rule)
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvicorn

from leadml.app.api import make_app
from leadml.card.build import documented_card
from leadml.frameworks.catalog import load_policy
from leadml.registry.versions import save_version

N = 1000


def ask(port: int, method: str, path: str, bodies: list[bytes]) -> tuple[float, float]:
    """Milliseconds of a request, median and fastest twentieth; sent in one piece on one kept connection."""
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    sent = [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    took = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(N):
            start = time.perf_counter()
            connection.sendall(sent[i % len(sent)])
            reply = connection.recv(1 << 16)
            while not reply.endswith((b"}", b"]")):
                reply += connection.recv(1 << 16)
            took.append(time.perf_counter() - start)
            if b" 200 " not in reply[:20]:
                raise SystemExit(reply.decode())
    took = sorted(took[N // 4 :])
    return statistics.median(took) * 1e3, took[len(took) // 20] * 1e3


def serve(store: Path, port: int) -> None:
    """The API, and a handler that does nothing."""
    app = make_app(store)
    app.add_api_route("/empty", empty, methods=["GET"])
    uvicorn.run(app, port=port, log_level="critical", access_log=False)


async def empty() -> dict[str, str]:
    """Do nothing."""
    return {}


def main(store: Path, leads: list[dict[str, str]]) -> None:
    """Serve in a process of its own and ask in turn."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(store, port), daemon=True)
    server.start()
    while socket.socket().connect_ex(("127.0.0.1", port)):
        time.sleep(0.1)
    bodies = [json.dumps(lead).encode() for lead in leads]
    for _ in range(3):
        nothing, score = ask(port, "GET", "/empty", [b""]), ask(port, "POST", "/score", bodies)
        told = [f"{each[0]:.2f} ms (fastest 5%: {each[1]:.2f})" for each in (nothing, score)]
        print(f"empty handler {told[0]}, one lead {told[1]}")
    server.terminate()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 2:
            found = list(csv.DictReader(Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()))
            main(Path(sys.argv[1]), found)
        else:
            card = documented_card(load_policy("bant-points"), created_at="2026-01-01")
            save_version("bant", card, at="2026-01-01", store_root=folder)
            main(Path(folder), [{"budget": str(i % 5), "authority": str(i // 5 % 5)} for i in range(25)])
