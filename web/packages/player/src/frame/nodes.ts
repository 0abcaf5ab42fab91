/**
 * Makes serialised nodes and their attributes harmless.
 *
 * Each node is rebuilt from the fields rrweb reads. An element that may not be is
 * replaced by an empty `<template>` of the same id, because siblings name it in `nextId`.
 *
 * Addresses of the web are taken out, or replaced by what was frozen of them.
 */

import { NodeType } from "@replayport/types";

import { parseSrcset, type Assets } from "./assets";
import { cleanCss } from "./css";
import { finite, isObject, objects, present, string, type Json } from "./json";

/** Replaced by an empty element, children and all. */
const FORBIDDEN_TAGS: ReadonlySet<string> = new Set([
  "applet",
  "base",
  "embed",
  "fencedframe",
  "frame",
  "frameset",
  "noscript",
  "object",
  "param",
  "portal",
  "script",
]);

/** SVG elements that can write an attribute of another element over time. */
const SVG_ANIMATIONS: ReadonlySet<string> = new Set([
  "animate",
  "animatemotion",
  "animatetransform",
  "discard",
  "set",
]);

/** Elements that a form or a document gives as its property of their `name` or `id`. */
const NAMED_TAGS: ReadonlySet<string> = new Set(
  "button embed fieldset form iframe img input object output select textarea".split(" "),
);
/** Properties of nodes by which a replayer finds its way and changes what it finds. */
const WALKED_BY =
  /^(node(Type|Name|Value)|(child|parent)(Node|Element)s?|(first|last)(Element)?Child|(next|previous)(Element)?Sibling|children|childElementCount|ownerDocument|documentElement|defaultView|styleSheets|adoptedStyleSheets|implementation|head|body|doctype|activeElement|isConnected|localName|tagName|namespaceURI|attributes|shadowRoot|host|textContent|innerHTML|style|sheet|classList|dataset|scroll(Top|Left|To|By|ingElement)?|(append|replace|remove|insert|has|clone|contains|compare|get|set|create|query|add|dispatch|attach|import|adopt|write|open|close|matches|closest|before|after|prepend|toggle|elementsFromPoint|elementFromPoint)([A-Z]\w*)?)$/;

/** Never kept, whatever the element and the value. */
const FORBIDDEN_ATTRIBUTES: ReadonlySet<string> = new Set([
  "action",
  "allow",
  "archive",
  "attributionsrc",
  "autofocus",
  "classid",
  "code",
  "codebase",
  "content",
  "credentialless",
  "crossorigin",
  "csp",
  "data",
  "formaction",
  "http-equiv",
  "imagesrcset",
  "integrity",
  "is",
  "manifest",
  "nonce",
  "ping",
  "popovertarget",
  "profile",
  "rr_src",
  "sandbox",
  "shadowrootmode",
  "srcdoc",
]);

/** Of those, the ones that would run something; ordinary pages have the others too. */
const ACTIVE_ATTRIBUTE = /^(?:srcdoc|http-equiv|autofocus)$|^(?:[\w-]+:)?_?on/;

/** Attributes whose address the browser fetches by itself. */
const RESOURCE_ATTRIBUTES: ReadonlySet<string> = new Set([
  "background",
  "dynsrc",
  "lowsrc",
  "poster",
  "rr_dataurl",
  "src",
  "srcset",
]);

/** Those that frozen images replace, and on which elements; null for all. */
const IMAGE_ATTRIBUTES: Readonly<Record<string, ReadonlySet<string> | null>> = {
  background: null,
  poster: null,
  src: new Set(["img", "input"]),
};

/** SVG elements that show what their `href` names as an image. */
const SVG_IMAGES: ReadonlySet<string> = new Set(["image", "feimage"]);

/** Attributes that name an address somebody could follow. */
const LINK_ATTRIBUTES: ReadonlySet<string> = new Set(["cite", "href", "longdesc", "xlink:href"]);

const SELF_CONTAINED_MEDIA = /^data:(?:image|video|audio|font)\//i;
const SCRIPT_SCHEME = /^(?:javascript|vbscript|livescript|mocha|data|blob|filesystem|file):/i;
const ATTRIBUTE_NAME = /^[A-Za-z_:@][^\s"'<>/=]*$/;
const TAG_NAME = /^[A-Za-z][^\s"'<>/=]*$/;
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** Elements besides custom ones that may host a shadow tree (DOM standard, "attach a shadow"). */
const SHADOW_HOSTS: ReadonlySet<string> = new Set(
  "article aside blockquote body div footer h1 h2 h3 h4 h5 h6 header main nav p section span".split(
    " ",
  ),
);
const CUSTOM_ELEMENT = /^[a-z][\w.]*-[\w.-]*$/;
const RESERVED_ELEMENT = /^(?:annotation-xml|color-profile|font-face.*|missing-glyph)$/;

/** Deeper than any page a browser's parser would build (it stops at 512). */
const MAX_DEPTH = 1000;

/** A grey pixel where an image was that the recording does not carry. */
const MISSING_IMAGE =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1' " +
  "preserveAspectRatio='none'%3E%3Cpath fill='%238883' d='M0 0h1v1H0z'/%3E%3C/svg%3E";

/** What is to be known of an attribute's name, whatever its element and its value. */
interface AttributeName {
  readonly lower: string;
  readonly isActive: boolean;
  /** Never kept; active ones are not either. */
  readonly isForbidden: boolean;
  /** Only of use on something that plays. */
  readonly isPlayback: boolean;
}

/** A page has thousands of elements and a few dozen names; a hostile one may have more. */
const MAX_NAMES = 2_000;
const attributeNames = new Map<string, AttributeName>();

function nameOf(name: string): AttributeName {
  let known = attributeNames.get(name);
  if (known === undefined) {
    const lower = name.toLowerCase();
    const isName = !PROTOTYPE_KEYS.has(name) && ATTRIBUTE_NAME.test(name);
    const isActive = isName && ACTIVE_ATTRIBUTE.test(lower);
    known = {
      lower,
      isActive,
      isForbidden: !isName || isActive || FORBIDDEN_ATTRIBUTES.has(lower),
      isPlayback: /^rr_media|^autoplay$/.test(lower),
    };
    if (attributeNames.size < MAX_NAMES) {
      attributeNames.set(name, known);
    }
  }
  return known;
}

export const FindingCode = {
  /** Scripts, handlers, script addresses, plug-ins: taken out. */
  ActiveContent: "active_content_removed",
  /** Images, fonts, stylesheets that the recording only names: not fetched. */
  External: "external_not_fetched",
  /** Events of a shape rrweb could not apply. */
  Malformed: "event_malformed",
  /** Subtrees deeper than `MAX_DEPTH`: cut. */
  TooDeep: "tree_too_deep",
} as const;

export type Report = (code: string, count?: number) => void;

/** What is remembered of an element, because later events name it by id only. */
interface Known {
  readonly tag: string;
  readonly isSvg: boolean;
  /** Of a link, the newest values; it is a stylesheet by both together. */
  rel?: string;
  href?: string;
}

/** Of an id that stood for two kinds of element: it may carry nothing that any of them loads. */
const AMBIGUOUS = "link";

/** Sanitises the nodes of one window, in playing order. */
export class NodeSanitiser {
  /** What relative addresses of the page start from; empty when it is not known. */
  base = "";
  readonly #report: Report;
  readonly #assets: Assets;
  readonly #elements = new Map<number, Known>();
  /** Video and audio elements that carry what they play. */
  readonly #media = new Set<number>();
  /** Text nodes whose text is a stylesheet. */
  readonly #cssTexts = new Set<number>();

  constructor(report: Report, assets: Assets) {
    this.#report = report;
    this.#assets = assets;
  }

  /** Forget the page before; a full snapshot begins a new one. */
  reset(): void {
    this.#elements.clear();
    this.#cssTexts.clear();
    this.#media.clear();
  }

  isMedia(id: number): boolean {
    return this.#media.has(id);
  }

  /** Give the new text of a node, cleaned when it is a stylesheet. */
  text(id: number, value: string): string {
    return this.#cssTexts.has(id) ? this.css(value) : value;
  }

  /** Give changed attributes; of an unknown element only what no element could misuse. */
  attributesOf(id: number, attributes: Json): Json {
    return this.#attributes(this.#elements.get(id) ?? { tag: "", isSvg: false }, attributes);
  }

  /**
   * Rebuild a serialised tree without recursion, so that no depth can overflow a stack.
   *
   * Returns null when the root is not a node.
   */
  tree(root: Json, parentId: number | null): Json | null {
    const parent = parentId === null ? undefined : this.#elements.get(parentId);
    const clean = this.#node(root, mayBeStyle(parent));
    if (clean === null) {
      return null;
    }
    const work: { from: Json; to: Json; depth: number }[] = [{ from: root, to: clean, depth: 0 }];
    for (let item = work.pop(); item !== undefined; item = work.pop()) {
      const { from, to, depth } = item;
      const children = to["childNodes"];
      if (!Array.isArray(children) || to["tagName"] === "template") {
        continue;
      }
      if (depth >= MAX_DEPTH) {
        this.#report(FindingCode.TooDeep);
        continue;
      }
      const inStyle = mayBeStyle(this.#elements.get(to["id"] as number));
      for (const child of objects(from["childNodes"])) {
        const cleanChild = this.#node(child, inStyle);
        if (cleanChild === null) {
          this.#report(FindingCode.Malformed);
          continue;
        }
        children.push(cleanChild);
        work.push({ from: child, to: cleanChild, depth: depth + 1 });
      }
    }
    return clean;
  }

  /** Rebuild one node, children left empty; null when it is none. */
  #node(node: Json, inStyle: boolean): Json | null {
    const id = finite(node["id"]);
    if (id === null) {
      return null;
    }
    const common: Json = { id };
    const rootId = finite(node["rootId"]);
    if (rootId !== null) {
      common["rootId"] = rootId;
    }
    if (typeof node["isShadowHost"] === "boolean") {
      common["isShadowHost"] = node["isShadowHost"];
    }
    if (typeof node["isShadow"] === "boolean") {
      common["isShadow"] = node["isShadow"];
    }
    switch (node["type"]) {
      case NodeType.Document:
        return {
          type: NodeType.Document,
          ...common,
          ...present(node, ["compatMode"], string),
          childNodes: [],
        };
      case NodeType.DocumentType:
        return {
          type: NodeType.DocumentType,
          ...common,
          name: doctypeName(node["name"]),
          publicId: "",
          systemId: "",
        };
      case NodeType.Element:
        return this.#element(node, common);
      case NodeType.Text: {
        const text = string(node["textContent"]) ?? "";
        const isCss = inStyle || node["isStyle"] === true;
        if (isCss) {
          this.#cssTexts.add(id);
        }
        return Object.assign(common, {
          type: NodeType.Text,
          textContent: isCss ? this.css(text) : text,
        });
      }
      case NodeType.Cdata:
      case NodeType.Comment:
        // A CDATA section cannot be made in an HTML document; a comment shows as little.
        return { type: NodeType.Comment, ...common, textContent: "" };
      default:
        return null;
    }
  }

  #element(node: Json, common: Json): Json | null {
    const recordedTag = string(node["tagName"]);
    if (recordedTag === null) {
      return null;
    }
    const isSvg = node["isSVG"] === true;
    const { name, local } = tagOf(recordedTag);
    const attributes = isObject(node["attributes"]) ? node["attributes"] : {};
    if (this.#isForbidden(local, attributes)) {
      this.#report(FindingCode.ActiveContent);
      this.#remember(common["id"] as number, { tag: "template", isSvg: false });
      return {
        type: NodeType.Element,
        ...common,
        tagName: "template",
        attributes: {},
        childNodes: [],
      };
    }
    // A canvas shows nothing where script is off, so its pixels are shown as an image.
    const tag = local === "canvas" && !isSvg ? "img" : isSvg ? name : name.toLowerCase();
    const known: Known = { tag: localName(tag), isSvg };
    this.#remember(common["id"] as number, known);
    const isCustom =
      tag.includes("-") && CUSTOM_ELEMENT.test(tag) && !RESERVED_ELEMENT.test(tag) && !isSvg;
    if (!isCustom && !SHADOW_HOSTS.has(tag)) {
      delete common["isShadowHost"];
    }
    let clean = this.#attributes(known, attributes);
    if ((local === "video" || local === "audio") && typeof clean["src"] === "string") {
      this.#media.add(common["id"] as number);
    } else if (Object.keys(clean).some((key) => nameOf(key).isPlayback)) {
      // To play nothing is an error the browser tells everybody about.
      clean = Object.fromEntries(Object.entries(clean).filter(([key]) => !nameOf(key).isPlayback));
    }
    if (local === "canvas" && typeof clean["rr_dataURL"] === "string") {
      clean["src"] = clean["rr_dataURL"];
    }
    const element = Object.assign(common, {
      type: NodeType.Element,
      tagName: tag,
      attributes: clean,
      childNodes: [],
    }) as Json;
    if (isSvg) {
      element["isSVG"] = true;
    }
    if (typeof node["needBlock"] === "boolean") {
      element["needBlock"] = node["needBlock"];
    }
    if (isCustom && typeof node["isCustom"] === "boolean") {
      element["isCustom"] = node["isCustom"];
    }
    return element;
  }

  /**
   * Keep what an id stands for. Ids are unique in a page that a recorder made: of one with
   * two, the replayer may mean the other than we, so no change of it may load anything.
   */
  #remember(id: number, known: Known): void {
    const before = this.#elements.get(id);
    const isSame =
      before === undefined || (before.tag === known.tag && before.isSvg === known.isSvg);
    this.#elements.set(id, isSame ? known : { tag: AMBIGUOUS, isSvg: false });
  }

  #isForbidden(local: string, attributes: Json): boolean {
    if (FORBIDDEN_TAGS.has(local)) {
      return true;
    }
    if (local === "meta") {
      return Object.keys(attributes).some((name) => name.toLowerCase() === "http-equiv");
    }
    if (SVG_ANIMATIONS.has(local)) {
      return Object.keys(attributes).some(
        (name) =>
          name.toLowerCase() === "attributename" && /href|^on|src/i.test(compact(attributes[name])),
      );
    }
    return false;
  }

  #attributes(known: Known, attributes: Json): Json {
    const clean: Json = {};
    for (const name of Object.keys(attributes)) {
      const { lower, isActive, isForbidden } = nameOf(name);
      if (isActive) {
        this.#report(FindingCode.ActiveContent);
      }
      if (!isForbidden) {
        const kept = this.#attribute(known, lower, attributes[name]);
        if (kept !== undefined) {
          clean[name] = kept;
        }
      }
    }
    if (known.tag === "link" && typeof attributes["_cssText"] !== "string") {
      Object.assign(clean, this.#linkedSheet(known, attributes));
    }
    return clean;
  }

  /** Give the frozen text of a linked stylesheet as the recorder would have inlined it. */
  #linkedSheet(known: Known, attributes: Json): Json {
    for (const name of ["rel", "href"] as const) {
      const value = attributes[name];
      if (typeof value === "string") {
        known[name] = value;
      }
    }
    const href = known.href ?? "";
    if (href === "" || !("rel" in attributes || "href" in attributes)) {
      return {};
    }
    const words = (known.rel ?? "").toLowerCase().split(/[ \t\n\f\r]+/);
    if (!words.includes("stylesheet") || words.includes("alternate")) {
      return {};
    }
    const sheet = this.#assets.sheet(href, this.base);
    const removed = sheet?.removed ?? 1;
    if (removed > 0) {
      this.#report(FindingCode.External, removed);
    }
    return sheet === null ? {} : { _cssText: sheet.text };
  }

  /** The value to keep; undefined to leave the attribute out. */
  #attribute(known: Known, name: string, value: unknown): unknown {
    if (value === null) {
      return null;
    }
    if (name === "style" && isObject(value)) {
      return this.#styleObject(value);
    }
    if (typeof value !== "string") {
      return typeof value === "number" || typeof value === "boolean" ? value : undefined;
    }
    if (name === "style" || name === "_csstext") {
      return this.css(value);
    }
    if (known.tag === "link") {
      // Its styles come in `_cssText`; whatever else a link does is a request.
      return name === "media" || name === "id" || name === "class" ? value : undefined;
    }
    if (known.tag === "iframe" && (name === "src" || name === "name")) {
      return undefined;
    }
    if ((name === "name" || name === "id") && hidesProperty(known.tag, value)) {
      return undefined;
    }
    if (RESOURCE_ATTRIBUTES.has(name)) {
      return this.#resource(known, name, value);
    }
    if (LINK_ATTRIBUTES.has(name)) {
      return this.#link(known, value);
    }
    if (known.isSvg && /[(\\]/.test(value)) {
      // Presentation attributes are CSS.
      return this.css(value);
    }
    if (SVG_ANIMATIONS.has(known.tag) && SCRIPT_SCHEME.test(compact(value))) {
      this.#report(FindingCode.ActiveContent);
      return undefined;
    }
    return value;
  }

  #resource(known: Known, name: string, value: string): string | undefined {
    const address = compact(value);
    if (SELF_CONTAINED_MEDIA.test(address) && name !== "srcset") {
      return value;
    }
    if (address === "") {
      return undefined;
    }
    const frozen = name === "srcset" ? this.#srcset(known, value) : this.#image(known, name, value);
    if (frozen !== null) {
      return frozen;
    }
    if (name === "srcset" && known.tag !== "img") {
      return undefined;
    }
    this.#report(
      SCRIPT_SCHEME.test(address) && !/^blob:/i.test(address)
        ? FindingCode.ActiveContent
        : FindingCode.External,
    );
    return known.tag === "img" && name === "src" ? MISSING_IMAGE : undefined;
  }

  #image(known: Known, name: string, value: string): string | null {
    const tags = IMAGE_ATTRIBUTES[name];
    return tags === null || tags?.has(known.tag) === true
      ? this.#assets.address(value, this.base)
      : null;
  }

  /** Those candidates of a `srcset` that are here; null when none is. */
  #srcset(known: Known, value: string): string | null {
    if (known.tag !== "img" && known.tag !== "source") {
      return null;
    }
    const kept = parseSrcset(value).flatMap(({ address, descriptor }) => {
      const frozen = this.#assets.address(address, this.base);
      return frozen === null ? [] : [`${frozen} ${descriptor}`.trim()];
    });
    return kept.length === 0 ? null : kept.join(", ");
  }

  #link(known: Known, value: string): string | undefined {
    const address = compact(value);
    if (known.isSvg && known.tag !== "a") {
      // <use>, <image>, <feImage>, gradients: fetched, unless within the document or carried.
      const isCarried = SVG_IMAGES.has(known.tag) && SELF_CONTAINED_MEDIA.test(address);
      if (address.startsWith("#") || isCarried) {
        return value;
      }
      const frozen =
        known.tag === "use"
          ? this.#assets.sprite(value, this.base)
          : SVG_IMAGES.has(known.tag)
            ? this.#assets.address(value, this.base)
            : null;
      if (frozen !== null) {
        return frozen;
      }
      this.#report(FindingCode.External);
      return undefined;
    }
    if (SCRIPT_SCHEME.test(address)) {
      this.#report(FindingCode.ActiveContent);
      return undefined;
    }
    return value;
  }

  #styleObject(style: Json): Json {
    const clean: Json = {};
    for (const [property, value] of Object.entries(style)) {
      if (PROTOTYPE_KEYS.has(property)) {
        continue;
      }
      if (value === false) {
        clean[property] = false;
      } else if (typeof value === "string") {
        clean[property] = this.css(value);
      } else if (Array.isArray(value) && typeof value[0] === "string") {
        clean[property] = [this.css(value[0]), value[1] === "important" ? "important" : ""];
      }
    }
    return clean;
  }

  /** Give a stylesheet without what it would fetch. */
  css(text: string): string {
    const { text: clean, removed } = cleanCss(text, this.#assets.css(this.base));
    if (removed > 0) {
      this.#report(FindingCode.External, removed);
    }
    return clean;
  }
}

/** Tell whether what is put into an element is a stylesheet, or may be. */
function mayBeStyle(known: Known | undefined): boolean {
  return known?.tag === "style" || known?.tag === AMBIGUOUS;
}

/** Blanks, controls and invisible characters: what a URL parser drops, and what hides a scheme. */
const HIDING = /[\p{Cc}\p{Cf}\p{Z}]+/gu;

/** The start of an address without what hides its scheme. */
function compact(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 4096).replace(HIDING, "") : "";
}

/** Names of elements, as they are recorded and without their prefix, seen before. */
const tags = new Map<string, { readonly name: string; readonly local: string }>();

function tagOf(recorded: string): { readonly name: string; readonly local: string } {
  let tag = tags.get(recorded);
  if (tag === undefined) {
    const name = TAG_NAME.test(recorded) ? recorded : "div";
    tag = { name, local: localName(name) };
    if (tags.size < MAX_NAMES) {
      tags.set(recorded, tag);
    }
  }
  return tag;
}

function localName(tag: string): string {
  return (tag.split(":").pop() ?? "").toLowerCase();
}

function doctypeName(value: unknown): string {
  return typeof value === "string" && /^[A-Za-z][\w-]*$/.test(value) ? value : "html";
}

/**
 * Whether a form or a document would give this element for one of its own properties.
 *
 * `form.childNodes` is the input of that name, where there is one (HTML, "named properties");
 * the replayer that walks by it stops at the first such form. Names that pages really use and
 * no replayer asks for (title, name, action) stay.
 */
function hidesProperty(tag: string, value: string): boolean {
  return NAMED_TAGS.has(tag) && WALKED_BY.test(value);
}

/**
 * Give the address of the first `<base href>` of a page itself, not of its iframes.
 *
 * @returns null when the page has none.
 */
export function baseHrefOf(document: Json): string | null {
  const work: Json[] = [document];
  for (let node = work.pop(); node !== undefined; node = work.pop()) {
    const isOwn = node["rootId"] === undefined || node["rootId"] === document["id"];
    if (node["type"] === NodeType.Element && isOwn && node["tagName"] === "base") {
      const attributes = isObject(node["attributes"]) ? node["attributes"] : {};
      if (typeof attributes["href"] === "string") {
        return attributes["href"];
      }
    }
    for (const child of objects(node["childNodes"]).reverse()) {
      work.push(child); // one by one: a hundred thousand arguments overflow the stack
    }
  }
  return null;
}
