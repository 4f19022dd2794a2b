from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asking import address_of, ask
from tests.browser import CHROMIUM, Browser
from tests.conftest import HttpApp, Manifest, Start
from tests.manifests import configmap, put
from tests.running import Running, eventually, program

HOSTILE = '"><img src=x onerror=document.title="taken"><script>document.title="taken"</script>\'&amp;{{7*7}}'
# The brightness of a colour as the page computes it, and the contrast of two (WCAG 2.2, "contrast ratio").
CONTRAST = """
(() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(v => v / 255).map(
    v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { while (e) { const c = getComputedStyle(e).backgroundColor;
    if (c !== "rgba(0, 0, 0, 0)") return c; e = e.parentElement; } };
  return Math.min(...[...document.querySelectorAll("body *")].filter(e => e.innerText && e.children.length === 0).map(e => {
    const a = light(getComputedStyle(e).color), b = light(ground(e));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));
})()
"""

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests here."""
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def rolled_back(start: Start, manifest: Manifest, root: Path, http_app: HttpApp) -> Running:
    """A program whose app has taken one configuration, has said no to the next, and has gone back."""
    url, _ = http_app(root / "key", 200, 500, 200)
    options = (f"--configroot={root}", f"--reload-http={url}", "--reload-interval=0")
    running = start("--listen=127.0.0.1:0", f"--manifest={manifest(key='one')}", *options)
    running.wait_for_event("config.applied")
    manifest(key="two", **{"other.conf": "x" * 5000})
    running.wait_for_event("config.rolled_back")
    eventually(lambda: len(ask(address_of(running), "/status.json").json["config"]["outcomes"]) == 2, "both are on the board")
    return running


@needs_chromium
def test_it_says_first_what_a_person_at_night_wants_to_know(browser: Browser, rolled_back: Running) -> None:
    """Is what I pushed live, and if not, why not: by sight, and for a screen reader."""
    browser.open(f"http://{address_of(rolled_back)}/")
    spoken = browser.accessible()

    assert browser.problems == []
    assert ("heading", "What is wanted is not live") in spoken
    assert {name for role, name in spoken if role == "region"} == {"Probes", "Configuration", "Sources", "What happened", "Files"}
    assert {name for role, name in spoken if role == "table"} == {"Sources", "Files"}
    assert {"Source", "State", "Last contact", "Last error", "Path", "Size"} <= {
        name for role, name in spoken if role == "columnheader"
    }
    assert [name for role, name in spoken if role == "link"] == ["refresh every 10 s", "as data", "metrics"]
    text = browser.evaluate("document.body.innerText")
    assert "answers 500" in text
    assert re.search(r"rolled back\s+[0-9a-f]{12}", text)
    assert re.search(r"applied\s+[0-9a-f]{12}", text)
    assert re.search(r"key\s+3 B\s+0666\s+[0-9a-f]{12}", text)
    assert "deliver" in text


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_it_can_be_read_light_and_dark_narrow_and_wide(
    browser: Browser, rolled_back: Running, width: int, scheme: str, tmp_path: Path
) -> None:
    """Nothing sticks out, every text has a contrast of 4.5 at least, and the two schemes differ."""
    browser.look(width, 900, scheme)
    browser.open(f"http://{address_of(rolled_back)}/")
    browser.screenshot(tmp_path / f"page-{width}-{scheme}.png")

    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(CONTRAST) >= 4.5
    brightness = browser.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (brightness > 128) == (scheme == "light")


@needs_chromium
def test_a_hostile_name_does_not_run(browser: Browser, start: Start, root: Path, tmp_path: Path) -> None:
    """Of a ConfigMap, a key, a manifest and a reason: all are shown as they are written."""
    name = HOSTILE.replace("/", "")
    path = put(tmp_path / f"{name}.yaml", configmap(HOSTILE, {name: "x", "b": "y"}))
    running = start("--listen=127.0.0.1:0", f"--manifest={path}", f"--configroot={root}", command=program("show_signals"))
    running.wait_for_event("config.applied")
    put(path, configmap(HOSTILE, {f"..{HOSTILE}": "x"}))
    running.wait_for_event("config.refused")
    browser.open(f"http://{address_of(running)}/")

    assert browser.evaluate("document.querySelectorAll('script, img, iframe, object, link, form').length") == 0
    assert browser.evaluate("document.title").startswith("What is wanted is not live")
    assert browser.evaluate("document.body.innerText").count("onerror=document.title") >= 2
    assert browser.problems == []


@needs_chromium
def test_what_got_past_the_escapes_would_not_run_either(browser: Browser, rolled_back: Running) -> None:
    """The policy lets no script, no other style, no image and no connection through."""
    browser.open(f"http://{address_of(rolled_back)}/")
    browser.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\"><style>body{color:red}</style>');"
        "const s = document.createElement('script'); s.textContent = 'document.title = 2'; document.body.append(s);"
        "fetch('/livez').catch(() => { document.title += ' cut off' })"
    )
    eventually(lambda: browser.evaluate("document.title").endswith("cut off"), "the connection is refused")

    assert browser.evaluate("document.title").startswith("What is wanted is not live")
    assert len([problem for problem in browser.problems if "Content Security Policy" in problem]) >= 4


@needs_chromium
def test_it_needs_no_scripts(browser: Browser, rolled_back: Running) -> None:
    """It is the same without, and what unfolds does so without."""
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(f"http://{address_of(rolled_back)}/?refresh")
    spoken = browser.accessible()
    browser.call("Emulation.setScriptExecutionDisabled", value=False)

    assert ("heading", "What is wanted is not live") in spoken
    assert ("link", "stop refreshing") in spoken


def test_no_content_is_in_it(start: Start, manifest: Manifest, root: Path) -> None:
    """Neither in the page nor in the data nor in the metrics."""
    running = start(
        "--listen=127.0.0.1:0", f"--manifest={manifest(key='canary-1')}", f"--configroot={root}", "--reload-interval=0"
    )
    running.wait_for_event("config.applied")
    manifest(key="canary-2", other="canary-3")
    running.wait_for_event("config.applied", times=2)
    address = address_of(running)

    for path in ("/", "/status.json", "/metrics", "/readyz"):
        assert b"canary" not in ask(address, path).body


def test_the_same_is_there_as_data(rolled_back: Running) -> None:
    """Versioned, with every field that the README names."""
    data = ask(address_of(rolled_back), "/status.json").json

    assert data["version"] == 1
    assert data["config"]["live"]["revision"] != data["config"]["wanted"]["revision"]
    assert data["config"]["in_sync"] is False
    assert "answers 500" in data["config"]["reason"]
    last, first = data["config"]["outcomes"]
    assert (last["verdict"], first["verdict"]) == ("rolled back", "applied")
    assert sorted((change["path"], change["what"], change["bytes"]) for change in last["changed"]) == [
        ("key", "changed", 3),
        ("other.conf", "added", 5000),
    ]
    assert {file["path"]: file["bytes"] for file in data["config"]["files"]} == {"key": 3}


def test_fifty_outcomes_are_kept(start: Start, manifest: Manifest, root: Path) -> None:
    """The newest first."""
    running = start("--listen=127.0.0.1:0", f"--manifest={manifest(key='0')}", f"--configroot={root}", "--reload-interval=0")
    for number in range(1, 56):
        running.wait_for_event("config.applied", times=number)
        manifest(key=str(number))
    running.wait_for_event("config.applied", times=56)
    address = address_of(running)
    newest = running.events("config.applied")[-1]["revision"]
    eventually(lambda: ask(address, "/status.json").json["config"]["outcomes"][0]["revision"] == newest, "the last one is there")

    assert len(ask(address, "/status.json").json["config"]["outcomes"]) == 50
