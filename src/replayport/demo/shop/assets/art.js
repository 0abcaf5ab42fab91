/**
 * Draws the knitwear: every picture in the shop is inline SVG made here.
 *
 * A garment is a silhouette filled with knit stitches (a repeating V) and crossed by
 * bands of a chart. A chart is a few strings, one character a stitch: `.` base,
 * `a` and `b` the two yarns of the colourway. Inline pictures are part of the page,
 * so a recording of the shop shows them without any file beside it.
 */

const CELL_W = 8;
const CELL_H = 7;

const CHARTS = {
  plain: ["."],
  stripe: ["a", "a", "a", ".", ".", "."],
  thin: ["a", ".", ".", "."],
  zig: ["a...", ".a.a", "..a."],
  dots: ["a...", "....", "..a.", "...."],
  check: ["aabb", "aabb", "bbaa", "bbaa"],
  diamond: [
    "aaaaaaaa",
    "...b....",
    "..bab...",
    ".ba.ab..",
    "ba.b.ab.",
    ".ba.ab..",
    "..bab...",
    "...b....",
    "aaaaaaaa",
  ],
  snow: [
    "bbbbbbbbbbbb",
    "............",
    "a....a....a.",
    ".a...a...a..",
    "..a.a.a.a...",
    "...aaaaa....",
    ".aaa.b.aaa..",
    "...aaaaa....",
    "..a.a.a.a...",
    ".a...a...a..",
    "a....a....a.",
    "............",
    "bbbbbbbbbbbb",
  ],
  pine: [
    "...a....",
    "..aaa...",
    "...a....",
    ".aaaaa..",
    "..aaa...",
    "aaaaaaa.",
    "...b....",
    "...b...b",
  ],
  wave: ["a.....", ".a...a", "..a.a.", "b..a..", ".b...b", "..b.b.", "...b.."],
};

const BODY_JUMPER =
  "M121 62C139 84 181 84 199 62L231 72C243 76 250 84 255 98L304 238C306 245 303 250 297 252L271 261C264 263 260 260 258 254L232 178V316C232 322 229 325 223 325H97C91 325 88 322 88 316V178L62 254C60 260 56 263 49 261L23 252C17 250 14 245 16 238L65 98C70 84 77 76 89 72Z";
const BODY_VEST =
  "M122 54L160 148L198 54L226 62C228 98 234 126 246 150V316C246 322 243 325 237 325H83C77 325 74 322 74 316V150C86 126 92 98 94 62Z";

const SHAPES = {
  jumper: {
    paths: [BODY_JUMPER],
    ribs: [[84, 304, 152, 24]],
    cuffs: true,
    seams: "M88 178C90 150 92 136 96 122M232 178C230 150 228 136 224 122",
    collar: "M117 60C137 92 183 92 203 60",
    bands: [[88, 3], [140, 1]],
  },
  cardigan: {
    paths: [BODY_JUMPER],
    ribs: [[84, 304, 152, 24]],
    cuffs: true,
    seams: "M88 178C90 150 92 136 96 122M232 178C230 150 228 136 224 122",
    collar: "M117 60C132 100 150 118 160 128C170 118 188 100 203 60",
    placket: true,
    bands: [[136, 3], [196, 1]],
  },
  vest: {
    paths: [BODY_VEST],
    ribs: [[70, 302, 180, 26]],
    seams: "",
    collar: "M118 54L160 156L202 54",
    bands: [[170, 2]],
  },
  beanie: {
    paths: [
      "M64 246C58 150 96 84 160 84C224 84 262 150 256 246Z",
      "M56 232H264C271 232 275 236 275 243V284C275 291 271 295 264 295H56C49 295 45 291 45 284V243C45 236 49 232 56 232Z",
    ],
    ribs: [[40, 232, 240, 66]],
    seams: "M56 232H264",
    pompom: [160, 70, 34],
    bands: [[140, 2]],
  },
  scarf: {
    paths: [
      "M96 66C96 48 224 48 224 66V110C224 132 96 132 96 110Z",
      "M108 104L164 104L150 310H92Z",
      "M160 108L214 100L236 292L180 300Z",
    ],
    ribs: [],
    fringe: [[94, 310, 56], [182, 298, 54]],
    seams: "M96 108C96 128 224 128 224 108M163 118L157 210",
    bands: [[150, 1], [218, 2]],
  },
  socks: {
    paths: [
      "M84 48H150V182C150 204 158 212 172 226C190 244 186 272 162 276C140 280 122 268 108 246C94 224 84 214 84 190Z",
      "M176 64H242V198C242 220 250 228 264 242C282 260 278 288 254 292C232 296 214 284 200 262C186 240 176 230 176 206Z",
    ],
    ribs: [[80, 48, 76, 26], [172, 64, 76, 26]],
    seams: "M108 246C118 232 138 220 152 200M200 262C210 248 230 236 244 216",
    bands: [[96, 2]],
  },
  mittens: {
    paths: [
      "M60 292V204L40 168C32 154 48 140 60 152L70 166V124C70 76 142 76 142 124V292Z",
      "M178 292V124C178 76 250 76 250 124V166L260 152C272 140 288 154 280 168L260 204V292Z",
    ],
    ribs: [[54, 256, 92, 40], [174, 256, 92, 40]],
    seams: "",
    bands: [[128, 2]],
  },
  blanket: {
    paths: ["M52 96L228 60C238 58 244 62 246 72L280 250C282 260 278 266 268 268L92 304C82 306 76 302 74 292L40 114C38 104 42 98 52 96Z"],
    ribs: [],
    seams: "",
    bands: [[70, 2], [150, 3], [238, 2]],
  },
};

let drawn = 0;

function stitch(x, y) {
  return `M${x} ${y}l4 3 4-3v5l-4 3-4-3z`;
}

/** One repeat of a chart as an SVG pattern. */
function patternOf(id, chart, yarns, y0) {
  const rows = CHARTS[chart];
  const width = rows[0].length * CELL_W;
  const height = rows.length * CELL_H;
  const paths = { ".": "", a: "", b: "" };
  rows.forEach((row, r) => {
    [...row].forEach((stitchYarn, c) => {
      paths[stitchYarn] += stitch(c * CELL_W, r * CELL_H);
    });
  });
  const fills = { ".": yarns.base, a: yarns.a, b: yarns.b };
  const body = Object.entries(paths)
    .filter(([, d]) => d)
    .map(([yarn, d]) => `<path d="${d}" fill="${fills[yarn]}"/>`)
    .join("");
  return (
    `<pattern id="${id}" width="${width}" height="${height}" y="${y0}" patternUnits="userSpaceOnUse">` +
    `<rect width="${width}" height="${height}" fill="${yarns.shade}"/>${body}</pattern>`
  );
}

/**
 * Draw a garment.
 *
 * @param {{shape: string, charts: string[]}} item what to knit
 * @param {{base: string, shade: string, a: string, b: string}} yarns the colourway
 * @param {string} label text for readers who cannot see it; empty for decoration
 * @returns {string} an `<svg>` element as text; made of the shop's own data only
 */
export function knit(item, yarns, label = "") {
  const shape = SHAPES[item.shape];
  const uid = `k${(drawn += 1)}`;
  const charts = item.charts;
  const all = item.charts.length === 1 && item.allOver;
  const defs = [
    patternOf(`${uid}p`, all ? charts[0] : "plain", yarns, 0),
    `<pattern id="${uid}r" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="${yarns.base}"/><rect width="3" height="8" fill="${yarns.shade}"/></pattern>`,
    `<linearGradient id="${uid}l" x1="0" x2="1" y1="0" y2=".25"><stop offset="0" stop-color="#fff" stop-opacity=".16"/><stop offset=".5" stop-color="#fff" stop-opacity="0"/><stop offset="1" stop-color="#0b1020" stop-opacity=".26"/></linearGradient>`,
    `<clipPath id="${uid}c">${shape.paths.map((d) => `<path d="${d}"/>`).join("")}</clipPath>`,
  ];
  const bands = [];
  if (!all) {
    shape.bands.forEach(([y, repeats], n) => {
      const chart = charts[n % charts.length];
      const rows = CHARTS[chart].length;
      const height = rows * CELL_H * (rows > 6 ? Math.min(repeats, 1) : repeats);
      defs.push(patternOf(`${uid}b${n}`, chart, yarns, y));
      bands.push(`<rect x="0" y="${y}" width="320" height="${height}" fill="url(#${uid}b${n})"/>`);
    });
  }
  const ribs = shape.ribs
    .map(([x, y, w, h]) => `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="url(#${uid}r)"/>`)
    .join("");
  const cuffs = shape.cuffs
    ? `<path d="M8 226L68 250 58 272 4 254ZM312 226L252 250 262 272 316 254Z" fill="url(#${uid}r)"/>`
    : "";
  const fringe = (shape.fringe ?? [])
    .map(([x, y, w]) => {
      let d = "";
      for (let i = 0; i <= w; i += 7) d += `M${x + i} ${y - 4}v22`;
      return `<path d="${d}" stroke="${yarns.a}" stroke-width="3" stroke-linecap="round" fill="none"/>`;
    })
    .join("");
  const placket = shape.placket
    ? `<path d="M152 122h16v206h-16z" fill="url(#${uid}r)"/>` +
      [150, 190, 230, 270, 308]
        .map((y) => `<circle cx="160" cy="${y}" r="5.5" fill="${yarns.a}" stroke="${yarns.shade}" stroke-width="1.5"/>`)
        .join("")
    : "";
  let pompom = "";
  if (shape.pompom && item.pompom) {
    const [cx, cy, r] = shape.pompom;
    let d = "";
    for (let i = 0; i < 44; i += 1) {
      const angle = i * 2.399963;
      const radius = r * (0.72 + 0.28 * ((i * 7) % 5) / 4);
      d += `M${cx} ${cy}L${(cx + radius * Math.cos(angle)).toFixed(1)} ${(cy + radius * Math.sin(angle)).toFixed(1)}`;
    }
    pompom = `<circle cx="${cx}" cy="${cy}" r="${r * 0.78}" fill="${yarns.a}"/><path d="${d}" stroke="${yarns.a}" stroke-width="4.5" stroke-linecap="round"/><path d="${d}" stroke="${yarns.shade}" stroke-width=".8" opacity=".5" stroke-linecap="round"/>`;
  }
  const seams = shape.seams
    ? `<path d="${shape.seams}" fill="none" stroke="#0b1020" stroke-opacity=".28" stroke-width="2" stroke-linecap="round"/>`
    : "";
  const collar = shape.collar
    ? `<path d="${shape.collar}" fill="none" stroke="${yarns.shade}" stroke-width="15" stroke-linejoin="round"/><path d="${shape.collar}" fill="none" stroke="${yarns.base}" stroke-width="15" stroke-dasharray="5 2.2" stroke-linejoin="round"/>`
    : "";
  const aria = label ? `role="img" aria-label="${label}"` : 'aria-hidden="true"';
  return (
    `<svg class="knit" viewBox="0 0 320 350" ${aria}><defs>${defs.join("")}</defs>${pompom}${fringe}` +
    `<g clip-path="url(#${uid}c)"><rect width="320" height="350" fill="url(#${uid}p)"/>${bands.join("")}${ribs}${cuffs}` +
    `<rect width="320" height="350" fill="url(#${uid}l)"/>${collar}${placket}</g>${seams}</svg>`
  );
}

/** The landscape on the home page: hills, a mill, a low sun. Colours come from the style sheet. */
export function landscape() {
  return (
    '<svg class="landscape" viewBox="0 0 1200 360" preserveAspectRatio="xMidYMax slice" aria-hidden="true">' +
    '<rect width="1200" height="360" class="sky"/><circle cx="880" cy="150" r="74" class="sun"/>' +
    '<path class="hill-3" d="M0 214C130 150 250 148 380 196S640 246 770 190 1060 120 1200 172V360H0Z"/>' +
    '<path class="hill-2" d="M0 262C170 200 300 236 450 258S760 226 900 240 1100 268 1200 232V360H0Z"/>' +
    '<g class="mill"><path d="M452 258v-66l34-22 34 22 34-22 34 22v70z"/><path d="M596 262v-118h20v118z"/></g>' +
    '<g class="windows"><path d="M470 210h14v18h-14zM500 210h14v18h-14zM530 210h14v18h-14zM560 210h14v18h-14z"/></g>' +
    '<path class="hill-1" d="M0 310C220 252 420 272 620 300S1010 318 1200 280V360H0Z"/>' +
    '<g class="sheep"><ellipse cx="262" cy="282" rx="17" ry="11"/><ellipse cx="322" cy="292" rx="14" ry="9"/><ellipse cx="968" cy="300" rx="17" ry="11"/><ellipse cx="1030" cy="294" rx="13" ry="8"/></g>' +
    '<g class="sheep-dark"><path d="M244 279a6 6 0 1 1 8 4zM334 288a5 5 0 1 0-7 4zM950 297a6 6 0 1 1 8 4zM1042 290a5 5 0 1 0-6 4z"/><path d="M255 292v9M269 292v9M316 300v8M328 300v8M961 310v9M975 310v9M1025 301v8M1036 301v8" stroke-width="3"/></g></svg>'
  );
}
