/**
 * The words of rrweb and of the stored recording, shared by every package.
 *
 * Numbers are rrweb's own (`packages/types/src/index.ts` in rrweb). The columns are
 * those of `events.parquet`; JSON texts stay text until somebody needs the value.
 */

export const EventType = {
  DomContentLoaded: 0,
  Load: 1,
  FullSnapshot: 2,
  IncrementalSnapshot: 3,
  Meta: 4,
  Custom: 5,
  Plugin: 6,
  Asset: 7,
} as const;

export const IncrementalSource = {
  Mutation: 0,
  MouseMove: 1,
  MouseInteraction: 2,
  Scroll: 3,
  ViewportResize: 4,
  Input: 5,
  TouchMove: 6,
  MediaInteraction: 7,
  StyleSheetRule: 8,
  CanvasMutation: 9,
  Font: 10,
  Log: 11,
  Drag: 12,
  StyleDeclaration: 13,
  Selection: 14,
  AdoptedStyleSheet: 15,
  CustomElement: 16,
} as const;

export const NodeType = {
  Document: 0,
  DocumentType: 1,
  Element: 2,
  Text: 3,
  Cdata: 4,
  Comment: 5,
} as const;

/** Sources that show a person at work; the same set as in Python's `rrweb.events`. */
export const USER_INTERACTION_SOURCES: ReadonlySet<number> = new Set([
  IncrementalSource.MouseMove,
  IncrementalSource.MouseInteraction,
  IncrementalSource.Scroll,
  IncrementalSource.ViewportResize,
  IncrementalSource.Input,
  IncrementalSource.TouchMove,
  IncrementalSource.MediaInteraction,
  IncrementalSource.Drag,
]);

/** The light columns of one row group, position by position. */
export interface GroupIndex {
  /** Row of the file at which the group starts. */
  readonly rowStart: number;
  readonly timestampMs: readonly number[];
  readonly windowId: readonly string[];
  readonly type: readonly number[];
  readonly source: readonly (number | null)[];
  readonly kind: readonly string[];
  readonly url: readonly (string | null)[];
}

/** The `data` column of one row group, in the order of its `GroupIndex`. */
export interface GroupData {
  readonly data: readonly (string | null)[];
}

/** An rrweb event as the replayer takes it. */
export interface ReplayEvent {
  type: number;
  timestamp: number;
  data: unknown;
}

/** Something the recording could not give, counted rather than logged. */
export interface Finding {
  readonly code: string;
  readonly count: number;
}
