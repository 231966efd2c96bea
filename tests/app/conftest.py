import functools
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import app_sample as sample


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with an export, its calibration (found/), the store and page.html with open leads."""
    from leadml.app.page import write_page

    folder = tmp_path_factory.mktemp("app")
    sample.calibrate(folder)
    write_page(folder / "found", folder / "page.html", leads=folder / "leads.csv")
    return folder


@pytest.fixture
def open_page(browser, made):
    """Open a page at a width; a script error, a refused script or any request of the network is a fault."""
    opened = []

    def show(path=made / "page.html", width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        context.set_default_timeout(5000)
        page = context.new_page()
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        own = ("file:", "data:", "blob:", "http://127.0.0.1")
        page.on("request", lambda asked: None if asked.url.startswith(own) else faults.append(asked.url))
        page.goto(path if isinstance(path, str) else path.as_uri())
        opened.append((context, faults))
        return page

    yield show
    for context, faults in opened:
        assert not faults
        context.close()


@pytest.fixture(scope="session")
def served(made):
    """The app on a port of its own, as users run it: (base URL, ask)."""
    from leadml.app.api import make_app

    store = shutil.copytree(made / "store", made / "served")
    app = make_app(store, now=lambda: "2026-02-01T00:00:00+00:00")
    with sample.serving(app) as base:
        yield base, functools.partial(sample.ask, base)
