/** The status marks (circle, triangle, diamond, ring), drawn once and copied for each vehicle. */

export interface Glyph {
  /** The picture and its size in CSS pixels. */
  image: OffscreenCanvas;
  size: number;
  /** Red, green, blue, alpha of its pixels. */
  pixels: ImageData;
}

export function glyph(
  code: number,
  tone: string,
  r: number,
  alpha: number,
  ratio: number,
  edge: string,
  bare: boolean,
): Glyph {
  const size = Math.ceil(2.6 * r + 4);
  const image = new OffscreenCanvas(Math.ceil(size * ratio), Math.ceil(size * ratio));
  const context = image.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  context.scale(ratio, ratio);
  context.globalAlpha = alpha;
  trace(context, code, size / 2, size / 2, r);
  context.fillStyle = context.strokeStyle = tone;
  if (code === 3) {
    context.lineWidth = Math.min(1.5, r / 2);
    context.stroke();
  } else {
    context.fill();
    if (!bare) {
      context.lineWidth = 1;
      context.strokeStyle = edge;
      context.stroke();
    }
  }
  return { image, size, pixels: context.getImageData(0, 0, image.width, image.height) };
}

function trace(context: OffscreenCanvasRenderingContext2D, code: number, x: number, y: number, r: number): void {
  context.beginPath();
  if (code === 1) {
    context.moveTo(x, y - 1.25 * r);
    context.lineTo(x + 1.2 * r, y + 0.9 * r);
    context.lineTo(x - 1.2 * r, y + 0.9 * r);
    context.closePath();
  } else if (code === 2) {
    context.moveTo(x, y - 1.3 * r);
    context.lineTo(x + 1.3 * r, y);
    context.lineTo(x, y + 1.3 * r);
    context.lineTo(x - 1.3 * r, y);
    context.closePath();
  } else {
    context.arc(x, y, r, 0, 2 * Math.PI);
  }
}

type Wanted = (i: number) => boolean;

/** Copies a mark to each wanted place; centres in CSS pixels. */
export function stamp(
  context: CanvasRenderingContext2D,
  mark: Glyph,
  x: Float32Array,
  y: Float32Array,
  count: number,
  wanted: Wanted,
): void {
  const half = mark.size / 2;
  for (let i = 0; i < count; i++)
    if (wanted(i)) context.drawImage(mark.image, (x[i] as number) - half, (y[i] as number) - half, mark.size, mark.size);
}

/** As `stamp`, into pixels: some tens of nanoseconds a mark, so that 100,000 stay live. */
export function rasterise(
  picture: ImageData,
  mark: Glyph,
  x: Float32Array,
  y: Float32Array,
  count: number,
  ratio: number,
  wanted: Wanted,
): void {
  const { width, height, data } = picture;
  const ink = opaquePixels(mark.pixels);
  const half = mark.pixels.width / 2;
  for (let i = 0; i < count; i++) {
    if (!wanted(i)) continue;
    const left = Math.round((x[i] as number) * ratio - half);
    const top = Math.round((y[i] as number) * ratio - half);
    if (left < 0 || top < 0 || left + mark.pixels.width > width || top + mark.pixels.height > height) continue;
    for (let k = 0; k < ink.dx.length; k++)
      blend(data, 4 * ((top + (ink.dy[k] as number)) * width + left + (ink.dx[k] as number)), ink, k);
  }
}

interface Ink {
  dx: Uint8Array;
  dy: Uint8Array;
  rgb: Uint8Array;
  alpha: Float32Array;
}

function opaquePixels(pixels: ImageData): Ink {
  const { width, data } = pixels;
  const at: number[] = [];
  for (let i = 0; i < data.length / 4; i++) if ((data[4 * i + 3] as number) > 8) at.push(i);
  return {
    dx: Uint8Array.from(at, (i) => i % width),
    dy: Uint8Array.from(at, (i) => Math.floor(i / width)),
    rgb: Uint8Array.from(at.flatMap((i) => [data[4 * i] as number, data[4 * i + 1] as number, data[4 * i + 2] as number])),
    alpha: Float32Array.from(at, (i) => (data[4 * i + 3] as number) / 255),
  };
}

/** Porter-Duff "over" of one pixel of ink, colours not multiplied by alpha. */
function blend(data: Uint8ClampedArray, at: number, ink: Ink, k: number): void {
  const over = ink.alpha[k] as number;
  const under = ((data[at + 3] as number) / 255) * (1 - over);
  const sum = over + under;
  data[at] = ((ink.rgb[3 * k] as number) * over + (data[at] as number) * under) / sum;
  data[at + 1] = ((ink.rgb[3 * k + 1] as number) * over + (data[at + 1] as number) * under) / sum;
  data[at + 2] = ((ink.rgb[3 * k + 2] as number) * over + (data[at + 2] as number) * under) / sum;
  data[at + 3] = 255 * sum;
}
