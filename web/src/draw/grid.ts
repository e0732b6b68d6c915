/** Points in cells of a grid: the nearest one without looking at all. */

const CELL = 20;

export class Grid {
  #columns: number;
  #starts: Int32Array;
  #order: Int32Array;

  constructor(
    readonly x: Float32Array,
    readonly y: Float32Array,
    readonly count: number,
    width: number,
    height: number,
  ) {
    this.#columns = Math.max(1, Math.ceil(width / CELL));
    const cells = this.#columns * Math.max(1, Math.ceil(height / CELL));
    this.#starts = new Int32Array(cells + 1);
    this.#order = new Int32Array(count);
    const cellOf = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const cell = Math.min(cells - 1, Math.max(0, this.#cell(x[i] as number, y[i] as number)));
      cellOf[i] = cell;
      this.#starts[cell + 1] = (this.#starts[cell + 1] as number) + 1;
    }
    for (let c = 0; c < cells; c++) this.#starts[c + 1] = (this.#starts[c + 1] as number) + (this.#starts[c] as number);
    const next = this.#starts.slice();
    for (let i = 0; i < count; i++) {
      const cell = cellOf[i] as number;
      this.#order[next[cell] as number] = i;
      next[cell] = (next[cell] as number) + 1;
    }
  }

  #cell(x: number, y: number): number {
    return Math.floor(y / CELL) * this.#columns + Math.floor(x / CELL);
  }

  /** The point nearest to a pixel within `reach`; -1 for none. */
  nearest(x: number, y: number, reach: number): number {
    let best = -1;
    let least = reach * reach;
    for (let row = Math.floor((y - reach) / CELL); row <= (y + reach) / CELL; row++) {
      for (let column = Math.floor((x - reach) / CELL); column <= (x + reach) / CELL; column++) {
        const cell = row * this.#columns + column;
        if (row < 0 || column < 0 || column >= this.#columns || cell >= this.#starts.length - 1) continue;
        for (let k = this.#starts[cell] as number; k < (this.#starts[cell + 1] as number); k++) {
          const i = this.#order[k] as number;
          const dx = (this.x[i] as number) - x;
          const dy = (this.y[i] as number) - y;
          if (dx * dx + dy * dy < least) {
            least = dx * dx + dy * dy;
            best = i;
          }
        }
      }
    }
    return best;
  }
}
