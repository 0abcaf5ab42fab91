"""
Pages without the web app: that of a shared recording, for people without an account, and the
one that tells what went wrong.

The first holds nothing of the recording; its script asks for what the link shows, and writes
it with ``textContent``.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; --bg: #fbfbfd; --card: #fff; --ink: #17171d; --soft: #666674;
  --line: #e6e6ee; --accent: #5b47e0; --warn: #9a5b00; --hover: #f4f3fd; }
@media (prefers-color-scheme: dark) { :root { --bg: #121217; --card: #1a1a21; --ink: #ececf2;
  --soft: #9a9aaa; --line: #2a2a35; --accent: #a99cff; --warn: #f0b35c; --hover: #211f30; } }
* { box-sizing: border-box; }
html, body { margin: 0; min-height: 100%; }
body { background: var(--bg); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
a { color: inherit; text-decoration: none; }
header.top { display: flex; flex-wrap: wrap; gap: 10px 20px; align-items: center;
  padding: 14px clamp(14px, 4vw, 40px); border-bottom: 1px solid var(--line);
  background: var(--card); }
.brand { font-weight: 650; font-size: 16px; letter-spacing: -.01em; display: flex; gap: 8px;
  align-items: center; }
.brand svg { display: block; color: var(--accent); }
.soft { color: var(--soft); }
main { padding: 18px clamp(14px, 4vw, 40px) 60px; max-width: 1280px; margin: 0 auto; }
"""

_LOGO: Final = (
    '<svg width="20" height="20" viewBox="0 0 20 20" fill="none" aria-hidden="true">'
    '<path d="M3 10a7 7 0 1 0 2.4-5.3" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round"/><path d="M5.6 1.5v3.4H9" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round"/><path d="M8.4 7.2v5.6l4.6-2.8z" '
    'fill="currentColor"/></svg>'
)


SHARED_SCRIPT: Final = """\
// The page of a link: asks for the password, starts the player, lists what the link shows.
// In a frame the player itself listens to the page around it (its attribute `embed`).
const page = document.body.dataset;
const base = `/shared/${page.token}`;
const player = document.querySelector("replayport-player");
const list = document.querySelector(".feed");
const form = document.querySelector("form");
const said = document.querySelector(".said");

async function start(grant) {
  const query = grant ? `?grant=${encodeURIComponent(grant)}` : "";
  const answer = await fetch(`${base}/recording${query}`);
  const about = await answer.json();
  if (!answer.ok) {
    said.textContent = about.error;
    return;
  }
  if (form) form.hidden = true;
  player.hidden = false;
  if (about.assets_url) player.setAttribute("assets", about.assets_url);
  const from = Number(new URLSearchParams(location.search).get("t"));
  if (Number.isFinite(from) && from > 0) player.setAttribute("start-ms", String(from));
  player.setAttribute("src", about.events_url);
  for (const feed of about.feeds) await show(feed, query, about.start_ms);
}

async function show(feed, query, startMs) {
  const answer = await fetch(`${base}/feeds/${feed}${query ? `${query}&` : "?"}limit=1000`);
  if (!answer.ok || !list) return;
  for (const row of (await answer.json()).items) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const at = document.createElement("span");
    const ms = Math.max(row.timestamp_ms - startMs, 0);
    at.className = "num soft";
    at.textContent = clock(ms);
    const text = document.createElement("span");
    text.textContent = row.text ?? `${row.method} ${row.status || "–"} ${row.url}`;
    if (row.level === "error" || row.is_error) text.className = "bad";
    button.append(at, text);
    button.addEventListener("click", () => player.seek(ms));
    item.append(button);
    item.dataset.ms = String(ms);
    const after = [...list.children].find((other) => Number(other.dataset.ms) > ms);
    list.insertBefore(item, after ?? null);
  }
  list.hidden = list.children.length === 0;
}

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

if (form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await fetch(`${base}/unlock`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ password: form.elements.namedItem("password").value }),
    });
    const body = await answer.json();
    if (answer.ok) await start(body.grant);
    else said.textContent = body.error;
  });
} else {
  start("");
}
"""

_FORM_STYLE: Final = """
main.form { max-width: 380px; padding-top: 12vh; }
main.form h1 { font-size: 22px; letter-spacing: -.02em; margin: 14px 0 4px; }
main.form label { display: block; margin-top: 14px; font-weight: 550; }
main.form input { width: 100%; font: inherit; color: inherit; padding: 9px 12px; margin-top: 4px;
  border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
main.form input:focus-visible, button:focus-visible { outline: 2px solid var(--accent);
  outline-offset: 1px; }
main.form label .soft { font-weight: 400; }
main.form button { margin-top: 20px; width: 100%; font: inherit; font-weight: 600; padding: 10px;
  border: 0; border-radius: 8px; background: var(--accent); color: var(--card); cursor: pointer; }
main.form button:disabled { opacity: .6; }
.said { color: var(--warn); min-height: 1.5em; margin: 10px 0 0; }
"""

_SHARED_STYLE: Final = """
html, body { height: 100%; }
body { display: flex; flex-direction: column; }
.stage { flex: 1; min-height: 0; display: flex; }
replayport-player { flex: 1; min-width: 0; min-height: 0; }
[hidden] { display: none !important; }
.feed { list-style: none; margin: 0; padding: 6px 0; width: 320px; overflow: auto;
  border-left: 1px solid var(--line); background: var(--card); }
.feed button { display: flex; gap: 10px; width: 100%; padding: 5px 14px; border: 0; font: inherit;
  font-size: 13px; color: inherit; background: none; text-align: left; cursor: pointer; }
.feed button:hover { background: var(--hover); }
.feed button:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.feed span:last-child { overflow-wrap: anywhere; }
.bad { color: var(--warn); }
main.form[hidden] { display: none; }
body > .said { margin: 0; padding: 0 14px; min-height: 0; }
@media (max-width: 720px) {
  .stage { flex-direction: column; }
  .feed { width: auto; max-height: 38%; border-left: 0; border-top: 1px solid var(--line); }
}
"""


def shared_page(
    token: str,
    *,
    asks_password: bool,
    embedded: bool,
    parents: Sequence[str] = (),
    feeds: Sequence[str] = (),
) -> str:
    """
    Make the page of a link. It holds nothing of the recording: its script asks for that.

    Args:
        token: Of the link.
        asks_password: Show a field for it first.
        embedded: For a frame: no header, and it listens to the page around it.
        parents: Origins that may drive the player then.
        feeds: What it lists beside the player.
    """
    top = "" if embedded else f'<header class="top"><span class="brand">{_LOGO}</span></header>'
    form = ""
    if asks_password:
        form = """<form><main class="form"><h1>This replay asks for a password</h1>
<label>Password<input name="password" type="password" required autofocus></label>
<p class="said" role="alert"></p><button>Watch</button></main></form>"""
    said = "" if asks_password else '<p class="said" role="alert"></p>'
    listed = '<ul class="feed" aria-label="What happened" hidden></ul>' if feeds else ""
    embed = f'embed="{escape(" ".join(parents))}" ' if embedded else ""
    page = _page(
        "Session replay",
        f"""{top}{form}{said}<div class="stage">
<replayport-player {embed}{"hidden" if asks_password else ""}></replayport-player>{listed}</div>
<noscript><main>This page plays a recording and needs JavaScript.</main></noscript>
<script src="/static/player.js"></script><script src="/static/shared.js"></script>""",
        _STYLE + _FORM_STYLE + _SHARED_STYLE,
    )
    return page.replace("<body>", f'<body data-token="{escape(token)}">', 1)


_ERROR_TITLES: Final = {
    401: "Sign in first",
    403: "Not for you to see",
    404: "There is nothing here",
    410: "This link has ended",
    503: "Too busy just now",
}

_ERROR_STYLE: Final = """
main.error { max-width: 460px; padding-top: 16vh; text-align: center; }
main.error .brand { justify-content: center; }
main.error h1 { font-size: 24px; letter-spacing: -.02em; margin: 22px 0 6px; }
main.error p { margin: 0 0 22px; overflow-wrap: anywhere; }
main.error a { display: inline-block; padding: 9px 16px; border-radius: 8px; font-weight: 600;
  background: var(--accent); color: var(--card); }
main.error a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
"""


def error_page(status: int, message: str, *, has_home: bool) -> str:
    """
    Make the page that tells a person what went wrong.

    Args:
        status: Of the answer.
        message: What was seen, and what to do.
        has_home: Offer the way to the recordings; whoever came by a link has none.
    """
    title = _ERROR_TITLES.get(status, "That did not work")
    home = '<a href="/">All recordings</a>' if has_home else ""
    words = message[:1].upper() + message[1:]
    return _page(
        title,
        f"""<main class="error"><span class="brand">{_LOGO} replayport</span>
<h1>{title}</h1><p class="soft">{escape(words)} ({status})</p>{home}</main>""",
        _STYLE + _ERROR_STYLE,
    )


def _page(title: str, body: str, style: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} – replayport</title>
<link rel="icon" href="data:,">
<style>{style}</style></head>
<body>{body}</body></html>"""
