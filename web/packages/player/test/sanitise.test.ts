import { describe, expect, it } from "vitest";

import { cleanCss } from "../src/frame/css";
import { FindingCode } from "../src/frame/nodes";
import { Sanitiser } from "../src/frame/sanitise";

type Json = Record<string, unknown>;

const PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";

function clean(
  tagName: string,
  attributes: Json,
  extra: Json = {},
): { node: Json; found: Map<string, number> } {
  const found = new Map<string, number>();
  const sanitiser = new Sanitiser((code, count = 1) =>
    found.set(code, (found.get(code) ?? 0) + count),
  );
  const element = { type: 2, id: 2, tagName, attributes, childNodes: [], ...extra };
  const data = sanitiser.clean(2, {
    node: { type: 0, id: 1, childNodes: [element] },
    initialOffset: { top: 0, left: 0 },
  }) as { node: { childNodes: Json[] } };
  return { node: data.node.childNodes[0] ?? {}, found };
}

const attributesOf = (tagName: string, attributes: Json, extra: Json = {}): Json =>
  clean(tagName, attributes, extra).node["attributes"] as Json;

describe("elements", () => {
  it.each([
    ["script", {}],
    ["SCRIPT", {}],
    ["svg:script", {}],
    ["noscript", {}],
    ["base", { href: "https://x.example" }],
    ["object", { data: "x" }],
    ["EMBED", { src: "x" }],
    ["applet", {}],
    ["portal", {}],
    ["frame", { src: "x" }],
    ["meta", { "HTTP-equiv": "refresh" }],
    ["set", { attributeName: " HREF", to: "javascript:1" }],
    ["animate", { attributeName: "onclick" }],
  ])("%s becomes an empty template of the same id", (tag, attributes) => {
    const { node, found } = clean(tag, attributes, {
      isSVG: tag === "set" || tag === "animate",
      childNodes: [{ type: 3, id: 3, textContent: "x" }],
    });
    expect(node).toEqual({ type: 2, id: 2, tagName: "template", attributes: {}, childNodes: [] });
    expect(found.get(FindingCode.ActiveContent)).toBe(1);
  });

  it.each(["div", "p", "svg", "x-card", "template", "style", "a", "META"])("%s stays", (tag) => {
    expect(clean(tag, {}).node["tagName"]).toBe(tag.toLowerCase());
  });

  it("gives a name a document can make", () => {
    expect(clean("no<t a tag", {}).node["tagName"]).toBe("div");
  });

  it("draws a canvas as an image", () => {
    const { node } = clean("canvas", { rr_dataURL: PIXEL, width: "5" });
    expect(node["tagName"]).toBe("img");
    expect(node["attributes"]).toMatchObject({ src: PIXEL, width: "5" });
  });

  it("lets no input or image stand for a property by which the replayer walks", () => {
    for (const name of ["childNodes", "textContent", "appendChild", "nextSibling"]) {
      expect(attributesOf("input", { name, id: name, value: name })).toEqual({ value: name });
      expect(attributesOf("IMG", { name })).toEqual({});
      expect(attributesOf("div", { id: name })).toEqual({ id: name });
    }
    for (const name of ["name", "title", "action", "email", "childNodesX"]) {
      expect(attributesOf("input", { name, id: name })).toEqual({ name, id: name });
    }
  });

  it("makes no shadow root where a browser would throw", () => {
    expect(clean("img", {}, { isShadowHost: true }).node["isShadowHost"]).toBeUndefined();
    expect(clean("div", {}, { isShadowHost: true }).node["isShadowHost"]).toBe(true);
    expect(clean("x-card", {}, { isShadowHost: true }).node["isShadowHost"]).toBe(true);
  });

  it("defines no element of a reserved name", () => {
    expect(clean("annotation-xml", {}, { isCustom: true }).node["isCustom"]).toBeUndefined();
    expect(clean("x-card", {}, { isCustom: true }).node["isCustom"]).toBe(true);
  });

  it("cuts a tree no parser would have built", () => {
    let node: Json = { type: 2, id: 9, tagName: "b", attributes: {}, childNodes: [] };
    for (let i = 10; i < 50_000; i += 1) {
      node = { type: 2, id: i, tagName: "div", attributes: {}, childNodes: [node] };
    }
    const { found } = clean("body", {}, { childNodes: [node] });
    expect(found.get(FindingCode.TooDeep)).toBe(1);
  });
});

describe("attributes that are dropped", () => {
  it.each([
    ["img", "onerror", "1"],
    ["img", "OnLoad", "1"],
    ["svg", "onbegin", "1"],
    ["div", "_onclick", "1"],
    ["div", "xlink:onclick", "1"],
    ["a", "href", "javascript:alert(1)"],
    ["a", "href", " \u0001java\tscr\nipt:alert(1)"],
    ["a", "href", "JaVaScRiPt:alert(1)"],
    ["a", "href", "\u200bvbscript:x"],
    ["a", "href", "data:text/html,<script>1</script>"],
    ["a", "xlink:href", "javascript:1"],
    ["a", "ping", "https://x.example"],
    ["button", "formaction", "javascript:1"],
    ["form", "action", "https://x.example"],
    ["input", "autofocus", ""],
    ["iframe", "srcdoc", "<script>1</script>"],
    ["iframe", "src", "https://x.example"],
    ["iframe", "SRC", "javascript:1"],
    ["iframe", "sandbox", "allow-scripts"],
    ["iframe", "allow", "camera"],
    ["video", "src", "https://x.example/v.mp4"],
    ["video", "poster", "//x.example/p.png"],
    ["source", "srcset", "https://x.example 2x"],
    ["img", "srcset", "https://x.example 2x"],
    ["img", "rr_dataURL", "https://x.example/i.png"],
    ["table", "background", "https://x.example"],
    ["link", "href", "https://x.example"],
    ["link", "rel", "dns-prefetch"],
    ["link", "rel", "stylesheet"],
    ["script-like", "nonce", "abc"],
    ["img", "attributionsrc", "https://x.example"],
    ["div", "__proto__", "x"],
    ["div", "constructor", "x"],
    ["div", "a b", "x"],
    ["audio", "rr_mediaState", "played"],
  ])("%s %s=%j", (tag, name, value) => {
    // JSON.parse, because a literal's __proto__ is no key.
    const attributes = JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`) as Json;
    expect(Object.keys(attributesOf(tag, attributes))).toEqual([]);
  });

  it.each([
    ["use", "href", "https://x.example/a.svg#b"],
    ["image", "xlink:href", "https://x.example/a.png"],
    ["feImage", "href", "//x.example/a"],
  ])("svg %s %s=%j", (tag, name, value) => {
    expect(attributesOf(tag, { [name]: value }, { isSVG: true })).toEqual({});
  });
});

describe("attributes that stay", () => {
  it.each([
    ["a", "href", "https://shop.example/cart#top"],
    ["a", "href", "/relative"],
    ["img", "src", PIXEL],
    ["img", "alt", "javascript: is a word here"],
    ["img", "src", "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>"],
    ["input", "value", "https://x.example"],
    ["div", "class", "once only"],
    ["div", "style", "color: red"],
    ["option", "selected", true],
    ["div", "rr_width", "10px"],
    ["div", "rr_scrollTop", 40],
  ])("%s %s=%j", (tag, name, value) => {
    expect(attributesOf(tag, { [name]: value })).toEqual({ [name]: value });
  });

  it("keeps fragments of the same document in SVG", () => {
    expect(attributesOf("use", { href: "#icon" }, { isSVG: true })).toEqual({ href: "#icon" });
    expect(attributesOf("rect", { fill: "url(#grad)" }, { isSVG: true })).toEqual({
      fill: "url(#grad)",
    });
  });

  it("puts a grey image where one is missing", () => {
    const { node, found } = clean("img", { src: "https://x.example/i.png", alt: "logo" });
    expect(node["attributes"]).toMatchObject({ alt: "logo" });
    expect((node["attributes"] as Json)["src"]).toMatch(/^data:image\/svg/);
    expect(found.get(FindingCode.External)).toBe(1);
  });
});

describe("events", () => {
  const sanitiser = (): { it: Sanitiser; found: string[] } => {
    const found: string[] = [];
    return { it: new Sanitiser((code) => found.push(code)), found };
  };

  it.each([
    [3, null],
    [3, { source: 1, positions: [] }],
    [3, { source: 1, positions: "x" }],
    [3, { source: 2, id: "x", type: 2 }],
    [3, { source: 2, id: 1, type: 99 }],
    [3, { source: 3 }],
    [3, { source: 0, adds: "x" }],
    [3, { source: 13, index: "x" }],
    [3, { source: 99 }],
    [2, { node: null }],
    [2, { node: { type: 2, id: 1 } }],
    [5, { tag: "x" }],
    [6, { plugin: "x" }],
    [0, {}],
    [7, {}],
  ])("type %s with %o gives the replayer nothing", (type, data) => {
    expect(sanitiser().it.clean(type, data)).toBeNull();
  });

  it("passes on only fields that rrweb reads", () => {
    const data = JSON.parse(
      '{"source":2,"type":2,"id":5,"x":1,"y":2,"__proto__":{"a":1},"more":[1]}',
    ) as unknown;
    expect(sanitiser().it.clean(3, data)).toEqual({ source: 2, type: 2, id: 5, x: 1, y: 2 });
  });

  it("keeps the viewport within reason", () => {
    const { it } = sanitiser();
    expect(it.clean(4, { width: 1e9, height: -3 })).toMatchObject({ width: 20_000, height: 800 });
  });

  it("knows in a mutation what an id was in the snapshot", () => {
    const { it } = sanitiser();
    const style = { type: 2, id: 5, tagName: "style", attributes: {}, childNodes: [] };
    const link = { type: 2, id: 6, tagName: "link", attributes: {}, childNodes: [] };
    it.clean(2, { node: { type: 0, id: 1, childNodes: [style, link] } });
    const css = "@import 'https://x.example';b{color:red}";
    const add = { parentId: 5, nextId: null, node: { type: 3, id: 7, textContent: css } };
    const added = it.clean(3, { source: 0, adds: [add] }) as { adds: { node: Json }[] };
    expect(added.adds[0]?.node["textContent"]).toBe("b{color:red}");
    const changed = it.clean(3, {
      source: 0,
      texts: [
        { id: 7, value: css },
        { id: 8, value: css },
      ],
      attributes: [{ id: 6, attributes: { rel: "preconnect", href: "https://x.example" } }],
    }) as { texts: Json[]; attributes: Json[] };
    expect(changed.texts.map((text) => text["value"])).toEqual(["b{color:red}", css]);
    expect(changed.attributes).toEqual([{ id: 6, attributes: {} }]);
  });

  it("turns a frame of a canvas into the image's address", () => {
    const blob = { rr_type: "Blob", data: [{ base64: "UklGRg==" }], type: "image/webp" };
    const data = {
      source: 9,
      id: 4,
      commands: [{ property: "drawImage", args: [{ rr_type: "ImageBitmap", args: [blob] }] }],
    };
    expect(sanitiser().it.clean(3, data)).toMatchObject({
      source: 0,
      attributes: [{ id: 4, attributes: { src: "data:image/webp;base64,UklGRg==" } }],
    });
  });
});

describe("an id that stands for two elements", () => {
  const added = (...nodes: Json[]): unknown => ({
    source: 0,
    texts: [],
    attributes: [],
    removes: [],
    adds: nodes.map((node) => ({ parentId: 1, nextId: null, node })),
  });
  const element = (tagName: string): Json => ({
    type: 2,
    id: 7,
    tagName,
    attributes: {},
    childNodes: [],
  });

  it.each([
    ["link", "b"],
    ["b", "link"],
  ])("%s, then %s: no change of it loads", (...tags) => {
    const sanitiser = new Sanitiser(() => undefined);
    sanitiser.clean(3, added(...tags.map(element)));
    const attributes = { rel: "preconnect", href: "https://evil.example", class: "c" };
    const changed = sanitiser.clean(3, {
      source: 0,
      attributes: [{ id: 7, attributes }],
    }) as { attributes: unknown };
    expect(changed.attributes).toEqual([{ id: 7, attributes: { class: "c" } }]);
  });

  it("a text may come before the stylesheet that it is put into", () => {
    const sanitiser = new Sanitiser(() => undefined);
    const data = added({ type: 3, id: 8, textContent: "@import 'evil'" }, element("style")) as {
      adds: Json[];
    };
    data.adds[0]!["parentId"] = 7;
    expect(JSON.stringify(sanitiser.clean(3, data))).not.toContain("evil");
  });
});

describe("cleanCss", () => {
  it.each([
    ["a{color:red}", "a{color:red}"],
    ["a{background:url(#id)}", "a{background:url(#id)}"],
    [`a{background:url("${PIXEL}")}`, `a{background:url("${PIXEL}")}`],
    ["a{background:url(https://x.example/i)}", 'a{background:url("data:,")}'],
    ["a{background:URL( 'x' ) no-repeat}", 'a{background:url("data:,") no-repeat}'],
    ["a{background:u\\72l(x)}", 'a{background:url("data:,")}'],
    ["a{background:\\75\\72\\6c(x)}", 'a{background:url("data:,")}'],
    ["@import 'x';a{}", "a{}"],
    ["@import url(x) screen;a{}", "a{}"],
    ["@\\69mport 'x';a{}", "a{}"],
    ["@import/**/'x'", ""],
    ["/* @import 'x' */a{}", "/* @import 'x' */a{}"],
    ['a::after{content:"url(x) @import"}', 'a::after{content:"url(x) @import"}'],
    ['a{background:image-set("x" 1x)}', "a{background:none}"],
    ["a{background:-webkit-image-set(url(x) 1x, url(y) 2x)}", "a{background:none}"],
    [
      "@font-face{src:url(f.woff2)}b{background:url(x)}",
      '@font-face{src:local("")}b{background:url("data:,")}',
    ],
    ['i::before{content:"\\f101"}', 'i::before{content:"\\f101"}'],
    ["a{background:url(x", 'a{background:url("data:,")'],
    ['a{background:url(a"b)}i{content:"c"}', 'a{background:url("data:,")}i{content:"c"}'],
    ['a{content:"\f;background:url(x)}', 'a{content:"\n;background:url("data:,")}'],
    ["a{background:url('x", 'a{background:url("data:,")'],
    // Where this and a browser would part over what is a name, a string or a comment.
    ["a{background:u\\\\72l(x)}", "a{background:u\\\\72l(x)}"],
    ["a{background:u@import 'x';rl(x)}", "a{background:u rl(x)}"],
    ['.a\\"b{background:url(x)}/*"*/', '.a\\"b{background:url("data:,")}/*"*/'],
    ['i{content:"\\\r\n "}a{background:url(x)}', 'i{content:"\\\n "}a{background:url("data:,")}'],
    ["i{--a:nourl(#/*)}", 'i{--a:nourl("#/*")}'],
    ["a{background:image\\2d set('x' 1x)}", "a{background:none}"],
    ["a{background:image\\-set('x' 1x)}", "a{background:none}"],
    ["a{--a:'x';background:image-set(var(--a) 1x)}", "a{--a:'x';background:none}"],
    ["a{background:image-set(/*)*/'x' 1x)}", "a{background:none*/'x' 1x)}"],
  ])("%s", (css, expected) => {
    expect(cleanCss(css).text).toBe(expected);
  });

  it("takes time in proportion to its input", () => {
    const hostile = ["url(", "@import ", '"', "'", "/*", "image-set(", "\\75", "@font-face{"];
    for (const part of hostile) {
      expect(cleanCss(part.repeat(20_000)).text.length).toBeLessThan(500_000);
    }
  });
});
