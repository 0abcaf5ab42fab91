"""
The pages as HTML: the list of recordings, the player, signing in, and a shared recording.

Plain pages: everything that came from a recording passes through `html.escape` here, and
through ``textContent`` in the scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import quote, urlencode

from replayport.catalog.base import RecordingRow
from replayport.recording import Manifest

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
form.search { margin-left: auto; display: flex; gap: 6px; flex: 0 1 340px; }
input[type=search] { flex: 1; min-width: 0; font: inherit; color: inherit; padding: 7px 12px;
  border: 1px solid var(--line); border-radius: 8px; background: var(--bg); }
input[type=search]:focus-visible, a:focus-visible { outline: 2px solid var(--accent);
  outline-offset: 1px; }
main { padding: 18px clamp(14px, 4vw, 40px) 60px; max-width: 1280px; margin: 0 auto; }
.rows { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line);
  border-radius: 12px; overflow: hidden; background: var(--card); }
.rows li + li { border-top: 1px solid var(--line); }
.rows a { display: grid; gap: 2px 18px; padding: 12px 16px; align-items: baseline;
  grid-template-columns: minmax(0, 1fr) 90px 70px 90px 170px; }
.rows a:hover { background: var(--hover); }
.page { display: flex; align-items: center; min-width: 0; }
.page b { font-weight: 550; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.who { grid-column: 1 / -1; font-size: 12.5px; color: var(--soft); overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tag { flex: none; white-space: nowrap; font-size: 11px; padding: 0 7px; border-radius: 99px;
  border: 1px solid var(--line); color: var(--soft); margin-left: 6px; }
.tag.live { color: #fff; background: #d92d3a; border-color: transparent; font-weight: 600; }
.shop { padding: 6px 14px; border-radius: 8px; background: var(--accent); color: var(--card);
  font-weight: 550; white-space: nowrap; }
.tag.warn { color: var(--warn); border-color: currentColor; }
.more { display: inline-block; margin-top: 16px; padding: 8px 14px; border-radius: 8px;
  border: 1px solid var(--line); background: var(--card); }
.empty { text-align: center; padding: 70px 20px; border: 1px dashed var(--line);
  border-radius: 12px; }
.empty code { background: var(--hover); padding: 3px 8px; border-radius: 6px; }
@media (max-width: 720px) {
  .rows a { grid-template-columns: minmax(0, 1fr) auto; }
  .rows .clicks, .rows .events { display: none; }
  .rows .when { grid-column: 1; text-align: left; color: var(--soft); font-size: 12.5px; }
  form.search { flex-basis: 100%; margin-left: 0; }
}
"""

_PLAYER_STYLE: Final = """
html, body { height: 100%; }
body { display: flex; flex-direction: column; }
replayport-player { flex: 1; min-height: 0; }
.facts { margin: 0; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
header.top { padding-block: 10px; flex-wrap: nowrap; }
.back { padding: 4px 10px; border: 1px solid var(--line); border-radius: 8px; white-space: nowrap; }
@media (max-width: 720px) { .brand span { display: none; } }
"""

_LOGO: Final = (
    '<svg width="20" height="20" viewBox="0 0 20 20" fill="none" aria-hidden="true">'
    '<path d="M3 10a7 7 0 1 0 2.4-5.3" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round"/><path d="M5.6 1.5v3.4H9" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round"/><path d="M8.4 7.2v5.6l4.6-2.8z" '
    'fill="currentColor"/></svg>'
)


LIVE_SCRIPT: Final = """\
// While a recording is being made: look every few seconds whether it has grown, and go on
// from the same place when the player has come to the end of what it had.
const player = document.querySelector("replayport-player");
const base = player.getAttribute("src").split("?")[0];
const about = base.replace("/files/", "/api/recordings/").replace("/events.parquet", "");
let events = Number(player.dataset.events);
async function look() {
  try {
    const answer = await fetch(about);
    if (answer.ok) {
      const now = (await answer.json()).manifest;
      const atEnd = player.currentMs >= player.durationMs - 250;
      if (now.events > events && (atEnd || player.paused)) {
        const at = Math.floor(player.currentMs);
        events = now.events;
        player.setAttribute("start-ms", String(at));
        player.setAttribute("src", `${base}?events=${events}`);
        if (atEnd) player.play();
      }
      if (now.created_ms > 0) {
        document.querySelector(".live")?.remove();
        return;
      }
    }
  } catch {
    // The server is restarting; the next look finds it.
  }
  setTimeout(look, 3000);
}
setTimeout(look, 3000);
"""

SIGN_IN_SCRIPT: Final = """\
// Signs in, or takes the invitation whose secret stands behind the # of the address.
const form = document.querySelector("form");
const said = document.querySelector(".said");
const secret = location.hash.slice(1);
if (form.dataset.setup !== undefined && secret) history.replaceState(null, "", location.pathname);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = form.elements.namedItem("name")?.value ?? "";
  const password = form.elements.namedItem("password").value;
  const again = form.elements.namedItem("again");
  if (again && again.value !== password) {
    said.textContent = "The two passwords differ.";
    return;
  }
  const setup = form.dataset.setup !== undefined;
  form.querySelector("button").disabled = true;
  try {
    const answer = await fetch(setup ? "/api/invites/accept" : "/api/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(setup ? { secret, name, password } : { name, password }),
    });
    if (answer.ok) {
      location.assign(form.dataset.next || "/");
      return;
    }
    said.textContent = (await answer.json()).error;
  } catch {
    said.textContent = "The server does not answer.";
  }
  form.querySelector("button").disabled = false;
});
"""

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


def sign_in_page(next_path: str) -> str:
    """
    Make the page that asks for name and password.

    Args:
        next_path: Where to go then; a path of this server.
    """
    return _page(
        "Sign in",
        f"""<main class="form"><span class="brand">{_LOGO}<span>replayport</span></span>
<h1>Sign in</h1>
<form data-next="{escape(next_path)}"><label>Name or e-mail
<input name="name" autocomplete="username" required autofocus></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required>
</label><p class="said" role="alert"></p><button>Sign in</button></form></main>
<noscript><main class="form">Signing in needs JavaScript.</main></noscript>
<script src="/static/sign-in.js"></script>""",
        _STYLE + _FORM_STYLE,
    )


def setup_page() -> str:
    """Make the page that takes an invitation: a name when it has none, and a password."""
    return _page(
        "Choose a password",
        f"""<main class="form"><span class="brand">{_LOGO}<span>replayport</span></span>
<h1>Choose a password</h1>
<p class="soft">At least 10 characters. A few words are better than one clever one.</p>
<form data-setup><label>Name or e-mail
<input name="name" autocomplete="username" autofocus>
<span class="soft">Ignored when your invitation already has one.</span></label>
<label>Password
<input name="password" type="password" autocomplete="new-password" minlength="10" required></label>
<label>Again<input name="again" type="password" autocomplete="new-password" required></label>
<p class="said" role="alert"></p><button>Go on</button></form></main>
<script src="/static/sign-in.js"></script>""",
        _STYLE + _FORM_STYLE,
    )


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


def list_page(
    rows: Sequence[RecordingRow],
    *,
    total: int,
    query: str,
    next_after: str | None,
    live: Sequence[RecordingRow] = (),
    shop_path: str = "",
) -> str:
    """
    Make the list of recordings.

    Args:
        rows: One page of them, newest first.
        total: How many the archive holds.
        query: What was searched for in addresses; empty for everything.
        next_after: Cursor of the next page; None on the last.
        live: Recordings still being made.
        shop_path: Of the demo's shop; empty when there is none.
    """
    shop = ""
    if shop_path:
        shop = (
            f'<a class="shop" href="{escape(shop_path)}" target="_blank" rel="noopener">'
            "Visit the shop and be recorded</a>"
        )
    if rows or live:
        body = (
            f'<ul class="rows">{"".join(_row(r, live=True) for r in live)}'
            f"{''.join(_row(r) for r in rows)}</ul>"
        )
        if next_after is not None:
            more = urlencode({"q": query, "after": next_after})
            body += f'<a class="more" href="/?{escape(more)}">Older recordings</a>'
    elif query:
        body = (
            '<div class="empty"><p>No recording visited an address containing '
            f'<b>{escape(query)}</b>.</p><p><a class="more" href="/">Show all</a></p></div>'
        )
    else:
        body = (
            '<div class="empty"><h2>No recordings yet</h2><p class="soft">Bring some in:</p>'
            "<p><code>replayport pull posthog --host us --project 1</code></p>"
            "<p><code>replayport import recording.json</code></p></div>"
        )
    return _page(
        "Recordings",
        f"""<header class="top"><a class="brand" href="/">{_LOGO}<span>replayport</span></a>
<span class="soft">{total:,} recording{"" if total == 1 else "s"}</span>
{shop}<form class="search" role="search"><input type="search" name="q" value="{escape(query)}"
 placeholder="Search visited addresses" aria-label="Search visited addresses"></form></header>
<main>{body}</main>""",
        _STYLE,
    )


def player_page(manifest: Manifest, *, live: bool = False) -> str:
    """
    Make the page that plays one recording.

    Args:
        manifest: Of the recording.
        live: It is still being made: the page follows it.
    """
    folder = f"/files/{quote(manifest.project, safe='')}/{quote(manifest.id, safe='')}"
    source = f"{folder}/events.parquet"
    if live:
        source += f"?events={manifest.events}"
    frozen = ""
    if manifest.assets is not None and manifest.assets.stored:
        frozen = f' assets="{escape(folder)}/assets.json"'
    facts = " · ".join(
        (
            _when(manifest.start_ms),
            _duration(manifest.duration_ms),
            f"{manifest.events:,} events",
            *([] if manifest.complete else ["incomplete"]),
        )
    )
    tag = '<span class="tag live">live</span>' if live else ""
    script = '<script src="/static/live.js"></script>' if live else ""
    return _page(
        manifest.first_url or manifest.id,
        f"""<header class="top"><a class="brand" href="/" aria-label="All recordings">{_LOGO}
<span>replayport</span></a><a class="back" href="/">← All</a>
<p class="facts"><b>{escape(manifest.first_url or manifest.id)}</b>
 <span class="soft">{escape(facts)}</span></p>{tag}</header>
<replayport-player src="{escape(source)}"{frozen} data-events="{manifest.events}" autoplay>
</replayport-player>
<noscript><main>This page plays a recording and needs JavaScript.</main></noscript>
<script src="/static/player.js"></script>{script}""",
        _STYLE + _PLAYER_STYLE,
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


def _row(row: RecordingRow, *, live: bool = False) -> str:
    href = f"/recordings/{quote(row.project, safe='')}/{quote(row.id, safe='')}"
    tags = '<span class="tag live">live</span>' if live else ""
    if row.windows > 1:
        tags += f'<span class="tag">{row.windows} tabs</span>'
    if row.snapshot_source == "mobile":
        tags += '<span class="tag">mobile</span>'
    if row.errors:
        tags += f'<span class="tag warn">{row.errors} errors</span>'
    if not row.complete:
        tags += '<span class="tag warn">incomplete</span>'
    page = row.first_url or ("a visit under way" if live else "(no page address)")
    counted = not live or row.events > 0  # a live one is counted when somebody watches it
    clicks = f"{row.clicks} clicks" if counted else ""
    events = f"{row.events:,} events" if counted else ""
    who = " · ".join(filter(None, (row.distinct_id, row.project, row.id)))
    return f"""<li><a href="{escape(href)}">
<span class="page"><b>{escape(page)}</b>{tags}</span>
<span class="num clicks">{clicks}</span>
<span class="num">{_duration(row.duration_ms)}</span>
<span class="num soft events">{events}</span>
<span class="num when soft">{_when(row.start_ms)}</span>
<span class="who">{escape(who)}</span></a></li>"""


def _when(timestamp_ms: int) -> str:
    try:
        at = datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)
    return f"{at:%d %b %Y %H:%M} UTC"


def _duration(ms: int) -> str:
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
