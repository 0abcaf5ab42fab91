/** A canvas over the page: a handful of wool ends thrown in the air, then gone. */

const YARNS = ["#c9472b", "#e0a32e", "#27395c", "#47624a", "#7fb3a7", "#f3e7cf"];

export function confetti(canvas, count = 70) {
  const context = canvas.getContext("2d");
  const width = (canvas.width = canvas.clientWidth);
  const height = (canvas.height = canvas.clientHeight);
  const ends = Array.from({ length: count }, (_, n) => ({
    x: width / 2 + Math.sin(n * 12.9898) * width * 0.08,
    y: height * 0.62,
    vx: Math.sin(n * 78.233) * 7,
    vy: -6 - Math.abs(Math.cos(n * 37.719)) * 9,
    turn: n,
    yarn: YARNS[n % YARNS.length],
  }));
  let frame = 0;
  function draw() {
    context.clearRect(0, 0, width, height);
    for (const end of ends) {
      end.x += end.vx;
      end.y += end.vy;
      end.vx *= 0.99;
      end.vy += 0.22;
      end.turn += 0.12;
      context.save();
      context.translate(end.x, end.y);
      context.rotate(end.turn);
      context.strokeStyle = end.yarn;
      context.lineWidth = 4;
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(-8, 0);
      context.quadraticCurveTo(0, -9 * Math.sin(end.turn), 8, 0);
      context.stroke();
      context.restore();
    }
    frame += 1;
    if (frame < 150) requestAnimationFrame(draw);
    else canvas.remove();
  }
  draw();
}
