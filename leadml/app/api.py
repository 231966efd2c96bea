"""HTTP API and server of the page: score, explain, models, publish. Nothing that is sent is kept."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hmac
import html
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, StringConstraints

from leadml import __version__
from leadml.app.page import page_data, render_page
from leadml.card.record import Card
from leadml.exceptions import InputError, LeadmlError, ModelRefError, UsageError
from leadml.registry.promote import promote
from leadml.registry.publish import publish as make_version
from leadml.registry.versions import HISTORY, list_versions, model_names, parse_ref, store_folder
from leadml.scoring.explaining import explain as explain_lead
from leadml.scoring.face import Model, load_model
from leadml.scoring.predicting import score_table
from leadml.scoring.scorer import Options

T = TypeVar("T")
Store = str | Path | None
MAX_BYTES = 20 << 20
MAX_DISCARDED = 200 << 20
MAX_SECONDS = 60.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KINDS = {"text/csv": ".csv", "application/vnd.apache.parquet": ".parquet", "application/x-ndjson": ".jsonl"}
KINDS |= {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx"}
"""Content types of files that `/score` takes."""
_LEAD = {
    "type": "object", "description": "One lead: {column of the CRM: value}", "example": {"Role": "Director"},
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}  # fmt: skip
_LEADS = {"oneOf": [_LEAD, {"type": "array", "items": _LEAD}]}
_FILES = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS}
SCORED = {"requestBody": {"required": True, "content": {"application/json": {"schema": _LEADS}, **_FILES}}}
"""What `/score` takes, for its description: it reads the body itself, since FastAPI takes one kind only."""
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Draft(BaseModel):
    """A card that was changed by hand."""

    draft: dict[str, Any] = Field(description="a card, as the page saves it")
    by: Said = Field(description="the name of who changed it")
    because: Said = Field(description="the reason, which is kept in the history")
    in_use: bool = Field(default=False, description="true to put it in use at once, false to store it")


class Published(BaseModel):
    """The version that was stored, and what it would change."""

    model: str
    in_use: bool
    comparison: str
    refused: str = Field(description="why it is not in use, where that was asked for")
    messages: list[str]


class Refused(BaseModel):
    """Why a request is not answered."""

    detail: str


@functools.lru_cache(maxsize=64)
def _loaded(ref: str, store: Store, changed: int) -> Model:  # noqa: ARG001
    """A model, loaded once until the history of its name changes: something may have been promoted."""
    return load_model(ref, store)


def model_of(ref: str | None, store: Store) -> Model:
    """The card of the store that a reference names; its only model by default."""
    names = model_names(store)
    if ref is None and len(names) != 1:
        raise UsageError(f"model: {len(names)} models are in the store, name one: {', '.join(names)}")
    ref = ref or names[0]
    try:
        history = store_folder(store) / parse_ref(ref)[0] / HISTORY
        return _loaded(ref, store, history.stat().st_mtime_ns)
    except (ModelRefError, OSError):
        valid = f"valid is NAME for its champion, or NAME@VERSION; it has {', '.join(names)}"
        raise ModelRefError(f"model: no {ref[:80]!r} in the store; {valid}") from None


def make_app(store: Store = None, token: str | None = None, now: Callable[[], str] | None = None) -> FastAPI:
    """The application; `now` tells the time that a published version is stamped with."""
    about = "Score leads by a card, explain, publish."
    refused: dict[int | str, dict[str, Any]] = {code: {"model": Refused} for code in (404, 422)}
    app = FastAPI(
        title="leadml", version=__version__, description=about, docs_url=None, redoc_url=None, responses=refused
    )  # fmt: skip

    @app.post("/score", summary="Score one lead or many (JSON), or a file", openapi_extra=SCORED)
    async def score(request: Request, model: str | None = None) -> Response:
        """One lead gives its columns; several, or a file, give {model, leads, rejected, n_closed}."""
        known, body = model_of(model, store), await request.body()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in KINDS:
            return _json(await _in_time(lambda: _score_file(known, body, KINDS[kind])))
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            valid = "one lead as {column: value}, or a list of leads; a file by its content type"
            raise HTTPException(422, f"the body is no JSON; valid is {valid}") from None
        if isinstance(given, dict):  # one lead takes less than handing it to a thread
            found = _score(known, [given], with_closed=True)
            if faults := found["rejected"]:
                raise InputError("; ".join(f"{each['column']}: {each['value']!r} {each['reason']}" for each in faults))
            return _json(found["leads"][0])
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise HTTPException(422, "leads: valid is {column: value}, or a list of these")
        return _json(await _in_time(lambda: _score(known, given)))

    @app.get("/explain", summary="Explain one lead: its columns as parameters beside `model`")
    async def explain(request: Request, model: str | None = None) -> dict[str, str | list[str]]:
        known = model_of(model, store)
        lead = {name: value for name, value in request.query_params.items() if name not in ("model", "token")}
        meaning = known.meaning_of(lead).model_copy(update={"lead_id": None})
        return {"model": known.estimator.model, "lines": explain_lead([lead], meaning, known, 1).split("\n")}

    @app.get("/models", summary="Models of the store")
    async def list_models() -> list[dict[str, str]]:
        return [{"model": e.ref, "status": e.status, "created_at": e.saved.at} for e in list_versions(store_root=store)]

    @app.post("/publish", summary="Publish a draft; with `in_use` it is promoted, too")
    async def publish(given: Draft, request: Request) -> Published:
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise HTTPException(415, "content-type: valid is application/json")  # another site's page may send others
        return await _in_time(lambda: _publish(given, store, (now or _now)()))

    @app.get("/", response_class=HTMLResponse, summary="The page")
    async def page(request: Request, model: str | None = None) -> HTMLResponse:
        if model is None and len(names := model_names(store)) != 1:
            links = [str(request.url.include_query_params(model=each)) for each in names]
            return HTMLResponse(_plain_page("Models", links))
        return HTMLResponse(await _in_time(lambda: _page_of(model_of(model, store).estimator, store)))

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        listed = [(path, *each) for path, verbs in app.openapi()["paths"].items() for each in verbs.items()]
        lines = [f"{verb.upper()} {path}: {what['summary']}" for path, verb, what in listed]
        return HTMLResponse(_plain_page("HTTP API of leadml", [*lines, str(request.url.replace(path="/openapi.json"))]))

    async def refuse(_: Request, error: LeadmlError) -> Response:
        status = 404 if isinstance(error, ModelRefError) else 422
        return _json({"detail": error.message.replace(f"{store_folder(store)}{os.sep}", "")}, status)

    async def refuse_fields(_: Request, error: RequestValidationError) -> Response:
        fields = Draft.model_fields
        said = [(str(each["loc"][-1]), each["msg"].lower()) for each in error.errors()]
        texts = [f"{name}: {text}; valid is {fields[name].description}" for name, text in said if name in fields]
        return _json({"detail": ". ".join(texts) or "the body is no JSON; valid is {draft, by, because}"}, 422)

    app.exception_handler(LeadmlError)(refuse)
    app.exception_handler(RequestValidationError)(refuse_fields)
    app.add_middleware(_Guard, token=token)
    return app


class _Guard:
    """Asks for the token where one is set; else answers only what was sent to this machine by its own name."""

    def __init__(self, app: Any, token: str | None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        fault, taken = self._fault(scope) if scope["type"] == "http" else None, 0

        async def receive_within() -> Any:  # what is sent in chunks does not say how much it is
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BYTES:
                await _discard(receive, message)
                raise HTTPException(*_too_much())
            return message

        if fault and fault[0] == 413:
            await _discard(receive, {"more_body": True})
        await (_json({"detail": fault[1]}, fault[0]) if fault else self.app)(scope, receive_within, send)

    def _fault(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if int(headers.get("content-length", 0)) > MAX_BYTES:
            return _too_much()
        if self.token is None:
            host = headers.get("host", "")
            name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
            # Another name that leads here is another site's (DNS rebinding).
            return None if name in LOOPBACK else (421, f"host: got {name!r}, valid are {', '.join(LOOPBACK)}")
        given = headers.get("authorization", "").removeprefix("Bearer ").strip()
        given = given or parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if hmac.compare_digest(given.encode(), self.token.encode()):
            return None
        return 401, "a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN"


def _too_much() -> tuple[int, str]:
    return 413, f"at most {MAX_BYTES >> 20} MB are taken at once; use leadml predict for more"


async def _discard(receive: Any, message: Mapping[str, Any]) -> None:
    """Let a request be sent to its end: who is cut off sees a broken connection, no answer."""
    taken = 0
    while message.get("more_body") and taken < MAX_DISCARDED:
        message = await receive()
        taken += len(message.get("body", b""))


async def _in_time(work: Callable[[], T]) -> T:
    """Run beside other requests; who waits is answered in time, whatever becomes of the work."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(work), MAX_SECONDS)
    except TimeoutError:
        raise HTTPException(503, f"this takes longer than {MAX_SECONDS:.0f} s; use leadml predict") from None


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), status, media_type="application/json")


@contextlib.contextmanager
def _file_of(name: str, content: bytes) -> Iterator[Path]:
    """What was sent, on disk only while it is read; no message names the folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            yield path
        except LeadmlError as error:
            raise HTTPException(422, error.message.replace(f"{folder}{os.sep}", "")) from None


def _score(model: Model, given: Sequence[Mapping[str, Any]] | Path, *, with_closed: bool = False) -> dict[str, Any]:
    """The columns of predict of each open lead that can be used, and why others cannot.

    Rows are counted as in a file, and from 1 in a list, which has no header.
    """
    found: dict[str, Any] = {"model": model.estimator.model, "leads": [], "rejected": [], "n_closed": 0}
    if not given:
        return found
    is_file = isinstance(given, Path)
    meaning = model.meaning_of(() if isinstance(given, Path) else {name for lead in given for name in lead})
    table, opened, found["n_closed"] = score_table(given, meaning, model.estimator, Options(with_closed=with_closed))
    rejected = [each | {"row": each["row"] - (not is_file)} for each in opened.rejections.to_dicts()]
    return found | {"leads": table.to_pylist(), "rejected": rejected}


def _score_file(model: Model, body: bytes, suffix: str) -> dict[str, Any]:
    with _file_of(f"upload{suffix}", body) as path:
        return _score(model, path)


def _publish(given: Draft, store: Store, at: str) -> Published:
    with _file_of("draft.json", json.dumps(given.draft).encode()) as draft:
        done = make_version(draft, because=given.because, by=" ".join(given.by.split()), at=at, store_root=store)
    ref, comparison, refused = done.version.ref, done.comparison, ""
    if given.in_use and comparison is not None and comparison.needs_force:
        refused = f"{ref} is stored, but not in use, as the deals speak against it."
    elif given.in_use:
        promote(ref, because=given.because, at=at, store_root=store)
    said, in_use = comparison.sentence if comparison else "", given.in_use and not refused
    return Published(model=ref, in_use=in_use, comparison=said, refused=refused, messages=list(done.messages))


def _page_of(card: Card, store: Store) -> str:
    """The page of the newest calibration that a model keeps, beside the champion."""
    versions = store_folder(store) / card.name
    numbers = [int(each.parent.name) for each in versions.glob("*/result.json")]
    if not numbers:
        raise UsageError(f"{card.name}: keeps no calibration that a page could show; calibrate it again")
    return render_page(page_data(versions / str(max(numbers)), name=card.name, store_root=store, served=True))


def _plain_page(title: str, lines: list[str]) -> str:
    """A list; what is an address is a link. Nothing is loaded from elsewhere."""
    texts = [(html.escape(line), line.startswith("http")) for line in lines]
    items = "".join(f'<li><a href="{text}">{text}</a>' if is_link else f"<li>{text}" for text, is_link in texts)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    return f"{head}<h1>{title}</h1><ul>{items}</ul>"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def serve(host: str = "127.0.0.1", port: int = 8008, token: str | None = None, store: Store = None) -> None:
    """Serve until interrupted; anything but loopback asks for a token."""
    import uvicorn

    if host not in LOOPBACK and not token:
        raise UsageError(f"--host {host}: others could reach it, so give --token (or LEADML_TOKEN) as well")
    uvicorn.run(
        make_app(store, token), host=host, port=port, log_level="warning", access_log=False, server_header=False
    )
