// Runs beside rrweb's Replayer: writes its DOM as the mirror writes its own.

window.compare = (() => {
  const escaped = (text) =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const quoted = (text) => escaped(text).replaceAll('"', "&quot;").replaceAll("'", "&#x27;");
  const VOID = new Set(
    "area base br col embed hr img input link meta source track wbr param".split(" "),
  );
  const RAW = new Set("script style xmp iframe noembed noframes plaintext".split(" "));
  const css = new Map();

  /** Split a selector list at its own commas. */
  function selectors(text) {
    const found = [""];
    let depth = 0;
    for (const char of text) {
      depth += "([".includes(char) ? 1 : ")]".includes(char) ? -1 : 0;
      if (char === "," && depth === 0) {
        found.push("");
      } else {
        found[found.length - 1] += char;
      }
    }
    return found.map((one) => one.trim());
  }

  /** The rules as the browser has them, without what the replayer adds for hovering. */
  function rules(list) {
    const out = [];
    for (const rule of list) {
      if (rule.type === CSSRule.IMPORT_RULE || rule.type === CSSRule.NAMESPACE_RULE) {
        continue;
      }
      const inner = rule.cssRules ? rules(rule.cssRules) : "";
      if (rule.selectorText !== undefined && rule.style) {
        const kept = selectors(rule.selectorText).filter((one) => !one.includes("\\:hover"));
        if (kept.some((one) => /::.*:hover/.test(one))) {
          continue; // the replayer's class cannot follow a pseudo-element, which ends the rule
        }
        out.push(`${kept.join(", ")} { ${rule.style.cssText} ${inner}}`);
      } else if (rule.cssRules) {
        const head = rule.cssText.slice(0, rule.cssText.indexOf("{"));
        out.push(`${head.replace(/(max|min)-device-(width|height)/g, "$1-$2")}{ ${inner} }`);
      } else {
        out.push(rule.cssText);
      }
    }
    return out.join("\n");
  }

  function normalCss(text) {
    let found = css.get(text);
    if (found === undefined) {
      const sheet = new CSSStyleSheet();
      try {
        sheet.replaceSync(text);
        found = rules(sheet.cssRules);
      } catch {
        found = text;
      }
      css.set(text, found);
    }
    return found;
  }

  const probe = document.createElement("i");

  function normalStyle(text) {
    probe.setAttribute("style", text);
    return probe.style.cssText;
  }

  function write(node, mirror, states) {
    const id = mirror.getId(node);
    if (id < 0 && node.nodeType !== Node.TEXT_NODE) {
      return "";
    }
    switch (node.nodeType) {
      case Node.DOCUMENT_NODE:
        if (node.adoptedStyleSheets.length > 0) {
          states.push([id, "sheets", node.adoptedStyleSheets.map((s) => rules(s.cssRules))]);
        }
        return [...node.childNodes].map((child) => write(child, mirror, states)).join("");
      case Node.DOCUMENT_TYPE_NODE:
        return `<!DOCTYPE ${quoted(node.name)}>`;
      case Node.COMMENT_NODE:
        return `<!--${node.data.replaceAll("--", "- -")}-->`;
      case Node.TEXT_NODE: {
        const tag = mirror.getMeta(node.parentNode)?.tagName?.toLowerCase();
        return RAW.has(tag) ? node.data.replaceAll("</", "<\\/") : escaped(node.data);
      }
      case Node.ELEMENT_NODE:
        break;
      default:
        return "";
    }
    const meta = mirror.getMeta(node);
    const tag = node.localName === "style" ? "style" : meta.tagName.toLowerCase();
    let attributes = "";
    for (const { name, value } of node.attributes) {
      attributes += ` ${name}="${quoted(value)}"`;
    }
    if (tag === "iframe") {
      const inside = node.contentDocument;
      const text = inside && mirror.getId(inside) >= 0 ? write(inside, mirror, states) : "";
      return text === ""
        ? `<iframe${attributes}></iframe>`
        : `<iframe${attributes} srcdoc="${quoted(text)}"></iframe>`;
    }
    let out = `<${tag}${attributes}>`;
    if (["input", "select", "textarea"].includes(tag)) {
      states.push([id, "field", [node.value, node.checked ?? null, node.type]]);
    }
    if (VOID.has(tag)) {
      return out;
    }
    if (node.shadowRoot) {
      const inside = [...node.shadowRoot.childNodes].map((c) => write(c, mirror, states));
      out += `<template shadowrootmode="open">${inside.join("")}</template>`;
      if (node.shadowRoot.adoptedStyleSheets.length > 0) {
        const sheets = node.shadowRoot.adoptedStyleSheets;
        states.push([id, "sheets", sheets.map((s) => rules(s.cssRules))]);
      }
    }
    if (tag === "style") {
      states.push([id, "style", node.sheet ? rules(node.sheet.cssRules) : null]);
    } else if (tag !== "textarea") {
      out += [...node.childNodes].map((child) => write(child, mirror, states)).join("");
    }
    return `${out}</${tag}>`;
  }

  let replayer = null;

  return {
    normalCss: (texts) => texts.map(normalCss),
    normalStyles: (texts) => texts.map(normalStyle),
    async load(events, useVirtualDom) {
      replayer?.destroy();
      document.body.replaceChildren();
      const warnings = [];
      replayer = new rrweb.Replayer(events, {
        root: document.body,
        useVirtualDom,
        mouseTail: false,
        triggerFocus: false,
        loadTimeout: 0,
        showWarning: true,
        logger: { log() {}, warn: (...args) => warnings.push(String(args[1])) },
      });
      window.warnings = warnings;
      await new Promise((done) => setTimeout(done, 20)); // it draws its first snapshot late
    },
    at(offsetMs) {
      replayer.pause(offsetMs);
      const states = [];
      const doc = replayer.iframe.contentDocument;
      return { html: write(doc, replayer.getMirror(), states), states };
    },
  };
})();
