/** A canvas to draw on: by pointer, or by arrow keys and the space bar. */
import { button, element, newId } from './dom.js';

/** Pixels of the longer side. */
const SIZE = 336;

interface Point {
  readonly x: number;
  readonly y: number;
}

export class Drawing {
  readonly element: HTMLElement;
  readonly tools: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #pen: HTMLElement;
  readonly #brush = element('input', { type: 'range', min: 8, max: 80, value: 30 });
  #last: Point | null = null;
  /** Where the arrow keys are, and whether they draw. */
  #at: Point;
  #isDown = false;

  /**
   * @param isDark whether it is white on black, or black on white
   * @param onDrawn after each stroke
   */
  constructor(
    aspect: { readonly width: number; readonly height: number },
    private readonly isDark: boolean,
    private readonly onDrawn: () => void,
  ) {
    const scale = SIZE / Math.max(aspect.width, aspect.height);
    const [width, height] = [Math.round(scale * aspect.width), Math.round(scale * aspect.height)];
    const help = element(
      'p',
      { class: 'hint', id: newId() },
      'Draw with a mouse, a finger or a pen. With keys: arrows move, the space bar puts the pen down and lifts it.',
    );
    this.#canvas = element('canvas', {
      width,
      height,
      tabindex: 0,
      role: 'application',
      'aria-label': 'Drawing',
      'aria-describedby': help.id,
    });
    this.#pen = element('span', { class: 'pen', 'aria-hidden': 'true' });
    this.element = element('div', { class: 'drawing' }, this.#canvas, this.#pen);
    this.#at = { x: width / 2, y: height / 2 };
    const clear = button('Clear', () => {
      this.clear();
    });
    this.tools = element(
      'div',
      { class: 'tools' },
      element('label', { class: 'brush' }, 'Brush', this.#brush),
      clear,
      help,
    );
    this.clear();
    this.#listen();
  }

  focus(): void {
    this.#canvas.focus();
  }

  clear(): void {
    const context = this.#context;
    context.fillStyle = this.isDark ? '#000' : '#fff';
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  pixels(): ImageData {
    return this.#context.getImageData(0, 0, this.#canvas.width, this.#canvas.height);
  }

  get #context(): CanvasRenderingContext2D {
    return this.#canvas.getContext('2d', { willReadFrequently: true })!;
  }

  #listen(): void {
    const canvas = this.#canvas;
    const pointOf = ({ clientX, clientY }: PointerEvent): Point => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return { x: ((clientX - left) / width) * canvas.width, y: ((clientY - top) / height) * canvas.height };
    };
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#last = pointOf(event);
      this.#lineTo(this.#last);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (this.#last) for (const each of event.getCoalescedEvents()) this.#lineTo(pointOf(each));
    });
    for (const end of ['pointerup', 'pointercancel'] as const)
      canvas.addEventListener(end, () => {
        if (this.#last) this.onDrawn();
        this.#last = null;
      });
    canvas.addEventListener('keydown', (event) => {
      if (this.#key(event.key, event.shiftKey ? 2 : 12)) event.preventDefault();
    });
    canvas.addEventListener('blur', () => {
      this.#isDown = false;
    });
  }

  /** Whether the key means something here. */
  #key(key: string, step: number): boolean {
    const moves: Readonly<Record<string, Point>> = {
      ArrowLeft: { x: -step, y: 0 },
      ArrowRight: { x: step, y: 0 },
      ArrowUp: { x: 0, y: -step },
      ArrowDown: { x: 0, y: step },
    };
    const move = moves[key];
    if (move) {
      const { width, height } = this.#canvas;
      const from = this.#at;
      this.#at = {
        x: Math.min(width, Math.max(0, from.x + move.x)),
        y: Math.min(height, Math.max(0, from.y + move.y)),
      };
      if (this.#isDown) this.#line(from, this.#at);
    } else if (key === ' ') {
      this.#isDown = !this.#isDown;
      if (this.#isDown) this.#line(this.#at, this.#at);
      else this.onDrawn();
    } else return false;
    this.#showPen();
    return true;
  }

  #showPen(): void {
    const { width, height } = this.#canvas;
    this.#pen.style.setProperty('left', `${(100 * this.#at.x) / width}%`);
    this.#pen.style.setProperty('top', `${(100 * this.#at.y) / height}%`);
    this.#pen.classList.toggle('down', this.#isDown);
  }

  #lineTo(point: Point): void {
    this.#line(this.#last!, point);
    this.#last = point;
  }

  #line(from: Point, to: Point): void {
    const context = this.#context;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.strokeStyle = this.isDark ? '#fff' : '#000';
    context.lineWidth = Number(this.#brush.value);
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  }
}
