/** Events and remarks in words. */
import type { BadPicture, Truncation } from '../data/index.js';
import { formatPercent, formatSeconds } from '../report/format.js';
import { metricsText } from '../report/scoreText.js';
import { changesText } from '../runs/changes.js';
import { epochScore, type PreparationEvent, type Score, type TrainingEvent } from '../runs/index.js';
import type { Terminal } from './terminal.js';

/** A line for people about an event; null where it is not worth one. */
export function eventText(event: TrainingEvent): string | null {
  switch (event.type) {
    case 'partitionRound': {
      const share = formatPercent(event.dynamicRatio);
      return `partition, round ${event.round} of ${event.rounds}: ${share} of the entries stay dynamic`;
    }
    case 'partition': {
      const share = formatPercent(event.dynamicRatio);
      return `partitioned in ${formatSeconds(event.seconds)}: ${share} of the entries are dynamic`;
    }
    case 'epoch': {
      const { epoch, epochs, trainLoss, samplesPerSecond } = event;
      const score = epochScore(event);
      const scored = score ? [`${score.on} loss ${score.loss.toFixed(3)}`, scoreText(score)] : [];
      const parts = [`train loss ${trainLoss.toFixed(3)}`, ...scored, `${Math.round(samplesPerSecond)} samples/s`];
      return `epoch ${epoch}/${epochs}  ${parts.join('  ')}`;
    }
    case 'finished': {
      const { testMetrics: metrics, trainingSeconds } = event;
      return `finished: ${scoreText({ on: 'test', metrics })} after ${formatSeconds(trainingSeconds)} of training`;
    }
    case 'truncated':
      return truncationText(event);
    case 'emptyClasses': {
      const { name, classes, numClasses } = event;
      const more = classes.length > 5 ? ` and ${classes.length - 5} more` : '';
      const first = classes.slice(0, 5).join(', ');
      return `${name}: no picture of ${first}${more}: ${classes.length} of ${numClasses} classes are not learnt`;
    }
    case 'newClassifier': {
      const { pretrained, pretrainedClasses, classes } = event;
      return `the classifier of ${pretrained} is for ${pretrainedClasses} classes: that for ${classes} starts fresh`;
    }
    case 'unknownKeys': {
      const { pretrained, keys } = event;
      const [noun, was] = keys.length === 1 ? ['key', 'is not known and was'] : ['keys', 'are not known and were'];
      return `config.json of ${pretrained}: the ${noun} ${keys.join(', ')} ${was} passed over`;
    }
    case 'pretrainedFolded':
      return (
        `${event.pretrained} has model.layer: ${event.layer}: training starts from what its routers decide on ` +
        'average, a static network'
      );
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
function scoreText({ on, metrics }: Pick<Score, 'on' | 'metrics'>): string {
  return `${on} ${metricsText(metrics)}`;
}

function truncationText({ name, count, longest, maxLength }: Truncation): string {
  const texts =
    count === 1
      ? `1 text is longer than ${maxLength} tokens (${longest}) and was truncated`
      : `${count} texts are longer than ${maxLength} tokens (up to ${longest}) and were truncated`;
  return `${name}: ${texts}`;
}

/** How a command that does not train tells of data and weights. */
export interface Remarks {
  readonly onText: (text: string) => void;
  readonly onTruncate: (truncation: Truncation) => void;
  readonly onBadPicture: (picture: BadPicture) => void;
  /** Tells of texts that are truncated, of bad pictures, and of keys that are not known. */
  readonly onRemark: (event: PreparationEvent) => void;
}

export function remarksOn(terminal: Terminal): Remarks {
  const onText = terminal.warn.bind(terminal);
  const onBadPicture = ({ file, reason }: BadPicture): void => {
    onText(`left out: ${file}: ${reason}`);
  };
  return {
    onText,
    onTruncate: (truncation) => {
      onText(truncationText(truncation));
    },
    onBadPicture,
    onRemark: (event) => {
      if (event.type === 'badPicture') onBadPicture(event);
      if (event.type === 'truncated' || event.type === 'unknownKeys') onText(eventText(event)!);
    },
  };
}
