/**
 * The temperature T of attentions (method.md §1): high at first, so that all kernels learn; it falls to 1 in the first
 * epochs.
 */
import { nn, noGrad, tensor } from '@padnet/torch';

/** A router with a temperature, saved with the weights: a network is evaluated at the temperature it was saved at. */
export interface TemperatureRouter extends nn.Module {
  readonly temperature: nn.Buffer;
}

/** @throws RangeError where it is not above 0 */
export function createTemperature(value: number): nn.Buffer {
  return new nn.Buffer(tensor(checkedTemperature(value)));
}

/** Those of a network. */
export function temperatureRouters(network: nn.Module): TemperatureRouter[] {
  return Array.from(network.namedModules(), ([, module]) => module).filter(
    (module): module is TemperatureRouter => 'temperature' in module && module.temperature instanceof nn.Buffer,
  );
}

/**
 * Sets the temperature of every attention in a network.
 *
 * @throws RangeError where it is not above 0
 */
export function setTemperature(network: nn.Module, temperature: number): void {
  const value = checkedTemperature(temperature);
  noGrad(() => {
    for (const router of temperatureRouters(network)) router.temperature.fill_(value);
  });
}

/**
 * T(t) = T_0 + (T_1 − T_0) · min(1, t / t_end): from `start` to `end` in a straight line over the first `steps` steps
 * (DY-Conv §3.3).
 */
export function annealedTemperature(
  step: number,
  { start, end, steps }: { start: number; end: number; steps: number },
): number {
  return step >= steps ? end : start + ((end - start) * step) / steps;
}

function checkedTemperature(value: number): number {
  if (!(value > 0 && Number.isFinite(value))) throw new RangeError(`temperature must be above 0, got ${value}`);
  return value;
}
