/**
 * Letters that a reader takes for one character (UAX 29, extended grapheme clusters), as far as `precompiledCharsmap`
 * needs it.
 */
import { byExtent } from './characters.js';

/**
 * Flags are taken for two clusters, and syllables of Hangul's parts for several: such clusters have six bytes or more,
 * and are taken apart again where they are used.
 */
const cluster = byExtent((classes) => {
  const [control, before, after] = [classes.of('control'), classes.of('joinsRight'), classes.of('joinsLeft')];
  const pictograph = `[${classes.of('pictograph')}]`;
  const pictographs = `${pictograph}(?:[${classes.of('extends')}]*\\u200d${pictograph})*`;
  const conjunct = `[${classes.of('conjunct')}]`;
  const mark = `[${classes.of('conjunctExtends', 'linker')}]`;
  const conjuncts = `${conjunct}(?:${mark}*[${classes.of('linker')}]${mark}*${conjunct})*`;
  const core = `(?:${pictographs}|${conjuncts}|[^${control}${before}${after}])`;
  return classes.regex(`\\r\\n|[${control}]|[${before}]+(?:${core})?[${after}]*|${core}[${after}]*|[${after}]+`);
});

export function graphemeClusters(text: string): readonly string[] {
  return text.match(cluster(text)) ?? [];
}
