/** Training as somebody watches it: a progress bar on a terminal, plain lines in a log, JSON for machines. */
import { MultiBar, type SingleBar } from 'cli-progress';
import { formatSeconds } from '../report/format.js';
import type { StepEvent, TrainingEvent } from '../runs/index.js';
import { eventText } from './remarks.js';
import { ReaderGoneError, type Terminal } from './terminal.js';

/** A method that is missing has nothing to do. */
export interface TrainingView {
  /** Says what is about to happen. */
  start?(text: string): void;
  show?(event: TrainingEvent): void;
  /** Leaves the terminal as it was. */
  end?(): void;
}

export function trainingView(terminal: Terminal, { json }: { readonly json: boolean }): TrainingView {
  if (json) return jsonView(terminal);
  return terminal.isInteractive ? barView(terminal) : lineView(terminal);
}

/** The events say it all. */
function jsonView(terminal: Terminal): TrainingView {
  return {
    // As `Terminal.print`, but where the reader has gone: that stops the training after saving.
    show(event) {
      if (terminal.closed.aborted) return;
      try {
        terminal.printJson(event, { oneLine: true });
      } catch (error) {
        if (!(error instanceof ReaderGoneError)) throw error;
      }
    },
  };
}

/** Seconds between two lines about steps in a log. */
const lineInterval = 10;

function lineView(terminal: Terminal): TrainingView {
  let lastLine = performance.now();
  const print = (text: string): void => {
    lastLine = performance.now();
    terminal.progress(text);
  };
  return peopleView(terminal, print, (event, pace) => {
    if (performance.now() - lastLine < 1000 * lineInterval) return;
    print(`step ${event.step}/${event.totalSteps}  ${pace}`);
  });
}

function barView(terminal: Terminal): TrainingView {
  const bars = new MultiBar({
    format: '{bar} {percentage} %  {details}',
    barsize: 20,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    stream: process.stdout,
    clearOnComplete: true,
    hideCursor: true,
    emptyOnZero: true,
    // Ctrl-C is ours.
    gracefulExit: false,
  });
  let bar: SingleBar | null = null;
  // The bars have a stream of their own.
  process.stdout.on('error', (error) => {
    terminal.endProgress(error);
  });
  const print = (text: string): void => {
    if (bar) bars.log(`${text}\n`);
    else terminal.progress(text);
  };
  const view = peopleView(terminal, print, (event, pace) => {
    const details = `epoch ${event.epoch}  ${pace}`;
    bar ??= bars.create(event.totalSteps, 0, { details });
    bar.update(event.step, { details });
  });
  return {
    ...view,
    end() {
      bars.stop();
    },
  };
}

/** @param print prints a line about another event. @param step shows a step, and how quickly it goes */
function peopleView(
  terminal: Terminal,
  print: (text: string) => void,
  step: (event: StepEvent, pace: string) => void,
): TrainingView {
  const pace = new Pace();
  return {
    start(text) {
      terminal.progress(text);
    },
    show(event) {
      if (!terminal.showsProgress) return;
      if (event.type === 'step') {
        pace.add(event);
        step(event, pace.text(event));
        return;
      }
      const text = eventText(event);
      if (text !== null) print(text);
    },
  };
}

/** Whole seconds: it is an estimate. */
function timeLeft(seconds: number): string {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : formatSeconds(seconds);
}

/** How quickly this session trains, by the clock. */
class Pace {
  readonly #recent: { readonly time: number; readonly samples: number }[] = [];
  #first: { readonly time: number; readonly step: number } | null = null;
  #last: StepEvent | null = null;

  add(event: StepEvent): void {
    const time = performance.now() / 1000;
    this.#first ??= { time: time - event.seconds, step: event.step - 1 };
    this.#last = event;
    this.#recent.push({ time, samples: event.samples });
    if (this.#recent.length > 50) this.#recent.shift();
  }

  text({ loss }: StepEvent): string {
    return `loss ${loss.toFixed(3)}  ${this.#samplesPerSecond} samples/s  ${timeLeft(this.#secondsLeft)} left`;
  }

  /** Over the last 50 steps; of the first step, that step's own. */
  get #samplesPerSecond(): number {
    const [first, ...others] = this.#recent;
    if (!first || !this.#last) return 0;
    if (others.length === 0) return Math.round(this.#last.samples / this.#last.seconds);
    const samples = others.reduce((sum, step) => sum + step.samples, 0);
    return Math.round(samples / (others.at(-1)!.time - first.time));
  }

  /** At the mean pace of the session, evaluation included. */
  get #secondsLeft(): number {
    if (!this.#first || !this.#last) return 0;
    const { step, totalSteps } = this.#last;
    const secondsPerStep = (performance.now() / 1000 - this.#first.time) / (step - this.#first.step);
    return secondsPerStep * (totalSteps - step);
  }
}
