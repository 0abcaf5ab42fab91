/**
 * A canvas: in which months of the year a garment is comfortable.
 *
 * Bars are the usual temperatures of a month at the mill, coloured where they meet the
 * garment's range. Bars grow once when the chart comes into view; the pointer lights one.
 */
const MONTHS = "JFMAMJJASOND";
const USUAL_C = [-3, -2, 2, 6, 11, 15, 17, 16, 12, 7, 2, -1];
const LOWEST_C = -10;
const HIGHEST_C = 24;

export function comfortChart(canvas, [coldC, warmC]) {
  const context = canvas.getContext("2d");
  let grown = 0;
  let lit = -1;
  let started = false;

  function paint() {
    const scale = devicePixelRatio;
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const [ink, muted, accent, line] = ["--ink", "--muted", "--accent", "--line"].map((name) => style.getPropertyValue(name).trim());
    const floor = height - 22;
    const top = 16;
    const at = (c) => floor - ((c - LOWEST_C) / (HIGHEST_C - LOWEST_C)) * (floor - top);

    context.fillStyle = line;
    context.globalAlpha = 0.5;
    context.fillRect(0, at(warmC), width, at(coldC) - at(warmC));
    context.globalAlpha = 1;
    const step = width / 12;
    USUAL_C.forEach((usual, month) => {
      const good = usual >= coldC && usual <= warmC;
      const full = floor - at(usual);
      const tall = full * Math.max(0, Math.min(1, grown * 1.8 - month * 0.07));
      context.fillStyle = good ? accent : muted;
      context.globalAlpha = good ? 1 : 0.35;
      if (lit === month) context.globalAlpha = 0.75;
      context.beginPath();
      context.roundRect(month * step + step * 0.2, floor - tall, step * 0.6, tall, [step * 0.3, step * 0.3, 2, 2]);
      context.fill();
      context.globalAlpha = 1;
      context.fillStyle = lit === month ? ink : muted;
      context.font = "600 11px system-ui, sans-serif";
      context.textAlign = "center";
      context.fillText(MONTHS[month], month * step + step / 2, height - 6);
      if (lit === month) context.fillText(`${usual}°`, month * step + step / 2, at(usual) - 6);
    });
  }

  function grow() {
    grown = Math.min(1, grown + 0.025);
    paint();
    if (grown < 1) requestAnimationFrame(grow);
  }

  new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting && !started) {
      started = true;
      grow();
    }
  }).observe(canvas);
  canvas.addEventListener("pointermove", (event) => {
    const month = Math.floor((event.offsetX / canvas.clientWidth) * 12);
    if (month !== lit) {
      lit = month;
      paint();
    }
  });
  canvas.addEventListener("pointerleave", () => {
    lit = -1;
    paint();
  });
  document.addEventListener("themechange", paint);
  window.addEventListener("resize", paint);
}
