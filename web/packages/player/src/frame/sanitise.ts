/**
 * Makes recorded events harmless before the replayer sees them.
 *
 * Three walls stand behind this one: the replayer's inner iframe runs no script, the
 * frame's content security policy allows no request, and its origin is opaque (see
 * docs/adr/0001-sandbox-not-sanitise.md). This one removes what those do not cover
 * (`dns-prefetch`, focus, prototype keys), and keeps the others from being tried.
 *
 * Nothing is passed through: each event is rebuilt from the fields rrweb reads, after
 * a check of their types; `nodes.ts` does so for what is in a page.
 */

import { EventType, IncrementalSource, NodeType } from "@replayport/types";

import { Assets, resolve } from "./assets";
import { canvasFrameOf } from "./canvas";
import { cleanCss } from "./css";
import { boolean, finite, isObject, objects, present, string, type Json } from "./json";
import { baseHrefOf, FindingCode, NodeSanitiser, type Report } from "./nodes";

const MAX_VIEWPORT_PX = 20_000;

/** Sanitises the events of one window, in playing order. */
export class Sanitiser {
  readonly #report: Report;
  readonly #assets: Assets;
  readonly #nodes: NodeSanitiser;
  #pageHref = "";

  constructor(report: Report, assets = new Assets()) {
    this.#report = report;
    this.#assets = assets;
    this.#nodes = new NodeSanitiser(report, assets);
  }

  /**
   * Give the `data` the replayer may have; null when there is nothing for it.
   *
   * Events of types 0, 1, 5, 6 and 7 draw nothing and are never passed on.
   */
  clean(type: number, data: unknown): unknown {
    if (!isObject(data)) {
      return type === EventType.FullSnapshot ? this.#malformed() : null;
    }
    switch (type) {
      case EventType.Meta:
        this.#pageHref = resolve(string(data["href"]) ?? "", "")?.href ?? "";
        this.#nodes.base = this.#pageHref;
        return { href: "about:blank", ...this.#size(data) };
      case EventType.FullSnapshot:
        return this.#fullSnapshot(data);
      case EventType.IncrementalSnapshot:
        return this.#incremental(data);
      default:
        return null;
    }
  }

  #fullSnapshot(data: Json): unknown {
    const node = data["node"];
    if (!isObject(node) || node["type"] !== NodeType.Document) {
      return this.#malformed();
    }
    this.#nodes.reset();
    const base = baseHrefOf(node);
    this.#nodes.base =
      (base === null ? null : resolve(base, this.#pageHref)?.href) ?? this.#pageHref;
    const clean = this.#nodes.tree(node, null);
    if (clean === null) {
      return this.#malformed();
    }
    const offset = isObject(data["initialOffset"]) ? data["initialOffset"] : {};
    return {
      node: clean,
      initialOffset: { top: finite(offset["top"]) ?? 0, left: finite(offset["left"]) ?? 0 },
    };
  }

  #incremental(data: Json): unknown {
    const source = data["source"];
    const id = finite(data["id"]);
    switch (source) {
      case IncrementalSource.Mutation:
        return this.#mutation(data);
      case IncrementalSource.MouseMove:
      case IncrementalSource.TouchMove:
      case IncrementalSource.Drag: {
        const positions = objects(data["positions"]).flatMap((position) =>
          finite(position["id"]) === null
            ? []
            : [
                {
                  x: finite(position["x"]) ?? 0,
                  y: finite(position["y"]) ?? 0,
                  id: finite(position["id"]),
                  timeOffset: Math.min(0, finite(position["timeOffset"]) ?? 0),
                },
              ],
        );
        return positions.length === 0 ? this.#malformed() : { source, positions };
      }
      case IncrementalSource.MouseInteraction: {
        const type = finite(data["type"]);
        if (id === null || type === null || type < 0 || type > 10) {
          return this.#malformed();
        }
        return { source, type, id, ...present(data, ["x", "y", "pointerType"], finite) };
      }
      case IncrementalSource.Scroll:
        return id === null
          ? this.#malformed()
          : { source, id, x: finite(data["x"]) ?? 0, y: finite(data["y"]) ?? 0 };
      case IncrementalSource.ViewportResize:
        return { source, ...this.#size(data) };
      case IncrementalSource.Input:
        return id === null
          ? this.#malformed()
          : {
              source,
              id,
              text: typeof data["text"] === "string" ? data["text"] : "",
              isChecked: data["isChecked"] === true,
            };
      case IncrementalSource.MediaInteraction: {
        const type = finite(data["type"]);
        if (id === null || type === null) {
          return this.#malformed();
        }
        if (!this.#nodes.isMedia(id)) {
          return null;
        }
        return {
          source,
          type,
          id,
          ...present(data, ["currentTime", "volume", "playbackRate"], finite),
          ...present(data, ["muted", "loop"], boolean),
        };
      }
      case IncrementalSource.StyleSheetRule:
        return {
          source,
          ...present(data, ["id", "styleId"], finite),
          ...this.#rules(data),
        };
      case IncrementalSource.StyleDeclaration:
        return this.#styleDeclaration(data);
      case IncrementalSource.AdoptedStyleSheet:
        return this.#adoptedStyleSheet(data);
      case IncrementalSource.CanvasMutation: {
        const frame = id === null ? null : canvasFrameOf(data);
        return frame === null
          ? null
          : mutationOf({ attributes: [{ id, attributes: { src: frame } }] });
      }
      case IncrementalSource.Font:
        return this.#font(data);
      case IncrementalSource.Selection:
        return {
          source,
          ranges: objects(data["ranges"]).map((range) =>
            present(range, ["start", "startOffset", "end", "endOffset"], finite),
          ),
        };
      default:
        return null;
    }
  }

  #mutation(data: Json): unknown {
    const lists = ["texts", "attributes", "removes", "adds"].map((name) => data[name] ?? []);
    if (!lists.every(Array.isArray)) {
      return this.#malformed();
    }
    const added = objects(data["adds"]);
    // Elements first: a text may come before the stylesheet that it is put into.
    const nodes = new Map<Json, Json | null>();
    for (const isElement of [true, false]) {
      for (const { node, parentId } of added) {
        if (isObject(node) && (node["type"] === NodeType.Element) === isElement) {
          nodes.set(node, this.#nodes.tree(node, finite(parentId)));
        }
      }
    }
    const adds = added.flatMap((add) => {
      const parentId = finite(add["parentId"]);
      const node = isObject(add["node"]) ? (nodes.get(add["node"]) ?? null) : null;
      if (node === null || parentId === null) {
        this.#malformed();
        return [];
      }
      return [
        {
          parentId,
          ...present(add, ["previousId"], finite),
          nextId: finite(add["nextId"]),
          node,
        },
      ];
    });
    const texts = objects(data["texts"]).flatMap((text) => {
      const id = finite(text["id"]);
      const value = typeof text["value"] === "string" ? text["value"] : null;
      if (id === null) {
        return [];
      }
      return [{ id, value: value === null ? null : this.#nodes.text(id, value) }];
    });
    const attributes = objects(data["attributes"]).flatMap((change) => {
      const id = finite(change["id"]);
      if (id === null || !isObject(change["attributes"])) {
        return [];
      }
      return [{ id, attributes: this.#nodes.attributesOf(id, change["attributes"]) }];
    });
    const removes = objects(data["removes"]).flatMap((remove) => {
      const id = finite(remove["id"]);
      const parentId = finite(remove["parentId"]);
      return id === null || parentId === null
        ? []
        : [{ id, parentId, ...present(remove, ["isShadow"], boolean) }];
    });
    return {
      ...mutationOf({ adds, texts, attributes, removes }),
      ...present(data, ["isAttachIframe"], boolean),
    };
  }

  #rules(data: Json): Json {
    const clean: Json = {};
    if (Array.isArray(data["adds"])) {
      clean["adds"] = objects(data["adds"]).flatMap((add) => {
        const rule = string(add["rule"]);
        return rule === null ? [] : [{ rule: this.#nodes.css(rule), ...indexOf(add["index"]) }];
      });
    }
    if (Array.isArray(data["removes"])) {
      clean["removes"] = objects(data["removes"]).flatMap((remove) => {
        const index = indexOf(remove["index"]);
        return "index" in index ? [index] : [];
      });
    }
    for (const name of ["replace", "replaceSync"]) {
      const text = string(data[name]);
      if (text !== null) {
        clean[name] = this.#nodes.css(text);
      }
    }
    return clean;
  }

  #styleDeclaration(data: Json): unknown {
    const index = indexOf(data["index"])["index"];
    if (!Array.isArray(index)) {
      return this.#malformed();
    }
    const clean: Json = {
      source: IncrementalSource.StyleDeclaration,
      index,
      ...present(data, ["id", "styleId"], finite),
    };
    const { set, remove } = data;
    if (isObject(set) && typeof set["property"] === "string") {
      clean["set"] = {
        property: set["property"],
        value: this.#nodes.css(string(set["value"]) ?? ""),
        priority: set["priority"] === "important" ? "important" : "",
      };
    }
    if (isObject(remove) && typeof remove["property"] === "string") {
      clean["remove"] = { property: remove["property"] };
    }
    return clean;
  }

  #adoptedStyleSheet(data: Json): unknown {
    const id = finite(data["id"]);
    if (id === null || !Array.isArray(data["styleIds"])) {
      return this.#malformed();
    }
    return {
      source: IncrementalSource.AdoptedStyleSheet,
      id,
      styleIds: data["styleIds"].filter((styleId) => finite(styleId) !== null),
      styles: objects(data["styles"]).flatMap((style) => {
        const styleId = finite(style["styleId"]);
        return styleId === null
          ? []
          : [{ styleId, rules: this.#rules({ adds: style["rules"] })["adds"] ?? [] }];
      }),
    };
  }

  #font(data: Json): unknown {
    const family = string(data["family"]);
    const fontSource = string(data["fontSource"]);
    if (family === null || fontSource === null) {
      return this.#malformed();
    }
    if (data["buffer"] !== true) {
      const { text, removed } = cleanCss(fontSource, this.#assets.css(this.#nodes.base));
      if (removed > 0) {
        this.#report(FindingCode.External, removed);
        return null;
      }
      return { source: IncrementalSource.Font, family, fontSource: text, buffer: false };
    }
    // A list of bytes; of anything else the replayer would make room for as many as it says.
    return /^\[[\d\s,]*\]$/.test(fontSource)
      ? { source: IncrementalSource.Font, family, fontSource, buffer: true }
      : this.#malformed();
  }

  #size(data: Json): { width: number; height: number } {
    return { width: viewport(data["width"], 1280), height: viewport(data["height"], 800) };
  }

  #malformed(): null {
    this.#report(FindingCode.Malformed);
    return null;
  }
}

/** A Mutation of the given lists, the others empty. */
function mutationOf(lists: Json): Json {
  return {
    source: IncrementalSource.Mutation,
    texts: [],
    attributes: [],
    removes: [],
    adds: [],
    ...lists,
  };
}

function viewport(value: unknown, fallback: number): number {
  const px = finite(value);
  return px === null || px < 1 ? fallback : Math.min(MAX_VIEWPORT_PX, px);
}

/** `index` of a rule: a number, or a path of numbers into nested rules. */
function indexOf(value: unknown): Json {
  if (finite(value) !== null) {
    return { index: value };
  }
  return Array.isArray(value) && value.length > 0 && value.every((part) => finite(part) !== null)
    ? { index: value.map(Number) }
    : {};
}
