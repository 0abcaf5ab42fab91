/** Rows of the feeds (docs/reference/http.md), and the text each is searched by. */

import type { FeedRow } from "./feed.svelte";
import { bytes } from "./time";

export interface ActionRow extends FeedRow {
  readonly kind: string;
  readonly text: string;
  readonly node_id: number | null;
}

/** A moment of trouble. */
export interface SignalRow extends FeedRow {
  /** One of `SIGNALS`. */
  readonly kind: string;
  readonly text: string;
  readonly confidence: number;
}

/** What the visitor did, and where it went wrong. */
export type StepRow = ActionRow | SignalRow;

export function isSignal(row: StepRow): row is SignalRow {
  return "confidence" in row;
}

export interface ConsoleRow extends FeedRow {
  readonly level: string;
  readonly text: string;
  readonly trace: readonly string[];
}

export interface NetworkRow extends FeedRow {
  readonly url: string;
  readonly method: string;
  readonly status: number;
  readonly initiator: string;
  readonly duration_ms: number;
  readonly transfer_bytes: number | null;
  readonly is_error: boolean;
}

export interface AnalyticsRow extends FeedRow {
  readonly uuid: string;
  readonly event: string;
  readonly distinct_id: string;
  readonly url: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface LlmRow extends FeedRow {
  readonly event: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly name: string;
  readonly model: string;
  readonly provider: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cost_usd: number | null;
  readonly latency_s: number | null;
  readonly is_error: boolean;
  readonly error: string;
}

export interface EventRow extends FeedRow {
  readonly seq: number;
  readonly type: number;
  readonly source: number | null;
  readonly kind: string;
  readonly data: string | null;
  readonly data_chars: number;
}

/** One line of a row's details: what, and the text. */
export type DetailLine = readonly [label: string, text: string];

export const stepText = (row: StepRow): string => `${row.kind} ${row.text}`;
export const consoleText = (row: ConsoleRow): string => `${row.level} ${row.text}`;
export const networkText = (row: NetworkRow): string =>
  `${row.method} ${row.status} ${row.initiator} ${row.url}${row.is_error ? " error" : ""}`;
export const analyticsText = (row: AnalyticsRow): string =>
  `${row.event} ${row.url} ${JSON.stringify(row.properties)}`;
export const llmText = (row: LlmRow): string =>
  `${row.event} ${row.name} ${row.model} ${row.provider} ${row.trace_id} ${turnText(row.input)} ${turnText(row.output)}`;
export const eventText = (row: EventRow): string => row.kind;

export function consoleDetails(row: ConsoleRow): DetailLine[] {
  const lines: DetailLine[] = [[row.level, row.text]];
  if (row.trace.length > 0) {
    lines.push(["stack", row.trace.join("\n")]);
  }
  return lines;
}

export function networkDetails(row: NetworkRow): DetailLine[] {
  return [
    ["address", row.url],
    ["request", `${row.method} · ${row.initiator === "" ? "unknown initiator" : row.initiator}`],
    ["answer", row.status === 0 ? "status not recorded" : String(row.status)],
    ["took", `${Math.round(row.duration_ms)} ms`],
    ["size", row.transfer_bytes === null ? "not recorded" : bytes(row.transfer_bytes)],
  ];
}

export function analyticsDetails(row: AnalyticsRow): DetailLine[] {
  return [
    ["event", row.event],
    ["page", row.url],
    ["person", row.distinct_id],
    ["properties", json(row.properties)],
  ];
}

export function llmDetails(row: LlmRow): DetailLine[] {
  const numbers = [
    row.input_tokens === null ? "" : `${row.input_tokens} tokens in`,
    row.output_tokens === null ? "" : `${row.output_tokens} out`,
    row.latency_s === null ? "" : `${row.latency_s.toFixed(2)} s`,
    row.cost_usd === null ? "" : `$${row.cost_usd.toPrecision(3)}`,
  ].filter(Boolean);
  const lines: DetailLine[] = [["model", [row.provider, row.model].filter(Boolean).join(" / ")]];
  if (numbers.length > 0) {
    lines.push(["cost", numbers.join(" · ")]);
  }
  if (row.error !== "" || row.is_error) {
    lines.push(["error", row.error === "" ? "yes" : row.error]);
  }
  lines.push(
    ["input", turnText(row.input)],
    ["output", turnText(row.output)],
    ["trace", row.trace_id],
  );
  return lines.filter(([, text]) => text !== "");
}

/** What was said in messages, as SDKs send them; JSON for any other shape. */
export function turnText(value: unknown): string {
  if (value === null || value === undefined) {
    return "";
  }
  if (typeof value === "string") {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map(turnText).filter(Boolean).join("\n\n");
  }
  if (typeof value === "object") {
    const { role, content, text } = value as Record<string, unknown>;
    if (typeof content === "string" || Array.isArray(content)) {
      return `${typeof role === "string" ? `${role}: ` : ""}${turnText(content)}`;
    }
    if (typeof text === "string") {
      return text;
    }
  }
  return json(value);
}

/** Indented JSON; the text itself when it does not parse. */
export function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

export function indented(text: string): string {
  try {
    return json(JSON.parse(text));
  } catch {
    return text;
  }
}
