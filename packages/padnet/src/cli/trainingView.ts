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

/** Of one run. */
export function trainingView(terminal: Terminal, { json }: { readonly json: boolean }): TrainingView {
  if (json) return jsonView(terminal);
  return terminal.isInteractive ? barView(terminal) : lineView(terminal);
}

/** Only what is about to happen, beside results on standard output. */
export function titleView(terminal: Terminal): TrainingView {
  return { start: terminal.remark.bind(terminal) };
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
  const onError = (error: Error): void => {
    terminal.endProgress(error);
  };
  process.stdout.on('error', onError);
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
      process.stdout.off('error', onError);
    },
  };
}

/** @param print prints a line about another event. @param step shows a step, and how quickly it goes */
function peopleView(
  terminal: Terminal,
  print: (text: string) => void,
  step: (event: StepEvent, pace: string) => void,
): TrainingView {
  const pace = paceOfSession();
  return {
    start(text) {
      terminal.progress(text);
    },
    show(event) {
      if (!terminal.showsProgress) return;
      if (event.type === 'step') {
        step(event, pace(event));
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

/** How quickly this session trains, by the clock: asked once a step. */
function paceOfSession(): (event: StepEvent) => string {
  const recent: { readonly time: number; readonly samples: number }[] = [];
  let first: { readonly time: number; readonly step: number } | null = null;
  return ({ step, totalSteps, samples, seconds, loss }) => {
    const time = performance.now() / 1000;
    first ??= { time: time - seconds, step: step - 1 };
    recent.push({ time, samples });
    if (recent.length > 50) recent.shift();
    // Over the last 50 steps; of the first step, that step's own.
    const [start, ...others] = recent;
    const seen = others.reduce((sum, each) => sum + each.samples, 0);
    const samplesPerSecond = Math.round(others.length === 0 ? samples / seconds : seen / (time - start!.time));
    // At the mean pace of the session, evaluation included.
    const secondsLeft = ((time - first.time) / (step - first.step)) * (totalSteps - step);
    return `loss ${loss.toFixed(3)}  ${samplesPerSecond} samples/s  ${timeLeft(secondsLeft)} left`;
  };
}
