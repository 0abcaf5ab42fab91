// PostHog's metrics of recordings in Node, as its ingestion computes them: one event after the other.
//
//   JSON lines, zstd --decompress, split, JSON.parse--> events --> one row a recording
//
// Reads commands, one JSON a line, and answers each with one JSON line:
//   {"do": "run", "files": [path], "times": n}  -> {"seconds", "cpu_seconds", "recordings", "rows"}
//   rows: the metrics of each file, once, so that both sides can be compared

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { zstdDecompressSync } from "node:zlib";

const ACTIVE = new Set([1, 2, 3, 4, 5, 6, 7, 12]);
const CLICKS = new Set([2, 3, 4, 9]);
const TOKENS = ["login", "signup", "checkout", "cart", "billing", "settings", "account", "error", "404", "admin", "dashboard", "onboarding", "cancel", "refund"];

function activeMs(events) {
  const sorted = events.map(([, e]) => e).sort((a, b) => a.timestamp - b.timestamp);
  let total = 0;
  let segment = null;
  let last = null;
  const close = () => {
    if (segment?.active) total += Math.max(1, segment.end - segment.start);
  };
  for (const e of sorted) {
    const active = e.type === 3 && ACTIVE.has(e.data?.source);
    const fresh = !segment || (active && !segment.active) || (segment.active && last + 5000 < e.timestamp);
    if (active) last = e.timestamp;
    if (fresh) {
      close();
      segment = { start: e.timestamp, end: e.timestamp, active };
    } else segment.end = e.timestamp;
  }
  close();
  return Math.floor(total);
}

function hrefOf(e) {
  if (e.type < 4 || e.type > 6 || (e.type === 5 && e.data?.tag === "$json_ld")) return null;
  const href = (typeof e.data?.href === "string" && e.data.href.trim()) || (typeof e.data?.payload?.href === "string" && e.data.payload.href.trim());
  return href || null;
}

function metrics(events) {
  const r = { event_count: events.length, active_ms: activeMs(events), click_count: 0, keypress_count: 0, mouse_activity_count: 0, mouse_position_count: 0, mouse_sum_x: 0, mouse_sum_x_squared: 0, mouse_sum_y: 0, mouse_sum_y_squared: 0, mouse_distance_traveled: 0, mouse_direction_change_count: 0, mouse_velocity_sum: 0, mouse_velocity_sum_of_squares: 0, mouse_velocity_count: 0, scroll_event_count: 0, total_scroll_magnitude: 0, scroll_direction_reversal_count: 0, rapid_scroll_reversal_count: 0, scroll_to_top_count: 0, max_scroll_y: 0, rage_click_count: 0, dead_click_count: 0, backspace_count: 0, inter_action_gap_count: 0, inter_action_gap_sum_ms: 0, inter_action_gap_sum_of_squares_ms: 0, max_idle_gap_ms: 0, long_idle_gap_count: 0, page_visit_count: 0, quick_back_count: 0, console_log_count: 0, console_warn_count: 0, console_error_count: 0, console_error_after_click_count: 0, network_request_count: 0, network_failed_request_count: 0, network_4xx_count: 0, network_5xx_count: 0, network_request_duration_sum: 0, network_request_duration_sum_of_squares: 0, network_request_duration_count: 0, mutation_count: 0, viewport_resize_count: 0, touch_event_count: 0, text_selection_count: 0, selection_copy_count: 0 };
  const visited = new Set();
  const targets = new Set();
  const fields = new Set();
  const lengths = new Map();
  const tokens = Object.fromEntries(TOKENS.map((t) => [t, 0]));
  let m = null;
  let step = null;
  const scroll = { id: null, y: null, t: null, up: null };
  let click = null;
  let chain = 0;
  let urlChanged = false;
  let action = null;
  let user = null;
  let page = null;
  let selected = null;
  for (const [, e] of events) {
    const { type, data, timestamp: t } = e;
    if (type === 3) {
      const source = data.source;
      if (source === 1 || source === 2 || source === 6) r.mouse_activity_count++;
      if (source === 0) r.mutation_count++;
      else if (source === 1) {
        for (const p of data.positions) {
          const at = t + (p.timeOffset || 0);
          r.mouse_position_count++;
          r.mouse_sum_x += p.x;
          r.mouse_sum_x_squared += p.x * p.x;
          r.mouse_sum_y += p.y;
          r.mouse_sum_y_squared += p.y * p.y;
          if (m) {
            const dx = p.x - m.x;
            const dy = p.y - m.y;
            const d = Math.sqrt(dx * dx + dy * dy);
            r.mouse_distance_traveled += d;
            if (step && dx * step[0] + dy * step[1] < 0) r.mouse_direction_change_count++;
            step = [dx, dy];
            if (at - m.at > 0) {
              const v = d / (at - m.at);
              r.mouse_velocity_sum += v;
              r.mouse_velocity_sum_of_squares += v * v;
              r.mouse_velocity_count++;
            }
          }
          m = { x: p.x, y: p.y, at };
        }
      } else if (source === 3) {
        r.scroll_event_count++;
        if (data.y !== undefined) {
          r.max_scroll_y = Math.max(r.max_scroll_y, data.y);
          if (data.id !== scroll.id) Object.assign(scroll, { id: data.id, y: null, up: null });
          if (scroll.y !== null) {
            const dy = data.y - scroll.y;
            r.total_scroll_magnitude += Math.abs(dy);
            if (scroll.y > 0 && data.y === 0) r.scroll_to_top_count++;
            if (dy !== 0) {
              if (scroll.up !== null && scroll.up !== dy < 0) {
                r.scroll_direction_reversal_count++;
                if (t - scroll.t < 500) r.rapid_scroll_reversal_count++;
              }
              scroll.up = dy < 0;
            }
          }
          scroll.y = data.y;
          scroll.t = t;
        }
      } else if (source === 4) r.viewport_resize_count++;
      else if (source === 14) {
        r.text_selection_count++;
        selected = t;
      } else if (source === 6) r.touch_event_count++;
      if (source === 2) {
        if (data.type === 7 || data.type === 9) r.touch_event_count++;
        if (CLICKS.has(data.type)) {
          r.click_count++;
          user = t;
          if (data.id !== undefined && targets.size < 1000) targets.add(data.id);
          const { x, y } = data;
          if (!click || x === undefined || click.x === undefined) {
            chain = 1;
            urlChanged = false;
          } else if (t - click.t < 1000 && Math.hypot(x - click.x, y - click.y) < 30) {
            chain++;
            if (chain >= 3) r.rage_click_count++;
          } else {
            if (chain === 1 && !urlChanged) r.dead_click_count++;
            chain = 1;
            urlChanged = false;
          }
          click = { x, y, t };
        }
      }
      if (source === 5) {
        r.keypress_count++;
        user = t;
        if (data.id !== undefined && fields.size < 1000) fields.add(data.id);
        if (typeof data.text === "string") {
          const before = lengths.get(data.id);
          if (before !== undefined && data.text.length < before) r.backspace_count += before - data.text.length;
          if (lengths.size < 1000 || lengths.has(data.id)) lengths.set(data.id, data.text.length);
        }
        if (selected !== null && t - selected <= 2000) {
          r.selection_copy_count++;
          selected = null;
        }
      }
      if ((source === 2 && CLICKS.has(data.type)) || source === 5) {
        if (action !== null && t - action > 0) {
          const gap = t - action;
          r.inter_action_gap_count++;
          r.inter_action_gap_sum_ms += gap;
          r.inter_action_gap_sum_of_squares_ms += gap * gap;
          r.max_idle_gap_ms = Math.max(r.max_idle_gap_ms, gap);
          if (gap > 30000) r.long_idle_gap_count++;
        }
        action = t;
      }
    }
    const href = hrefOf(e);
    if (href) {
      r.page_visit_count++;
      if (visited.size < 1000) visited.add(createHash("md5").update(href).digest("hex"));
      urlChanged = true;
      try {
        const parts = new Set(new URL(href).pathname.toLowerCase().split("/"));
        for (const token of TOKENS) if (parts.has(token)) tokens[token]++;
      } catch {
        // no address
      }
      if (page && t - page.t < 2000 && href !== page.href) r.quick_back_count++;
      page = { href, t };
    }
    if (type === 6 && data.plugin === "rrweb/console@1") {
      const level = data.payload?.level;
      if (level === "warn" || level === "countReset") r.console_warn_count++;
      else if (level === "error" || level === "assert") r.console_error_count++;
      else r.console_log_count++;
      if (level === "error" && user !== null && t - user >= 0 && t - user < 5000) r.console_error_after_click_count++;
    } else if (type === 6 && data.plugin === "rrweb/network@1") {
      for (const q of data.payload.requests) {
        const status = q.status ?? q.responseStatus;
        r.network_request_count++;
        if (typeof status === "number" && status >= 400) {
          r.network_failed_request_count++;
          if (status < 500) r.network_4xx_count++;
          else if (status < 600) r.network_5xx_count++;
        }
        if (typeof q.duration === "number" && q.duration > 0) {
          r.network_request_duration_sum += q.duration;
          r.network_request_duration_sum_of_squares += q.duration * q.duration;
          r.network_request_duration_count++;
        }
      }
    }
  }
  for (const token of TOKENS) r[`path_${token}_count`] = tokens[token];
  return { ...r, visited_urls: visited.size, click_target_ids: targets.size, form_field_ids: fields.size };
}

function one(path) {
  const text = zstdDecompressSync(readFileSync(path)).toString("utf8");
  const events = [];
  for (const line of text.split("\n")) if (line) events.push(JSON.parse(line));
  return metrics(events);
}

function run({ files, times }) {
  const rows = [];
  let recordings = 0;
  const cpuBegin = process.cpuUsage();
  const begin = process.hrtime.bigint();
  for (let n = 0; n < times; n += 1) {
    for (const path of files) {
      const row = one(path);
      if (n === 0) rows.push(row);
      recordings += 1;
    }
  }
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  const cpu = process.cpuUsage(cpuBegin);
  return { seconds, cpu_seconds: (cpu.user + cpu.system) / 1e6, recordings, rows };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(run(JSON.parse(line)))}\n`);
}
