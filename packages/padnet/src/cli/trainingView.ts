/** Training as somebody watches it: a progress bar on a terminal, plain lines in a log, JSON for machines. */
import { MultiBar, type SingleBar } from 'cli-progress';
import { formatPercent, formatSeconds } from '../report/format.js';
import { formatScore, metricName } from '../report/scoreText.js';
import { changesText } from '../runs/changes.js';
import type { StepEvent, TestResult, TrainingEvent } from '../runs/index.js';
import { ReaderGoneError, type Terminal } from './terminal.js';
import { truncationText } from './truncation.js';
import { unknownKeysText } from './unknownKeys.js';

export interface TrainingView {
  /** What is about to happen. */
  start(text: string): void;
  show(event: TrainingEvent): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

export function trainingView(terminal: Terminal, { json }: { readonly json: boolean }): TrainingView {
  if (json) return jsonView(terminal);
  return terminal.isInteractive ? barView(terminal) : lineView(terminal);
}

/** The events say it all. */
function jsonView(terminal: Terminal): TrainingView {
  return {
    start: () => undefined,
    // As `Terminal.print`, but where the reader has gone: that stops the training after saving.
    show: (event) => {
      if (terminal.closed.aborted) return;
      try {
        terminal.printJson(event, { oneLine: true });
      } catch (error) {
        if (!(error instanceof ReaderGoneError)) throw error;
      }
    },
    end: () => undefined,
  };
}

/** Seconds between two lines about steps in a log. */
const lineInterval = 10;

function lineView(terminal: Terminal): TrainingView {
  const pace = new Pace();
  let lastLine = performance.now();
  const print = (text: string): void => {
    lastLine = performance.now();
    terminal.progress(text);
  };
  return {
    start: (text) => {
      terminal.progress(text);
    },
    show: (event) => {
      if (event.type !== 'step') {
        tell(event, print);
        return;
      }
      pace.add(event);
      if (performance.now() - lastLine < 1000 * lineInterval) return;
      print(`step ${event.step}/${event.totalSteps}  ${pace.text(event)}`);
    },
    end: () => undefined,
  };
}

function barView(terminal: Terminal): TrainingView {
  const pace = new Pace();
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
  return {
    start: (text) => {
      terminal.progress(text);
    },
    show: (event) => {
      if (!terminal.showsProgress) return;
      if (event.type !== 'step') {
        tell(event, (text) => {
          if (bar) bars.log(`${text}\n`);
          else terminal.progress(text);
        });
        return;
      }
      pace.add(event);
      const details = `epoch ${event.epoch}  ${pace.text(event)}`;
      bar ??= bars.create(event.totalSteps, 0, { details });
      bar.update(event.step, { details });
    },
    end: () => {
      bars.stop();
    },
  };
}

function tell(event: TrainingEvent, print: (text: string) => void): void {
  const text = sentence(event);
  if (text !== null) print(text);
}

/** What an event says to people; null where it is not worth a line. */
function sentence(event: TrainingEvent): string | null {
  switch (event.type) {
    case 'partitionRound':
      return `partition, round ${event.round} of ${event.rounds}: ${formatPercent(event.dynamicRatio)} of the entries stay dynamic`;
    case 'partition':
      return `partitioned in ${formatSeconds(event.seconds)}: ${formatPercent(event.dynamicRatio)} of the entries are dynamic`;
    case 'epoch': {
      const { epoch, epochs, trainLoss, testLoss, samplesPerSecond } = event;
      const losses = `train loss ${trainLoss.toFixed(3)}  test loss ${testLoss.toFixed(3)}`;
      return `epoch ${epoch}/${epochs}  ${losses}  ${testScore(event)}  ${Math.round(samplesPerSecond)} samples/s`;
    }
    case 'finished':
      return `finished: ${testScore(event)} after ${formatSeconds(event.trainingSeconds)} of training`;
    case 'truncated':
      return truncationText(event);
    case 'emptyClasses': {
      const { name, classes, numClasses } = event;
      const more = classes.length > 5 ? ` and ${classes.length - 5} more` : '';
      return `${name}: no picture of ${classes.slice(0, 5).join(', ')}${more}: ${classes.length} of ${numClasses} classes are not learnt`;
    }
    case 'newClassifier':
      return `the classifier of ${event.pretrained} is for ${event.pretrainedClasses} classes: that for ${event.classes} starts fresh`;
    case 'unknownKeys':
      return unknownKeysText(event.pretrained, event.keys);
    case 'pretrainedFolded':
      return `${event.pretrained} has model.layer: ${event.layer}: training starts from what its routers decide on average, a static network`;
    case 'badPicture':
      return `skipped ${event.file}: ${event.reason} (${event.count} so far)`;
    case 'changed':
      return `going on from step ${event.step} with changes: ${changesText(event.changes)}`;
    case 'unchecked':
      return `${event.file} is of an older version: whether recipe, data and machine are as they were is not known`;
    case 'step':
    case 'checkpoint':
    case 'interrupted':
      return null;
  }
}

/** `test accuracy 87.27 %`; every metric of the task, where there are several. */
function testScore({ testMetrics }: TestResult): string {
  return `test ${Object.entries(testMetrics)
    .map(([name, value]) => `${metricName(name)} ${formatScore(name, value)}`)
    .join(', ')}`;
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
