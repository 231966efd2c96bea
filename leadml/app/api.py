"""HTTP API and server of the page: score, explain, models, publish. Nothing that is sent is kept."""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import html
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from leadml.app.scoring import LeadScorer
from leadml.card.record import Card
from leadml.exceptions import LeadmlError, ModelRefError, StoreError, UsageError

T = TypeVar("T")
Store = str | os.PathLike[str] | None
MAX_BYTES = 20 << 20
MAX_SECONDS = 60.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KINDS = {"text/csv": ".csv", "application/vnd.apache.parquet": ".parquet", "application/x-ndjson": ".jsonl"}
KINDS |= {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx"}
"""Content types of files that `/score` takes."""


class _Refused(Exception):
    """A request that is answered by a status and one sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Models:
    """Models of the store, loaded once; what was promoted since is seen by the history's time of change."""

    def __init__(self, store: Store) -> None:
        from leadml.registry.versions import store_folder

        self.store, self.root = store, Path(store_folder(store))
        self._kept: dict[tuple[str, int], LeadScorer] = {}

    def names(self) -> list[str]:
        """Names of the models."""
        return sorted(each.parent.name for each in self.root.glob("*/history.jsonl"))

    def get(self, ref: str | None) -> LeadScorer:
        """The card that a reference names, bound to its mapping; the only model of the store by default."""
        from leadml.registry.versions import parse_ref
        from leadml.scoring.face import load_model

        if ref is None:
            names = self.names()
            if len(names) != 1:
                raise UsageError(f"model: {len(names)} models are in the store, name one: {', '.join(names)}")
            ref = names[0]
        name, _ = parse_ref(ref)
        try:
            key = (ref, (self.root / name / "history.jsonl").stat().st_mtime_ns)
        except OSError:
            raise ModelRefError(f"model: no {ref!r} in the store; it has {', '.join(self.names())}") from None
        if key not in self._kept:
            model = load_model(ref, self.store)
            if model.card is None:
                raise UsageError(f"model: {ref} is a classifier; the API scores by cards")
            self._kept = {k: v for k, v in self._kept.items() if k[0] != ref} | {
                key: LeadScorer(model.card, model.mapping)
            }
        return self._kept[key]


def make_app(store: Store = None, token: str | None = None, now: Callable[[], str] | None = None) -> FastAPI:
    """The application; `now` tells the time that a published version is stamped with."""
    about = "Score leads by a card, explain, publish."
    app = FastAPI(title="leadml", description=about, docs_url=None, redoc_url=None)
    models = Models(store)
    _add_scoring(app, models)
    _add_store(app, store, now or _now)
    _add_pages(app, models)

    async def refuse(request: Request, error: Exception) -> Response:  # noqa: ARG001
        status = 404 if isinstance(error, ModelRefError) else 422
        return _json({"detail": str(error)}, getattr(error, "status", status))

    for kind in (_Refused, LeadmlError):
        app.add_exception_handler(kind, refuse)
    app.add_middleware(_Guard, token=token)
    return app


def _add_scoring(app: FastAPI, models: Models) -> None:
    @app.post("/score", summary="Score one lead or many (JSON), or a file (CSV, Parquet, JSON lines, Excel)")
    async def score(request: Request, model: str | None = None) -> Response:
        scorer, body = models.get(model), await _body(request)
        kind, accept = (request.headers.get(each, "") for each in ("content-type", "accept"))
        kind = kind.partition(";")[0].strip().lower()
        if kind in KINDS:
            return await _in_time(lambda: _score_file(scorer, body, KINDS[kind], accept))
        given = _parsed(body, "one lead as {column: value}, or a list of leads; a file by its content type")
        if isinstance(given, dict):  # one lead takes less than handing it to a thread
            return _json(scorer.one(given))
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise _Refused(422, "leads: valid is {column: value}, or a list of these")
        return _json(await _in_time(lambda: scorer.many(given)))

    @app.get("/explain", summary="Explain one lead: its columns as parameters beside `model`")
    async def explain(request: Request, model: str | None = None) -> Response:
        scorer = models.get(model)
        lead = {name: value for name, value in request.query_params.items() if name not in ("model", "token")}
        return _json({"model": scorer.card.model, "lines": scorer.explain(lead)})


def _add_store(app: FastAPI, store: Store, now: Callable[[], str]) -> None:
    @app.get("/models", summary="Models of the store")
    async def list_models() -> Response:
        from leadml.registry.versions import list_versions

        found = [(each.ref, each.status, each.manifest.created_at) for each in list_versions(store_root=store)]
        return _json([dict(zip(("model", "status", "created_at"), each, strict=True)) for each in found])

    @app.post("/publish", summary="Publish a draft: {draft, by, because}; with `in_use` it is promoted, too")
    async def publish(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise _Refused(415, "content-type: valid is application/json")
        given = _parsed(await _body(request), "{draft, by, because}")
        if not isinstance(given, dict) or not isinstance(given.get("draft"), dict):
            raise _Refused(422, "draft: valid is a card as the page saves it")
        return _json(await _in_time(lambda: _publish(given, store, now())))


def _add_pages(app: FastAPI, models: Models) -> None:
    @app.get("/", response_class=HTMLResponse, summary="The page")
    async def page(request: Request, model: str | None = None) -> HTMLResponse:
        if model is None and len(models.names()) != 1:
            links = [str(request.url.include_query_params(model=each)) for each in models.names()]
            return HTMLResponse(_plain_page("Models", links))
        return HTMLResponse(await _in_time(lambda: _page_of(models.get(model).card, models.root)))

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        listed = [(path, *each) for path, verbs in app.openapi()["paths"].items() for each in verbs.items()]
        lines = [f"{verb.upper()} {path}: {what['summary']}" for path, verb, what in listed]
        return HTMLResponse(_plain_page("HTTP API of leadml", [*lines, str(request.url.replace(path="/openapi.json"))]))


class _Guard:
    """Asks for the token where one is set; else answers only what was sent to this machine by its own name."""

    def __init__(self, app: Any, token: str | None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (detail := self._fault(scope)):
            await _json({"detail": detail[1]}, detail[0])(scope, receive, send)  # type: ignore[arg-type]
            return
        await self.app(scope, receive, send)

    def _fault(self, scope: Mapping[str, Any]) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        if self.token is None:
            host = headers.get(b"host", b"").decode("latin-1")
            name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
            # Another name that leads here is another site's (DNS rebinding).
            return None if name in LOOPBACK else (421, f"host: got {name!r}, valid are {', '.join(LOOPBACK)}")
        from urllib.parse import parse_qs

        given = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")
        given = given.strip() or parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if hmac.compare_digest(given.encode(), self.token.encode()):
            return None
        return 401, "a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN"


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise _Refused(413, f"at most {MAX_BYTES >> 20} MB are taken at once; use leadml predict for more")
        parts.append(part)
    return b"".join(parts)


async def _in_time(work: Callable[[], T]) -> T:
    """Run beside other requests; who waits is answered in time, whatever becomes of the work."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(work), MAX_SECONDS)
    except TimeoutError:
        raise _Refused(503, f"this takes longer than {MAX_SECONDS:.0f} s; use leadml predict") from None


def _parsed(body: bytes, valid: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _Refused(422, f"the body is no JSON; valid is {valid}") from None


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), status, media_type="application/json")


def _score_file(scorer: LeadScorer, body: bytes, suffix: str, accept: str) -> Response:
    """Score a file that lies on disk only while it is read."""
    from leadml.scoring.face import predict

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(body)
        frame = predict(path, scorer.mapping, scorer.card)
    if "text/csv" in accept:
        return Response(frame.to_csv(index=False), media_type="text/csv", headers={"x-model": scorer.card.model})
    rejected = json.loads(frame.attrs["rejected"].to_json(orient="records"))
    return _json(
        {"model": scorer.card.model, "leads": json.loads(frame.to_json(orient="records")), "rejected": rejected}
    )


def _publish(given: Mapping[str, Any], store: Store, at: str) -> dict[str, Any]:
    from leadml.registry.promote import promote
    from leadml.registry.publish import publish

    by = " ".join(str(given.get("by") or "").split())
    if not by:
        raise _Refused(422, "by: nobody is named who changed it")
    because = str(given.get("because") or "")
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.json"
        draft.write_text(json.dumps(given["draft"]), encoding="utf-8")
        done = publish(draft, because=because, by=by, at=at, store_root=store)
    comparison = done.comparison.sentence if done.comparison else ""
    refused, asked = "", given.get("in_use") is True
    if asked:
        try:
            promote(done.version.ref, because=because, at=at, store_root=store)
        except StoreError as error:  # the version is stored all the same
            refused = str(error)
    said = {"comparison": comparison, "refused": refused, "messages": list(done.messages)}
    return {"model": done.version.ref, "in_use": asked and not refused, **said}


def _page_of(card: Card, root: Path) -> str:
    """The page of the newest calibration that a model keeps, beside the card in use."""
    from leadml.app.page import page_data, render_page

    numbers = sorted((int(each.parent.name) for each in (root / card.name).glob("*/result.json")), reverse=True)
    if not numbers:
        raise UsageError(
            f"{card.name}: keeps no calibration that a page could show; calibrate again with --name {card.name}"
        )
    data = page_data(root / card.name / str(numbers[0]))
    return render_page(dataclasses.replace(data, model=card.name, champion=card, in_use="champion", served=True))


def _plain_page(title: str, lines: list[str]) -> str:
    """A list; what is an address is a link. Nothing is loaded from elsewhere."""
    texts = [(html.escape(line), line.startswith("http")) for line in lines]
    items = "".join(f'<li><a href="{text}">{text}</a>' if is_link else f"<li>{text}" for text, is_link in texts)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    return f"{head}<h1>{title}</h1><ul>{items}</ul>"


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")


def serve(host: str = "127.0.0.1", port: int = 8008, token: str | None = None, store: Store = None) -> None:
    """Serve until interrupted; anything but loopback asks for a token."""
    import uvicorn

    if host not in LOOPBACK and not token:
        raise UsageError(f"--host {host}: others could reach it, so give --token (or LEADML_TOKEN) as well")
    uvicorn.run(
        make_app(store, token), host=host, port=port, log_level="warning", access_log=False, server_header=False
    )
