import { describe, expect, it } from "vitest";

import { Assets, parseSrcset } from "../src/frame/assets";
import { cleanCss, closed } from "../src/frame/css";
import { FindingCode } from "../src/frame/nodes";
import { asToFrame, type FrozenAsset } from "../src/frame/protocol";
import { Sanitiser } from "../src/frame/sanitise";
import { fetchAssets } from "../src/parser/assets";

type Json = Record<string, unknown>;

const SITE = "https://shop.example/";
const BLOB = /^blob:/;

function asset(path: string, content: string, type: string, extra: Json = {}): FrozenAsset {
  const url = new URL(path, SITE).href;
  return { url, base: url, type, charset: "", bytes: new TextEncoder().encode(content), ...extra };
}

function assetsOf(...list: FrozenAsset[]): Assets {
  const assets = new Assets();
  assets.add(list);
  return assets;
}

const PNG = asset("img/a.png", "png", "image/png");
const SVG = asset("img/icons.svg", "<svg/>", "image/svg+xml");
const FONT = asset("f.woff2", "font", "font/woff2");

function cleaned(assets: Assets, text: string): { text: string; removed: number } {
  return cleanCss(text, assets.css(`${SITE}css/main.css`));
}

function attributesOf(
  assets: Assets,
  tagName: string,
  attributes: Json,
  extra: Json = {},
): { attributes: Json; found: Map<string, number>; sanitiser: Sanitiser } {
  const found = new Map<string, number>();
  const sanitiser = new Sanitiser(
    (code, count = 1) => found.set(code, (found.get(code) ?? 0) + count),
    assets,
  );
  sanitiser.clean(4, { href: `${SITE}cart/`, width: 1, height: 1 });
  const element = { type: 2, id: 2, tagName, attributes, childNodes: [], ...extra };
  const data = sanitiser.clean(2, { node: { type: 0, id: 1, childNodes: [element] } }) as {
    node: { childNodes: Json[] };
  };
  return { attributes: data.node.childNodes[0]?.["attributes"] as Json, found, sanitiser };
}

describe("addresses in CSS", () => {
  const assets = assetsOf(PNG, SVG, FONT);

  it.each([
    'a{background:url("/img/a.png")}',
    "a{background:url( ../img/a.png )}",
    "a{background:URL('https://shop.example/img/a.png?#x')}".replace("?", ""),
    "a{background:u\\72l(/img/a.png)}",
    'a{background:url("/img/\\61.png")}',
    'a{background:image-set("/img/a.png" 1x, url(/img/a.png) 2x type("image/png"))}',
    "@font-face{src:url(/f.woff2)format('woff2')}",
    "@font-face{src:url(/f.woff2),url(/f.woff)}",
  ])("%s is shown from the archive", (text) => {
    const { text: clean, removed } = cleaned(assets, text);
    expect(removed).toBe(0);
    expect(clean).toMatch(/url\("blob:/);
    expect(clean).not.toMatch(/shop|a\.png|woff2\)/);
  });

  it("keeps the fragment of a sprite, and no other text", () => {
    const kept = assets.address("/img/icons.svg#cart", SITE);
    expect(kept).toMatch(/^blob:.*#cart$/);
    expect(assets.address('/img/icons.svg#")evil', SITE)).not.toContain("#");
  });

  it("makes one blob of one file", () => {
    expect(assets.address("/img/a.png", SITE)).toBe(assets.address("img/a.png", SITE));
  });

  it.each([
    "a{background:url(/img/other.png)}",
    "a{background:url(//evil.example/img/a.png)}",
    "a{background:url(blob:null/1)}",
    'a{background:image-set("/img/a.png" 1x, "https://evil.example/b.png" 2x)}',
    '@import "/img/a.png";',
  ])("%s is taken out", (text) => {
    const { text: clean, removed } = cleaned(assets, text);
    expect(removed).toBe(1);
    expect(clean).not.toMatch(/evil|other|blob:/);
  });

  it("never shows a stylesheet as an image", () => {
    const css = assetsOf(asset("x.css", "a{}", "text/css"));
    expect(css.address("/x.css", SITE)).toBeNull();
  });
});

describe("imports", () => {
  const sheet = (path: string, text: string, extra: Json = {}): FrozenAsset =>
    asset(path, text, "text/css", extra);

  it("are put in their place with their own addresses", () => {
    const assets = assetsOf(PNG, sheet("css/a/b.css", "b{background:url(../../img/a.png)}"));
    const { text, removed } = cleaned(assets, '@import "a/b.css";c{}');
    expect(removed).toBe(0);
    expect(text).toMatch(/^b\{background:url\("blob:[^"]+"\)\}\s+c\{\}$/);
  });

  it("start from where redirects led", () => {
    const moved = sheet("css/b.css", "b{background:url(a.png)}", { base: `${SITE}img/b.css` });
    expect(cleaned(assetsOf(PNG, moved), "@import 'b.css';").text).toContain("blob:");
  });

  it.each([
    ['@import "b.css" screen and (width > 1px);', "@media screen and (width > 1px){b{}"],
    ["@import url(b.css)layer;", "@layer {b{}"],
    ["@import url(b.css) layer(x.y) print;", "@media print{@layer x.y{b{}"],
    [
      "@import/**/'b.css'/* ; */supports((a:b) and (c:d)) screen;",
      "@media screen{@supports ((a:b) and (c:d)){b{}",
    ],
  ])("%s keeps its conditions", (written, wanted) => {
    const { text } = cleaned(assetsOf(sheet("css/b.css", "b{}")), written);
    expect(text.replaceAll("\n", "")).toBe(wanted + "}".repeat(wanted.split("{").length - 2));
  });

  it("count only before the first rule", () => {
    expect(cleaned(assetsOf(sheet("css/b.css", "b{}")), "a{}@import 'b.css';").text).toBe("a{}");
  });

  it("take everything out of what they import", () => {
    const assets = assetsOf(
      sheet("css/b.css", "@import '//evil.example/x.css';b{background:url(//evil.example/y)}"),
    );
    const { text, removed } = cleaned(assets, "@import 'b.css';");
    expect(removed).toBe(2);
    expect(text).not.toContain("evil");
  });

  it("of each other come to an end", () => {
    const assets = assetsOf(
      sheet("css/a.css", "@import 'b.css';@import 'b.css';a{}"),
      sheet("css/b.css", "@import 'a.css';@import 'a.css';b{}"),
    );
    expect(cleaned(assets, "@import 'a.css';").text.length).toBeLessThan(10_000);
  });

  it("cannot grow without end", () => {
    const many = Array.from({ length: 200 }, () => "@import 'b.css';").join("");
    const assets = assetsOf(
      sheet("css/a.css", many),
      sheet("css/b.css", `${many}${"b{}".repeat(20_000)}`),
    );
    expect(cleaned(assets, many.replaceAll("b.css", "a.css")).text.length).toBeLessThan(2 ** 25);
  });
});

describe("closed", () => {
  it.each([
    ["a{b:c", "a{b:c\n}"],
    ["a{b:(c", "a{b:(c\n)}"],
    ["}} a{}", " a{}\n"],
    ["a{b:(}", "a{b:(}\n)}"],
    ["a{}/* {", "a{}/* {*/\n"],
    ["a{}/*/", "a{}/*/*/\n"],
    ["a{b:'{'}", "a{b:'{'}\n"],
    ["a{b:url(x{", 'a{b:url(x{")\n}'],
    ["a\\{b{}", "a\\{b{}\n"],
  ])("%s", (text, wanted) => {
    expect(closed(text)).toBe(wanted);
  });
});

describe("frozen elements", () => {
  const assets = assetsOf(
    PNG,
    SVG,
    asset("s.css", "h1{background:url(img/a.png)}", "text/css"),
    asset("latin.css", "", "text/css", {
      charset: "iso-8859-1",
      bytes: new Uint8Array([...new TextEncoder().encode("a::after{content:'"), 0xe9, 39, 125]),
    }),
  );

  it.each([
    ["img", "src", {}],
    ["input", "src", {}],
    ["video", "poster", {}],
    ["td", "background", {}],
    ["image", "href", { isSVG: true }],
    ["image", "xlink:href", { isSVG: true }],
  ])("%s %s", (tag, name, extra) => {
    const { attributes, found } = attributesOf(assets, tag, { [name]: "../img/a.png" }, extra);
    expect(attributes[name]).toMatch(BLOB);
    expect(found.size).toBe(0);
  });

  it.each(["a", "script", "iframe", "video", "track", "embed"])("leaves %s alone", (tag) => {
    const { attributes } = attributesOf(assets, tag, {
      src: `${SITE}img/a.png`,
      href: `${SITE}img/a.png`,
    });
    expect(JSON.stringify(attributes)).not.toContain("blob:");
  });

  it("keeps those candidates of a srcset that are here", () => {
    const srcset = "/img/a.png 1x, /img/b.png 2x, /img/a.png 3x";
    const { attributes } = attributesOf(assets, "source", { srcset });
    expect(attributes["srcset"]).toMatch(/^blob:\S+ 1x, blob:\S+ 3x$/);
    expect(attributesOf(assets, "img", { srcset: "/b.png 2x" }).attributes).toEqual({});
  });

  it("gives a linked stylesheet the text the recorder could not read", () => {
    const { attributes } = attributesOf(assets, "link", { rel: "stylesheet", href: "/s.css" });
    expect(attributes["_cssText"]).toMatch(/^h1\{background:url\("blob:/);
    expect(attributes["href"]).toBeUndefined();
  });

  it.each(["alternate stylesheet", "preload", "icon"])("does not style by %s", (rel) => {
    const { attributes } = attributesOf(assets, "link", { rel, href: "/s.css" });
    expect(attributes["_cssText"]).toBeUndefined();
  });

  it("follows a link that becomes a stylesheet, and one that changes", () => {
    const link = { rel: "preload", href: "/s.css" };
    const { sanitiser } = attributesOf(assets, "link", link);
    const change = (attributes: Json): Json => {
      const data = sanitiser.clean(3, { source: 0, attributes: [{ id: 2, attributes }] }) as {
        attributes: { attributes: Json }[];
      };
      return data.attributes[0]?.attributes ?? {};
    };
    expect(change({ media: "print" })["_cssText"]).toBeUndefined();
    expect(change({ rel: "stylesheet" })["_cssText"]).toContain("h1{");
    expect(change({ href: "/latin.css" })["_cssText"]).toBe("a::after{content:'é'}");
  });

  it("counts a stylesheet that is not here", () => {
    const { found } = attributesOf(assets, "link", { rel: "stylesheet", href: "/no.css" });
    expect(found.get(FindingCode.External)).toBe(1);
  });

  it("starts from the base of the page, not of its iframes", () => {
    const sanitiser = new Sanitiser(() => undefined, assets);
    sanitiser.clean(4, { href: "https://other.example/", width: 1, height: 1 });
    const base = (id: number, href: string, extra: Json = {}): Json => ({
      ...{ type: 2, id, tagName: "base", attributes: { href }, childNodes: [] },
      ...extra,
    });
    const img = { type: 2, id: 9, tagName: "img", attributes: { src: "a.png" }, childNodes: [] };
    const data = sanitiser.clean(2, {
      node: {
        type: 0,
        id: 1,
        childNodes: [base(2, "https://evil.example/", { rootId: 7 }), base(3, `${SITE}img/`), img],
      },
    });
    expect(JSON.stringify(data)).toMatch(/"src":"blob:/);
  });
});

describe("srcset", () => {
  it.each([
    ["a.png", [["a.png", ""]]],
    [
      " a.png 1x ,\nb.png 2x,",
      [
        ["a.png", "1x"],
        ["b.png", "2x"],
      ],
    ],
    ["a,b.png 2x", [["a,b.png", "2x"]]],
    [
      "a.png,, b.png",
      [
        ["a.png", ""],
        ["b.png", ""],
      ],
    ],
    [
      "data:image/png;base64,AA 1x, b.png (x,y)",
      [
        ["data:image/png;base64,AA", "1x"],
        ["b.png", "(x,y)"],
      ],
    ],
    [", ,", []],
  ])("%s", (text, wanted) => {
    expect(parseSrcset(text).map((c) => [c.address, c.descriptor])).toEqual(wanted);
  });
});

describe("protocol", () => {
  it("takes frozen assets of types on the list only", () => {
    expect(asToFrame({ kind: "assets", assets: [PNG] })).not.toBeNull();
    for (const wrong of [
      { ...PNG, type: "text/html" },
      { ...PNG, bytes: "png" },
      { ...PNG, url: 1 },
      null,
    ]) {
      expect(asToFrame({ kind: "assets", assets: [wrong] })).toBeNull();
    }
  });
});

describe("fetching", () => {
  const sha256 = "ab".repeat(32);
  const list = {
    version: 1,
    assets: {
      "https://shop.example/a.png": { sha256, bytes: 3, content_type: "image/png" },
      "https://shop.example/b.png": {
        sha256: "cd".repeat(32),
        bytes: 3,
        content_type: "image/png",
      },
      "https://shop.example/c.html": { sha256, bytes: 3, content_type: "text/html" },
      "https://shop.example/d.png": { sha256: "../../x", bytes: 3, content_type: "image/png" },
    },
  };

  it("asks for each file once, beside the list, and goes on without one", async () => {
    const asked: string[] = [];
    const fetchFn = (url: URL | string): Promise<Response> => {
      asked.push(String(url));
      const path = new URL(url).pathname;
      return Promise.resolve(
        path.endsWith("assets.json")
          ? Response.json(list)
          : new Response("abc", { status: path.endsWith(sha256) ? 200 : 500 }),
      );
    };
    const { assets, failed } = await fetchAssets(
      new URL("https://replays.example/files/p/r/assets.json"),
      fetchFn as typeof fetch,
    );
    expect(assets.map((a) => a.url)).toEqual(["https://shop.example/a.png"]);
    expect(failed).toBe(1);
    expect(asked.sort()).toEqual([
      "https://replays.example/files/p/r/assets.json",
      `https://replays.example/files/p/r/assets/ab/${sha256}`,
      `https://replays.example/files/p/r/assets/cd/${"cd".repeat(32)}`,
    ]);
  });
});
