/** The static part of the player's shadow tree. Nothing recorded ever goes through here. */

import { SPEEDS } from "../session";
import { KEY_HELP } from "./keys";
import { HOST_KINDS, MARKER_KINDS, MARKER_NAMES, MARKER_PATHS } from "./markers";

const icon = (path: string): string =>
  `<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">${path}</svg>`;

export const ICONS = {
  play: icon(
    '<path fill="currentColor" d="M8 5.1v13.8a.8.8 0 0 0 1.2.7l11-6.9a.8.8 0 0 0 0-1.4l-11-6.9A.8.8 0 0 0 8 5.1z"/>',
  ),
  pause: icon('<path fill="currentColor" d="M7 4.5h3.2v15H7zm6.8 0H17v15h-3.2z"/>'),
  replay: icon('<path class="line" d="M4.5 12a7.5 7.5 0 1 0 2.4-5.5M4.5 4v4.2h4.2"/>'),
  page: icon(
    '<path class="line" d="M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM3.8 12h16.4M12 3.5c2.4 2.3 3.6 5.1 3.6 8.5s-1.2 6.2-3.6 8.5c-2.4-2.3-3.6-5.1-3.6-8.5S9.600 5.800 12 3.500z"/>',
  ),
  skip: icon(
    '<path fill="currentColor" d="M4 6.2v11.6c0 .6.7 1 1.200.6L12 13.600v4.200c0 .6.7 1 1.200.6l7.600-5.800a.8.8 0 0 0 0-1.200l-7.600-5.800c-.5-.4-1.200 0-1.200.6v4.200L5.200 5.600C4.700 5.200 4 5.600 4 6.200z"/>',
  ),
  full: icon(
    '<path class="line" d="M4.500 9V4.500H9M15 4.500h4.500V9M19.500 15v4.500H15M9 19.500H4.500V15"/>',
  ),
  help: icon(
    '<path class="line" d="M9.200 9.300a2.800 2.800 0 1 1 4.300 2.400c-.9.6-1.500 1.200-1.500 2.300M12 17.300v.1"/><circle class="line" cx="12" cy="12" r="8.500"/>',
  ),
  notice: icon('<path class="line" d="M12 4 3.200 19.200h17.600L12 4zM12 10v4.300M12 16.800v.1"/>'),
};

/** Kinds only the host gives are hidden where it gives none. */
const legend = MARKER_KINDS.map(
  (kind) =>
    `<li class="${kind}"${HOST_KINDS.includes(kind) ? " hidden" : ""}><svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="${MARKER_PATHS[kind]}"/></svg>${MARKER_NAMES[kind]}</li>`,
).join("");

const escapeKeys = (keys: string): string =>
  keys
    .split(" ")
    .map((key) => `<kbd>${key.replace("<", "&lt;").replace(">", "&gt;")}</kbd>`)
    .join(" ");

export const TEMPLATE = `
<section class="player" part="player" role="region" aria-label="Session replay">
  <header class="top">
    <div class="tabs" role="group" aria-label="Windows" hidden></div>
    <div class="address" title="">${ICONS.page}<span class="url"></span></div>
    <button class="notice" type="button" aria-haspopup="dialog" hidden>${ICONS.notice}<span></span></button>
  </header>
  <div class="stage">
    <button class="big" type="button" aria-label="Play" hidden>${ICONS.play}</button>
    <div class="skipping" hidden>Skipping inactivity<b></b></div>
    <div class="message" role="status" hidden>
      <div class="spinner" aria-hidden="true"></div>
      <strong></strong><p></p>
      <div class="progress"><i></i></div>
    </div>
  </div>
  <footer class="bottom">
    <div class="seek" role="slider" tabindex="0" aria-label="Position" aria-valuemin="0" aria-valuenow="0">
      <svg class="markers" aria-hidden="true"></svg>
      <div class="track"><div class="fed"></div><div class="idle"></div><div class="played"></div></div>
      <div class="thumb"></div>
      <div class="tip" hidden><svg viewBox="-6 -6 12 12" aria-hidden="true"><path/></svg><b></b><span></span></div>
    </div>
    <div class="row">
      <button class="toggle" type="button" aria-label="Play">${ICONS.play}</button>
      <span class="time"><b>0:00</b><i>/</i><span class="total">0:00</span></span>
      <ul class="legend" aria-label="Markers">${legend}</ul>
      <button class="skip" type="button" aria-pressed="false" title="Skip inactivity (S)">${ICONS.skip}<span>Skip idle</span></button>
      <label class="speed"><span class="hidden">Speed</span><select>${SPEEDS.map((speed) => `<option value="${speed}">${speed}×</option>`).join("")}</select></label>
      <button class="help" type="button" aria-label="Help" title="Help (?)" aria-haspopup="dialog">${ICONS.help}</button>
      <button class="full" type="button" aria-label="Fullscreen" title="Fullscreen (F)">${ICONS.full}</button>
    </div>
  </footer>
  <dialog class="panel" aria-label="Help">
    <form method="dialog"><button class="close" aria-label="Close">×</button></form>
    <div class="findings" hidden><h2>About this replay</h2><ul></ul></div>
    <h2>Keys</h2>
    <dl>${KEY_HELP.map(([keys, what]) => `<div><dt>${escapeKeys(keys)}</dt><dd>${what}</dd></div>`).join("")}</dl>
    <h2>Markers</h2>
    <ul class="legend">${legend}</ul>
  </dialog>
</section>`;
