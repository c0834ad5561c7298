// The shop has no pictures of its own yet: each product gets a quiet drawing that is always the same.

const namespace = 'http://www.w3.org/2000/svg';

/** Pairs of colours that go together: ground and shapes. */
const palettes = [
  ['#dfe4fb', '#3345c9', '#8d9bf0'], ['#fbe6dc', '#c2502b', '#f0a584'], ['#dff1e6', '#1d7a4c', '#86cfa6'],
  ['#f7ecd0', '#a56b00', '#e3b75a'], ['#f3e1f1', '#8c3a86', '#d395ce'], ['#dcedf3', '#1f6f8b', '#86c3d6'],
];

/** A drawing for a product: decoration, silent for screen readers. */
export function drawing(productId) {
  const [ground, strong, soft] = palettes[productId % palettes.length];
  const svg = shape('svg', { viewBox: '0 0 160 100', class: 'art', 'aria-hidden': 'true', preserveAspectRatio: 'xMidYMid slice' });
  svg.append(shape('rect', { width: 160, height: 100, fill: ground }), ...motifs[productId % motifs.length](strong, soft));
  return svg;
}

const motifs = [
  (strong, soft) => [
    shape('circle', { cx: 62, cy: 54, r: 30, fill: soft }), shape('circle', { cx: 98, cy: 46, r: 22, fill: strong })],
  (strong, soft) => [
    shape('path', { d: 'M28 78a52 52 0 0 1 104 0z', fill: soft }), shape('path', { d: 'M52 78a28 28 0 0 1 56 0z', fill: strong })],
  (strong, soft) => [0, 1, 2, 3].map(i => shape('rect', { x: 38 + i * 22, y: 22 + (i % 2) * 12, width: 14, height: 48, rx: 7, fill: i % 2 === 0 ? strong : soft })),
  (strong, soft) => [
    shape('rect', { x: 44, y: 26, width: 48, height: 48, rx: 10, fill: soft, transform: 'rotate(-12 68 50)' }),
    shape('circle', { cx: 102, cy: 56, r: 20, fill: strong })],
  (strong, soft) => [
    shape('path', { d: 'M30 72L66 26l36 46z', fill: soft }), shape('path', { d: 'M70 72l28-36 28 36z', fill: strong })],
  (strong, soft) => [18, 28, 38].map((r, i) => shape('circle', { cx: 80, cy: 50, r, fill: 'none', stroke: i === 1 ? soft : strong, 'stroke-width': 6 })),
  (strong, soft) => [
    shape('path', { d: 'M40 30h52a16 16 0 0 1 0 32H40z', fill: soft }), shape('rect', { x: 40, y: 66, width: 72, height: 8, rx: 4, fill: strong })],
];

function shape(name, attributes) {
  const element = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }

  return element;
}
